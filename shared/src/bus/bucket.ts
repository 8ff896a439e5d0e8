/**
 * Versioned records with compare-and-set, in a JetStream key-value bucket.
 *
 * The revision of a record is its sequence in the bucket's stream. A deleted key is a delete marker with a revision of its own, and reads
 * as absent. Every write tells for certain whether it was stored, or throws AMBIGUOUS.
 */
import { randomUUID } from 'node:crypto';
import type { StoredMsg } from 'nats';
import type { BucketContract } from '../contracts/define.ts';
import { bucketStream, bucketSubject } from '../contracts/subjects.ts';
import { sleep } from '../time.ts';
import type { BusConnection } from './connection.ts';
import { decodeValue, encodeValue } from './envelope.ts';
import { BusError, isMissingMessage, isMissingStream } from './errors.ts';
import { follow } from './follow.ts';
import { restoreStreams, store } from './store.ts';

export interface BucketEntry<T> {
  readonly key: string;
  readonly value: T;
  readonly revision: number;
  /** JetStream's timestamp of this revision. */
  readonly writtenAt: Date;
}

export interface Bucket<T> {
  get(key: string): Promise<BucketEntry<T> | undefined>;
  /** Undefined where the key already exists. */
  create(key: string, value: T): Promise<BucketEntry<T> | undefined>;
  /** Compare-and-set. Undefined where the revision has moved on. */
  update(key: string, value: T, revision: number): Promise<BucketEntry<T> | undefined>;
  /** False where the revision has moved on. Without a revision: whatever is there; true also where nothing was. */
  delete(key: string, revision?: number): Promise<boolean>;
  /** The current values. Throws where one of them cannot be read, naming its key. */
  entries(): Promise<BucketEntry<T>[]>;
  /**
   * Calls `onChange` for every current value, then for every change; `entry` is undefined for a key that was deleted, or is gone after the
   * broker lost it. A record that drops out by its age is not told. Resolves once all current values were delivered.
   */
  watch(onChange: (change: { key: string; entry: BucketEntry<T> | undefined }) => void): Promise<{ stop(): Promise<void> }>;
  /** When JetStream made the bucket, by its clock. Later than the first record ever written where the broker lost everything since. */
  createdAt(): Promise<Date>;
}

const operationHeader = 'KV-Operation';
const messageIdHeader = 'Nats-Msg-Id';
const readAttemptsMax = 4;
const readPauseMs = 200;
/** The longest that reading all of a bucket may take. */
const entriesTimeoutMs = 30_000;
/** How often `create` looks again when the key is deleted and made by others meanwhile. */
const createAttemptsMax = 5;

export class KeyValueBucket<T> implements Bucket<T> {
  readonly #connection: BusConnection;
  readonly #contract: BucketContract<T>;
  readonly #stream: string;

  constructor(connection: BusConnection, contract: BucketContract<T>) {
    this.#connection = connection;
    this.#contract = contract;
    this.#stream = bucketStream(contract);
  }

  async get(key: string): Promise<BucketEntry<T> | undefined> {
    const stored = await this.#readLast(key);
    return stored === undefined || isDeleteMarker(stored.header) ? undefined : this.#entryOf(key, stored);
  }

