/**
 * The ledger in memory, as JetStream has it. Every change is a compare-and-set; where the record has moved on it is read and decided again.
 */

import type { Bucket, BucketEntry, Bus } from '@couchestor/shared/bus/connect';
import { type LedgerEntry, ledgerBucket } from '@couchestor/shared/contracts/brain';
import { emptyEntry } from '../domain/ledger.ts';
import { BrainError } from '../errors.ts';

/** The leading brain is the only writer, so that a record moves on under us only where two of its own handlers meet. */
const attemptsMax = 5;

export class LedgerStore {
  readonly #bucket: Bucket<LedgerEntry>;
  readonly #term: { assertLeads(): void };
  readonly #entries = new Map<string, BucketEntry<LedgerEntry>>();
  #watch: { stop(): Promise<void> } | undefined;

  /** @param term throws once it is over: then nothing is written any more */
  constructor(bus: Pick<Bus, 'bucket'>, term: { assertLeads(): void }) {
    this.#term = term;
    this.#bucket = bus.bucket(ledgerBucket);
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

  get(volumeId: string): LedgerEntry | undefined {
    return this.#entries.get(volumeId)?.value;
  }

  /** With JetStream's timestamp of the last change. */
  entries(): IterableIterator<BucketEntry<LedgerEntry>> {
    return this.#entries.values();
  }

  /**
   * Applies `next` to the record as it is, and stores what comes out. Undefined, or the record itself: nothing is stored.
   * @returns the record as it is afterwards, and whether it was changed
   */
  async change(volumeId: string, next: (entry: LedgerEntry) => LedgerEntry | undefined): Promise<{ entry: LedgerEntry; changed: boolean }> {
    let known = this.#entries.get(volumeId);
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      const before = known?.value ?? emptyEntry;
      const after = next(before);
      if (after === undefined || after === before) {
        return { entry: before, changed: false };
      }
      this.#term.assertLeads();
      const stored =
        known === undefined ? await this.#bucket.create(volumeId, after) : await this.#bucket.update(volumeId, after, known.revision);
      if (stored !== undefined) {
        this.#keep(stored);
        return { entry: stored.value, changed: true };
      }
      known = await this.#bucket.get(volumeId);
    }
    throw new BrainError('LEDGER_CONTENDED', { volumeId, attempts: attemptsMax });
  }

  /** Forgets a volume, unless its record has changed meanwhile. */
  async remove(volumeId: string): Promise<void> {
    const known = this.#entries.get(volumeId);
    this.#term.assertLeads();
    if (known !== undefined && (await this.#bucket.delete(volumeId, known.revision))) {
      this.#entries.delete(volumeId);
    }
  }

  #keep(entry: BucketEntry<LedgerEntry>): void {
    const known = this.#entries.get(entry.key);
    // An answer and the watch may come in either order. Time tells apart revisions from before and after a loss of JetStream's data.
    if (known === undefined || entry.revision > known.revision || entry.writtenAt > known.writtenAt) {
      this.#entries.set(entry.key, entry);
    }
  }
}
