/**
 * NATS as the processes of a world see it: buckets with compare-and-set, durable consumers that deliver at least once, questions and
 * answers. It may be away, come back empty, and its clock may jump.
 */
import type { Bucket, BucketEntry, Bus, ConsumeOptions, Received } from '@couchestor/shared/bus/connect';
import { BusError } from '@couchestor/shared/bus/errors';
import type { BucketContract, EventContract, RpcContract, ServiceName } from '@couchestor/shared/contracts/define';
import { CodedError } from '@couchestor/shared/errors';
import type { Dice } from './dice.ts';
import type { SimProcess } from './sim-process.ts';
import type { SimTime } from './sim-time.ts';

/** Real worlds begin some time after the epoch, whose instants are written with four digits of the year. */
const epochMs = Date.parse('2026-03-01T00:00:00.000Z');
const ackWaitMs = 30_000;
const deliveriesMax = 10;
const dedupeMs = 120_000;
const awayAnswerMs = 2_000;

export type BusOf = Pick<Bus, 'bucket' | 'publish' | 'call' | 'serve' | 'consume'>;

interface Stored {
  readonly entries: Map<string, BucketEntry<unknown>>;
  /** Each bucket counts its revisions; they begin anew after a loss. */
  revision: number;
  createdAtMs: number;
  readonly watchers: {
    readonly process: SimProcess;
    readonly tell: (change: { key: string; entry: BucketEntry<unknown> | undefined }) => void;
  }[];
}

interface Message {
  readonly id: string;
  readonly payload: unknown;
  readonly publishedAtMs: number;
  /** Where the stream keeps one message for each of these only. */
  readonly tail: string | undefined;
  deliveries: number;
  visibleAtMs: number;
  owner: SimProcess | undefined;
}

interface Consumer {
  readonly messages: Message[];
  readonly subscribers: { readonly process: SimProcess; busy: boolean; readonly handle: (message: Received<never>) => Promise<void> }[];
}

export interface BrokerWatch {
  /** A record was stored, or deleted. */
  stored(bucket: string, key: string, value: unknown, before: unknown): void;
  published(type: string, payload: unknown): void;
  deadLetter(type: string, error: unknown): void;
}

export class SimBroker {
  readonly #time: SimTime;
  readonly #dice: Dice;
  readonly #watch: BrokerWatch;
  readonly #validates: boolean;
  readonly #buckets = new Map<string, Stored>();
  readonly #consumers = new Map<string, Consumer>();
  readonly #published = new Map<string, number>();
  readonly #servers = new Map<string, { process: SimProcess; handle: (request: unknown) => Promise<unknown> }>();
  #awayUntilMs = 0;
  #ids = 0;
  /** By how much its clock differs from that of the world. */
  clockOffsetMs = 0;

  constructor(o: { time: SimTime; dice: Dice; watch: BrokerWatch; validates: boolean }) {
    this.#time = o.time;
    this.#dice = o.dice;
    this.#watch = o.watch;
    this.#validates = o.validates;
  }

  wallNow = (): number => epochMs + this.#time.now() + this.clockOffsetMs;

  goAway(ms: number): void {
    this.#awayUntilMs = this.#time.now() + ms;
  }

  comeBack(): void {
    this.#awayUntilMs = 0;
  }

  /** Everything stored is lost, as when NATS comes back with an empty disk. */
  wipe(): void {
    for (const stored of this.#buckets.values()) {
      const keys = [...stored.entries.keys()];
      stored.entries.clear();
      stored.revision = 0;
      stored.createdAtMs = this.wallNow();
      for (const key of keys) {
        this.#tell(stored, { key, entry: undefined });
      }
    }
    for (const { messages } of this.#consumers.values()) {
      messages.length = 0;
    }
    this.#published.clear();
  }

  /** What is stored, without asking: for those who look on. */
  peek<T>(contract: BucketContract<T>): ReadonlyMap<string, BucketEntry<T>> {
    return this.#bucketOf(contract).entries as Map<string, BucketEntry<T>>;
  }

