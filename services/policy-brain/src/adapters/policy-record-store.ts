/** The record of each policy's moves: totals and the last of them. */
import type { Bus } from '@couchestor/shared/bus/connect';
import { type PolicyRecord, policyRecordsBucket } from '@couchestor/shared/contracts/brain';
import { emptyRecord, type MoveTotals, seedRecord, totalsOf } from '../domain/policy-record.ts';
import { BucketMirror } from './bucket-mirror.ts';

export class PolicyRecordStore {
  readonly #records: BucketMirror<PolicyRecord>;
  /** The most that was ever seen of each policy: JetStream may lose its data while we run. */
  readonly #floors = new Map<string, MoveTotals>();

  /** @param term throws once it is over: then nothing is written any more */
  constructor(bus: Pick<Bus, 'bucket'>, term: { assertLeads(): void }) {
    this.#records = new BucketMirror({
      bus,
      term,
      contract: policyRecordsBucket,
      empty: emptyRecord,
      onKept: ({ key, value }) => {
        if (value.seeded) {
          this.#floors.set(key, totalsOf(value));
        }
      },
    });
  }

  open(): Promise<void> {
    return this.#records.open();
  }

  close(): Promise<void> {
    return this.#records.close();
  }

  get(policy: string): PolicyRecord | undefined {
    return this.#records.get(keyOf(policy));
  }

  /** As of the mirror; returns whether the record was changed. */
  async change(policy: string, next: (record: PolicyRecord) => PolicyRecord): Promise<boolean> {
    return (await this.#records.change(keyOf(policy), next)).changed;
  }

  /** Takes in what the policy's status says. Costs nothing where that is known already. */
  async seed(policy: string, said: MoveTotals): Promise<void> {
    const floor = this.#floors.get(keyOf(policy));
    const most = { total: Math.max(said.total, floor?.total ?? 0), failed: Math.max(said.failed, floor?.failed ?? 0) };
    await this.change(policy, (record) => seedRecord(record, most));
  }
}

/** A key of a bucket has no empty part between two dots; a policy from a file may have such a name. */
function keyOf(policy: string): string {
  return /^[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(policy) ? policy : `=${Buffer.from(policy).toString('hex')}`;
}
