/**
 * The record of each policy's moves in memory, as JetStream has it. Every change is a compare-and-set; where the record has moved on it is
 * read and decided again, so that no count is lost to another brain's.
 */
import type { Bucket, BucketEntry, Bus } from '@couchestor/shared/bus/connect';
import { type PolicyRecord, policyRecordsBucket } from '@couchestor/shared/contracts/brain';
import { emptyRecord, type MoveTotals, seedRecord, totalsOf } from '../domain/policy-record.ts';
import { BrainError } from '../errors.ts';

const attemptsMax = 5;

export class PolicyRecordStore {
  readonly #bucket: Bucket<PolicyRecord>;
  readonly #entries = new Map<string, BucketEntry<PolicyRecord>>();
  /** The most that was ever seen of each policy: JetStream may lose its data while we run. */
  readonly #floors = new Map<string, MoveTotals>();
  #watch: { stop(): Promise<void> } | undefined;

  constructor(bus: Pick<Bus, 'bucket'>) {
    this.#bucket = bus.bucket(policyRecordsBucket);
  }

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

  get(policy: string): PolicyRecord | undefined {
    return this.#entries.get(keyOf(policy))?.value;
  }

  /**
   * Applies `next` to the record as it is, and stores what comes out, unless that is the record itself.
   * @returns whether it was changed
   */
  async change(policy: string, next: (record: PolicyRecord) => PolicyRecord): Promise<boolean> {
    const key = keyOf(policy);
    let known = this.#entries.get(key);
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      const before = known?.value ?? emptyRecord;
      const after = next(before);
      if (after === before) {
        return false;
      }
      const stored = known === undefined ? await this.#bucket.create(key, after) : await this.#bucket.update(key, after, known.revision);
      if (stored !== undefined) {
        this.#keep(stored);
        return true;
      }
      known = await this.#bucket.get(key);
    }
    throw new BrainError('LEDGER_CONTENDED', { policy, attempts: attemptsMax });
  }

  /** Takes in what the policy's status says. Costs nothing where that is known already. */
  async seed(policy: string, said: MoveTotals): Promise<void> {
    const floor = this.#floors.get(keyOf(policy));
    const most = { total: Math.max(said.total, floor?.total ?? 0), failed: Math.max(said.failed, floor?.failed ?? 0) };
    await this.change(policy, (record) => seedRecord(record, most));
  }

  #keep(entry: BucketEntry<PolicyRecord>): void {
    const known = this.#entries.get(entry.key);
    // An answer and the watch may come in either order. Time tells apart revisions from before and after a loss of JetStream's data.
    if (known === undefined || entry.revision > known.revision || entry.writtenAt > known.writtenAt) {
      this.#entries.set(entry.key, entry);
      if (entry.value.seeded) {
        this.#floors.set(entry.key, totalsOf(entry.value));
      }
    }
  }
}

/** A key of a bucket has no empty part between two dots; a policy from a file may have such a name. */
function keyOf(policy: string): string {
  return /^[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(policy) ? policy : `=${Buffer.from(policy).toString('hex')}`;
}