  /** Messages that wait for their consumer, or are in its hands. */
  get undelivered(): number {
    return [...this.#consumers.values()].reduce((sum, { messages }) => sum + messages.length, 0);
  }

  /** The bus as one process sees it. */
  bus(process: SimProcess): BusOf {
    return {
      bucket: (contract) => this.#bucket(process, contract),
      publish: (event, payload, options) => this.#write(process, () => this.publish(event, payload, options?.id)),
      call: (rpc, request, options) => this.#call(process, rpc, request, options.timeoutMs),
      serve: async <Q, A>(rpc: RpcContract<Q, A>, handle: (request: Q) => Promise<A>) => {
        this.#servers.set(rpc.name, { process, handle: handle as (request: unknown) => Promise<unknown> });
        return { stop: async () => undefined };
      },
      consume: async <T>(event: EventContract<T>, options: ConsumeOptions<T>) => {
        const consumer = this.#consumer(options.service, event.type);
        consumer.subscribers.push({ process, busy: false, handle: options.handle });
        this.#pump(event.type, consumer);
        return { stop: async () => undefined };
      },
    };
  }

  publish<T>(event: EventContract<T>, payload: T, id?: string): void {
    const nowMs = this.#time.now();
    if (id !== undefined) {
      const before = this.#published.get(id);
      if (before !== undefined && nowMs - before < dedupeMs) {
        return;
      }
      this.#published.set(id, nowMs);
    }
    const copy = this.#copy(event.payload, payload);
    this.#watch.published(event.type, copy);
    this.#ids += 1;
    for (const service of event.consumers) {
      const consumer = this.#consumer(service, event.type);
      const tail = event.subjectTail?.(payload);
      const replaced = consumer.messages.findIndex((one) => tail !== undefined && one.tail === tail && one.owner === undefined);
      if (replaced !== -1) {
        consumer.messages.splice(replaced, 1);
      }
      const what = { id: id ?? `i${this.#ids}`, payload: copy, tail };
      consumer.messages.push({ ...what, publishedAtMs: this.wallNow(), deliveries: 0, visibleAtMs: nowMs, owner: undefined });
      this.#pump(event.type, consumer);
    }
  }

  #consumer(service: ServiceName, type: string): Consumer {
    const name = `${service} ${type}`;
    const found = this.#consumers.get(name) ?? { messages: [], subscribers: [] };
    this.#consumers.set(name, found);
    return found;
  }

  /** Gives each subscriber that has nothing in hand the first message that may be delivered. */
  #pump(type: string, consumer: Consumer): void {
    for (const subscriber of consumer.subscribers) {
      const { process } = subscriber;
      const message = consumer.messages.find((one) => one.owner === undefined && one.visibleAtMs <= this.#time.now());
      if (message === undefined) {
        return;
      }
      if (subscriber.busy || !process.alive || process.paused) {
        continue;
      }
      subscriber.busy = true;
      message.owner = process;
      message.deliveries += 1;
      this.#keepAlive(type, consumer, message, process);
      this.#time.after(this.#dice.between(1, 5), () => process.deliver(() => void this.#hand(type, consumer, { message, subscriber })));
    }
  }