  async create(key: string, value: T): Promise<BucketEntry<T> | undefined> {
    const data = encodeValue(this.#contract, value);
    const id = randomUUID();
    let expectedRevision = 0;
    for (let attempt = 1; attempt <= createAttemptsMax; attempt += 1) {
      const revision = await this.#write({ key, data, id, expectedRevision });
      if (revision !== undefined) {
        return this.#written(key, value, revision);
      }
      const last = await this.#readLast(key);
      if (last !== undefined && !isDeleteMarker(last.header)) {
        return undefined;
      }
      expectedRevision = last?.seq ?? 0;
    }
    throw new BusError('NOT_STORED', { bucket: this.#contract.name, key, problem: 'others keep making and deleting it' });
  }

  async update(key: string, value: T, revision: number): Promise<BucketEntry<T> | undefined> {
    const data = encodeValue(this.#contract, value);
    const stored = await this.#write({ key, data, id: randomUUID(), expectedRevision: revision });
    return stored === undefined ? undefined : this.#written(key, value, stored);
  }

  async delete(key: string, revision?: number): Promise<boolean> {
    const marker = { key, data: '', id: randomUUID(), headers: { [operationHeader]: 'DEL' } };
    const stored = await this.#write(revision === undefined ? marker : { ...marker, expectedRevision: revision });
    return stored !== undefined;
  }

  async entries(): Promise<BucketEntry<T>[]> {
    const found = new Map<string, { data: Uint8Array; seq: number; time: Date }>();
    let caughtUp: () => void = () => undefined;
    const all = new Promise<void>((resolve) => {
      caughtUp = resolve;
    });
    const following = await follow(this.#connection, {
      stream: this.#stream,
      filter: bucketSubject(this.#contract, '>'),
      from: 'last-per-subject',
      onBegin: () => found.clear(),
      onMessage: (message, delivery) => {
        const key = this.#keyOf(message.subject);
        if (isDeleteMarker(message.headers)) {
          found.delete(key);
        } else {
          found.set(key, { data: message.data, seq: delivery.sequence, time: delivery.storedAt });
        }
      },
      onCaughtUp: caughtUp,
    });
    const timeout = new AbortController();
    try {
      await Promise.race([
        all,
        sleep(entriesTimeoutMs, AbortSignal.any([timeout.signal, this.#connection.closing])).then(
          () => Promise.reject(new BusError('NOT_READ', { bucket: this.#contract.name, waitedMs: entriesTimeoutMs })),
          (reason: unknown) => Promise.reject(reason),
        ),
      ]);
    } finally {
      timeout.abort(new BusError('CLOSED'));
      await following.stop();
    }
    return [...found].map(([key, stored]) => this.#entryOf(key, stored));
  }

  async watch(onChange: (change: { key: string; entry: BucketEntry<T> | undefined }) => void): Promise<{ stop(): Promise<void> }> {
    const known = new Map<string, string>();
    let missing = new Set<string>();
    let caughtUp: () => void = () => undefined;
    const all = new Promise<void>((resolve) => {
      caughtUp = resolve;
    });
    const forget = (key: string): void => {
      if (known.delete(key)) {
        onChange({ key, entry: undefined });
      }
    };
    const following = await follow(this.#connection, {
      stream: this.#stream,
      filter: bucketSubject(this.#contract, '>'),
      from: 'last-per-subject',
      onBegin: () => {
        missing = new Set(known.keys());
      },
      onMessage: (message, delivery) => {
        const key = this.#keyOf(message.subject);
        missing.delete(key);
        // Revisions begin again after a broker lost its data, so that the time is needed to tell two of them apart.
        const identity = `${delivery.sequence}@${delivery.storedAt.getTime()}`;
        if (isDeleteMarker(message.headers)) {
          forget(key);
        } else if (known.get(key) !== identity) {
          known.set(key, identity);
          try {
            onChange({ key, entry: this.#entryOf(key, { data: message.data, seq: delivery.sequence, time: delivery.storedAt }) });
          } catch (error) {
            this.#connection.logger.error({ bucket: this.#contract.name, key, err: error }, 'a change could not be taken in');
          }
        }
      },
      onCaughtUp: () => {
        for (const key of missing) {
          forget(key);
        }
        missing = new Set();
        caughtUp();
      },
    });
    await Promise.race([all, closed(this.#connection)]);
    return following;
  }

  async createdAt(): Promise<Date> {
    const { created } = await this.#read(() => this.#connection.manager.streams.info(this.#stream));
    return new Date(created);
  }

  /** The new revision, or undefined where the expected one has moved on. */
  async #write(o: {
    key: string;
    data: string;
    id: string;
    expectedRevision?: number;
    headers?: Readonly<Record<string, string>>;
  }): Promise<number | undefined> {
    const { key, ...write } = o;
    const result = await store(this.#connection, { ...write, subject: this.#subjectOf(key) });
    if (result.stored) {
      return result.sequence;
    }
    if (result.afterDoubt) {
      // Ours may be what moved it. JetStream would have said so, but forgets message ids after a while and with a lost stream.
      const last = await this.#readLast(key);
      if (last?.header.get(messageIdHeader) === o.id) {
        return last.seq;
      }
      throw new BusError('AMBIGUOUS', { bucket: this.#contract.name, key, expectedRevision: o.expectedRevision });
    }
    return undefined;
  }

  /** An entry for what was just written. The time is read back, and is the local clock's where the record has already moved on. */
  async #written(key: string, value: T, revision: number): Promise<BucketEntry<T>> {
    const writtenAt = await this.#connection.manager.streams.getMessage(this.#stream, { seq: revision }).then(
      (stored) => stored.time,
      () => new Date(),
    );
    return { key, value, revision, writtenAt };
  }

  async #readLast(key: string): Promise<StoredMsg | undefined> {
    const subject = this.#subjectOf(key);
    return this.#read(async () => {
      try {
        return await this.#connection.manager.streams.getMessage(this.#stream, { last_by_subj: subject });
      } catch (error) {
        if (isMissingMessage(error)) {
          return undefined;
        }
        throw error;
      }
    });
  }

  async #read<R>(read: () => Promise<R>): Promise<R> {
    let cause: unknown;
    for (let attempt = 1; attempt <= readAttemptsMax; attempt += 1) {
      if (this.#connection.nats.isClosed()) {
        throw new BusError('CLOSED', { bucket: this.#contract.name });
      }
      try {
        return await read();
      } catch (error) {
        cause = error;
        if (isMissingStream(error)) {
          await restoreStreams(this.#connection);
        }
        await sleep(readPauseMs * attempt);
      }
    }
    throw new BusError('NOT_READ', { bucket: this.#contract.name }, { cause });
  }

  #entryOf(key: string, stored: { data: Uint8Array; seq: number; time: Date }): BucketEntry<T> {
    try {
      return { key, value: decodeValue(this.#contract, stored.data), revision: stored.seq, writtenAt: stored.time };
    } catch (cause) {
      throw new BusError('INVALID_MESSAGE', { bucket: this.#contract.name, key, revision: stored.seq }, { cause });
    }
  }

  #subjectOf(key: string): string {
    if (!/^[-/_=a-zA-Z0-9]+(\.[-/_=a-zA-Z0-9]+)*$/.test(key)) {
      throw new BusError('INVALID_KEY', { bucket: this.#contract.name, key: key.slice(0, 100) });
    }
    return bucketSubject(this.#contract, key);
  }

  #keyOf(subject: string): string {
    return subject.slice(bucketSubject(this.#contract, '').length);
  }
}

function isDeleteMarker(headers: { get(name: string): string } | undefined): boolean {
  return (headers?.get(operationHeader) ?? '') !== '';
}

function closed(connection: BusConnection): Promise<never> {
  return new Promise((_resolve, reject) => {
    connection.closing.addEventListener('abort', () => reject(new BusError('CLOSED')), { once: true });
  });
}
