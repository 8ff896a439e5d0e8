/** Buckets and messages in memory, with the compare-and-set of the real ones. One broker is shared by all simulated processes. */
import type { Bucket, BucketEntry, Bus } from '@couchestor/shared/bus/connect';
import { BusError } from '@couchestor/shared/bus/errors';
import type { BucketContract, EventContract, RpcContract } from '@couchestor/shared/contracts/define';

export interface Published {
  readonly type: string;
  readonly payload: unknown;
}

export class MemoryBroker {
  readonly published: Published[] = [];
  /** Called with each message as it is stored. */
  onPublished: (message: Published) => void = () => undefined;
  /** Nobody can reach the broker: nothing new is done, and an operation in hand is done and not answered. */
  away = false;
  readonly #records = new Map<string, Map<string, BucketEntry<unknown>>>();
  readonly #answers = new Map<string, (request: unknown) => unknown>();
  #revision = 0;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Everything stored is lost, as when NATS comes back with an empty disk: revisions count from the beginning again. */
  wipe(): void {
    this.#records.clear();
    this.#revision = 0;
  }

  /** From now on nobody answers. */
  silence<Q, A>(rpc: RpcContract<Q, A>): void {
    this.#answers.delete(rpc.name);
  }

  answer<Q, A>(rpc: RpcContract<Q, A>, handle: (request: Q) => A): void {
    this.#answers.set(rpc.name, handle as (request: unknown) => unknown);
  }

  /** The bus as one process sees it. `step` is awaited around each operation: there the process may die. */
  bus(step: () => Promise<void>): Pick<Bus, 'bucket' | 'publish' | 'call' | 'serve'> {
    const around = async <T>(operation: () => T): Promise<T> => {
      await step();
      this.#assertHere('NOT_STORED');
      const result = operation();
      this.#assertHere('AMBIGUOUS');
      await step();
      return result;
    };
    return {
      bucket: (contract) => this.#bucket(contract, around),
      publish: <T>(event: EventContract<T>, payload: T) =>
        around(() => {
          const message = { type: event.type, payload: event.payload.parse(payload) };
          this.published.push(message);
          this.onPublished(message);
        }),
      call: async <Q, A>(rpc: RpcContract<Q, A>, request: Q) => {
        await step();
        const answer = this.#answers.get(rpc.name);
        if (answer === undefined || this.away) {
          throw new BusError('NO_ANSWER', { rpc: rpc.name });
        }
        const given = rpc.response.parse(await answer(rpc.request.parse(request)));
        await step();
        return given;
      },
      serve: async <Q, A>(rpc: RpcContract<Q, A>, handle: (request: Q) => Promise<A>) => {
        this.#answers.set(rpc.name, handle as (request: unknown) => unknown);
        return { stop: async () => void this.#answers.delete(rpc.name) };
      },
    };
  }

  #assertHere(code: 'NOT_STORED' | 'AMBIGUOUS'): void {
    if (this.away) {
      throw new BusError(code, { problem: 'NATS is away' });
    }
  }

  #bucket<T>(contract: BucketContract<T>, around: <R>(operation: () => R) => Promise<R>): Bucket<T> {
    const records = (): Map<string, BucketEntry<T>> => {
      const found = this.#records.get(contract.name) ?? new Map<string, BucketEntry<unknown>>();
      this.#records.set(contract.name, found);
      return found as Map<string, BucketEntry<T>>;
    };
    const put = (key: string, value: T): BucketEntry<T> => {
      this.#revision += 1;
      const entry = {
        key,
        value: contract.value.parse(JSON.parse(JSON.stringify(value))),
        revision: this.#revision,
        writtenAt: new Date(this.#now()),
      };
      records().set(key, entry);
      return entry;
    };
    return {
      get: (key) => around(() => records().get(key)),
      create: (key, value) => around(() => (records().has(key) ? undefined : put(key, value))),
      update: (key, value, revision) => around(() => (records().get(key)?.revision === revision ? put(key, value) : undefined)),
      delete: (key, revision) =>
        around(
          () => (revision === undefined || records().get(key)?.revision === revision) && (records().delete(key) || revision === undefined),
        ),
      entries: () => around(() => [...records().values()]),
      createdAt: () => around(() => new Date(0)),
      watch: () => {
        throw new Error('nobody watches a bucket in the simulation');
      },
    };
  }
}