  async #hand(type: string, consumer: Consumer, o: { message: Message; subscriber: Consumer['subscribers'][number] }): Promise<void> {
    const { message, subscriber } = o;
    const { id, payload, deliveries } = message;
    const received = { id, payload, publishedAt: new Date(message.publishedAtMs), deliveries, subject: type } as Received<never>;
    let failure: unknown;
    try {
      await subscriber.handle(received);
    } catch (error) {
      failure = error;
    }
    await subscriber.process.goOn();
    subscriber.busy = false;
    if (message.owner === subscriber.process) {
      message.owner = undefined;
      const mayPass = failure !== undefined && (!(failure instanceof CodedError) || failure.retry) && deliveries < deliveriesMax;
      if (mayPass) {
        message.visibleAtMs = this.#time.now() + 500 * 2 ** deliveries;
        this.#time.at(message.visibleAtMs, () => this.#pump(type, consumer));
      } else {
        consumer.messages.splice(consumer.messages.indexOf(message), 1);
        if (failure !== undefined) {
          this.#watch.deadLetter(type, failure);
        }
      }
    }
    this.#pump(type, consumer);
  }

  /** A message whose process died, or stands still for too long, is delivered again. */
  #keepAlive(type: string, consumer: Consumer, message: Message, process: SimProcess): void {
    const { deliveries } = message;
    this.#time.after(ackWaitMs, () => {
      if (message.owner !== process || message.deliveries !== deliveries) {
        return;
      }
      if (process.alive && !process.paused) {
        this.#keepAlive(type, consumer, message, process);
        return;
      }
      message.owner = undefined;
      this.#pump(type, consumer);
    });
  }

  /** A process that came, or goes on, takes what waits. */
  pumpAll(): void {
    for (const [name, consumer] of this.#consumers) {
      consumer.subscribers.splice(0, consumer.subscribers.length, ...consumer.subscribers.filter(({ process }) => process.alive));
      this.#pump(name.split(' ')[1] ?? '', consumer);
    }
  }

  async #call<Q, A>(process: SimProcess, rpc: RpcContract<Q, A>, request: Q, timeoutMs: number): Promise<A> {
    await process.step();
    const server = this.#servers.get(rpc.name);
    if (server === undefined || !server.process.alive || this.#away) {
      await process.sleep(this.#away ? timeoutMs : 1);
      throw new BusError('NO_ANSWER', { rpc: rpc.name });
    }
    const answered = new Promise<{ answer: unknown } | { error: unknown }>((resolve) => {
      this.#time.after(1, () =>
        server.process.deliver(() => {
          server.handle(JSON.parse(JSON.stringify(request))).then(
            (answer) => resolve({ answer }),
            (error: unknown) => resolve({ error }),
          );
        }),
      );
    });
    const outcome = await Promise.race([answered, process.sleep(timeoutMs).then(() => undefined)]);
    await process.step();
    if (outcome === undefined) {
      throw new BusError('NO_ANSWER', { rpc: rpc.name });
    }
    if ('error' in outcome) {
      throw new BusError('RPC_REFUSED', { rpc: rpc.name, code: outcome.error instanceof CodedError ? outcome.error.code : 'INTERNAL' });
    }
    return rpc.response.parse(outcome.answer);
  }

  get #away(): boolean {
    return this.#time.now() < this.#awayUntilMs;
  }

  async #latency(process: SimProcess): Promise<void> {
    await process.step();
    if (this.#dice.chance(0.15)) {
      await process.sleep(this.#dice.between(1, 25));
    }
  }

  async #read<T>(process: SimProcess, read: () => T): Promise<T> {
    await this.#latency(process);
    if (this.#away) {
      await process.sleep(awayAnswerMs);
      throw new BusError('NOT_READ');
    }
    const result = read();
    await process.step();
    return result;
  }

  async #write<T>(process: SimProcess, write: () => T): Promise<T> {
    await this.#latency(process);
    if (this.#away) {
      const stored = this.#dice.chance(0.2);
      if (stored) {
        write();
      }
      await process.sleep(awayAnswerMs);
      throw new BusError(stored || this.#dice.chance(0.3) ? 'AMBIGUOUS' : 'NOT_STORED');
    }
    const result = write();
    await process.step();
    return result;
  }

  #bucketOf<T>(contract: BucketContract<T>): Stored {
    const found = this.#buckets.get(contract.name) ?? { entries: new Map(), revision: 0, createdAtMs: epochMs - 3_600_000, watchers: [] };
    this.#buckets.set(contract.name, found);
    return found;
  }

  #bucket<T>(process: SimProcess, contract: BucketContract<T>): Bucket<T> {
    const stored = this.#bucketOf(contract);
    const entries = stored.entries as Map<string, BucketEntry<T>>;
    const put = (key: string, value: T): BucketEntry<T> => {
      stored.revision += 1;
      const before = entries.get(key)?.value;
      const entry = { key, value: this.#copy(contract.value, value), revision: stored.revision, writtenAt: new Date(this.wallNow()) };
      entries.set(key, entry);
      this.#watch.stored(contract.name, key, entry.value, before);
      this.#tell(stored, { key, entry });
      return entry;
    };
    const remove = (key: string): void => {
      const before = entries.get(key)?.value;
      if (entries.delete(key)) {
        stored.revision += 1;
        this.#watch.stored(contract.name, key, undefined, before);
        this.#tell(stored, { key, entry: undefined });
      }
    };
    return {
      get: (key) => this.#read(process, () => entries.get(key)),
      create: (key, value) => this.#write(process, () => (entries.has(key) ? undefined : put(key, value))),
      update: (key, value, revision) => this.#write(process, () => (entries.get(key)?.revision === revision ? put(key, value) : undefined)),
      delete: (key, revision) =>
        this.#write(process, () => {
          const mine = revision === undefined || entries.get(key)?.revision === revision;
          if (mine) {
            remove(key);
          }
          return mine;
        }),
      entries: () => this.#read(process, () => [...entries.values()]),
      createdAt: () => this.#read(process, () => new Date(stored.createdAtMs)),
      watch: async (onChange) => {
        await process.step();
        for (const [key, entry] of entries) {
          onChange({ key, entry });
        }
        const watcher = { process, tell: onChange as Stored['watchers'][number]['tell'] };
        stored.watchers.push(watcher);
        return { stop: async () => void stored.watchers.splice(stored.watchers.indexOf(watcher), 1) };
      },
    };
  }

  #tell(stored: Stored, change: { key: string; entry: BucketEntry<unknown> | undefined }): void {
    for (const watcher of stored.watchers) {
      if (watcher.process.alive) {
        this.#time.after(2, () => watcher.process.deliver(() => watcher.tell(change)));
      }
    }
  }

  #copy<T>(schema: { parse(value: unknown): T }, value: T): T {
    const copy: unknown = JSON.parse(JSON.stringify(value));
    return this.#validates ? schema.parse(copy) : (copy as T);
  }
}
