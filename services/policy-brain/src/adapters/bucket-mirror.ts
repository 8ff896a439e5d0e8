/**
 * A bucket in memory, as JetStream has it. Every change is a compare-and-set; where a record has moved on it is read and decided again, so
 * that no change is lost to another brain's.
 */
import type { Bucket, BucketEntry, Bus } from '@couchestor/shared/bus/connect';
import type { BucketContract } from '@couchestor/shared/contracts/define';
import { BrainError } from '../errors.ts';

/** The leading brain is the only writer, so that a record moves on under us only where two of its own handlers meet. */
const attemptsMax = 5;

export interface BucketMirrorInput<T> {
  readonly bus: Pick<Bus, 'bucket'>;
  readonly contract: BucketContract<T>;
  /** A record that is not there. */
  readonly empty: T;
  /** Throws once it is over: then nothing is written any more. */
  readonly term: { assertLeads(): void };
  /** Told of each record that was read or written. */
  readonly onKept?: (entry: BucketEntry<T>) => void;
}

export class BucketMirror<T> {
  readonly #o: BucketMirrorInput<T>;
  readonly #bucket: Bucket<T>;
  readonly #entries = new Map<string, BucketEntry<T>>();
  #watch: { stop(): Promise<void> } | undefined;

  constructor(o: BucketMirrorInput<T>) {
    this.#o = o;
    this.#bucket = o.bus.bucket(o.contract);
  }

  /** Resolves once all of it is in memory. Goes on following: also to nothing, where JetStream has lost everything. */
  async open(): Promise<void> {
    this.#watch = await this.#bucket.watch(({ key, entry }) => {
      if (entry === undefined) {
        this.#entries.delete(key);
      } else {
        this.#keep(entry);
      }
    });
  }

  async close(): Promise<void> {
    await this.#watch?.stop();
  }

  get(key: string): T | undefined {
    return this.#entries.get(key)?.value;
  }

  /** With JetStream's timestamp of the last change. */
  entries(): IterableIterator<BucketEntry<T>> {
    return this.#entries.values();
  }

  /**
   * Applies `next` to the record as it is, and stores what comes out. Undefined, or the record itself: nothing is stored.
   * @returns the record as it is afterwards, and whether it was changed
   */
  async change(key: string, next: (record: T) => T | undefined): Promise<{ entry: T; changed: boolean }> {
    let known = this.#entries.get(key);
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      const before = known?.value ?? this.#o.empty;
      const after = next(before);
      if (after === undefined || after === before) {
        return { entry: before, changed: false };
      }
      this.#o.term.assertLeads();
      const stored = known === undefined ? await this.#bucket.create(key, after) : await this.#bucket.update(key, after, known.revision);
      if (stored !== undefined) {
        this.#keep(stored);
        return { entry: stored.value, changed: true };
      }
      known = await this.#bucket.get(key);
    }
    throw new BrainError('LEDGER_CONTENDED', { bucket: this.#o.contract.name, key, attempts: attemptsMax });
  }

  /** Forgets a record, unless it has changed meanwhile. */
  async remove(key: string): Promise<void> {
    const known = this.#entries.get(key);
    this.#o.term.assertLeads();
    if (known !== undefined && (await this.#bucket.delete(key, known.revision))) {
      this.#entries.delete(key);
    }
  }

  #keep(entry: BucketEntry<T>): void {
    const known = this.#entries.get(entry.key);
    // An answer and the watch may come in either order. Time tells apart revisions from before and after a loss of JetStream's data.
    if (known === undefined || entry.revision > known.revision || entry.writtenAt > known.writtenAt) {
      this.#entries.set(entry.key, entry);
      this.#o.onKept?.(entry);
    }
  }
}
