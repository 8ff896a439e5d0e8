/** What a stripe has lost, and how much more it could lose. */
import { shardCountOf, storedBytesOf } from '../domain/geometry.ts';
import type { StripeRow } from '../domain/stripe.ts';

export interface StripeHealth {
  /** Places without a shard that a drive holds, or with a bad one. */
  readonly missing: readonly number[];
  /** How many more shards may be lost without a byte being lost, whichever they are; negative where too many are lost already. */
  readonly spare: number;
  readonly state: 'healthy' | 'degraded' | 'lost';
}

export interface HealthView {
  /** Whether the drive's shards count as there. */
  readonly holds: (drive: number) => boolean;
  /** Places whose shards are known to be bad. */
  readonly bad?: { has(place: number): boolean } | undefined;
}

/**
 * A shard without data, behind the end of a short payload, is zeros wherever its record is, so it is never missing for a computation. What a
 * stripe means is in its headers: one of them must be left.
 */
export function healthOf(row: StripeRow, { holds, bad }: HealthView): StripeHealth {
  const missing: number[] = [];
  let usable = 0;
  const total = shardCountOf(row.shape);
  for (let place = 0; place < total; place += 1) {
    const at = row.shards[place];
    const isMissing = at === undefined || !holds(at.drive) || bad?.has(place) === true;
    if (isMissing) {
      missing.push(place);
    }
    if (!isMissing || storedBytesOf(row.shape, place) === 0) {
      usable += 1;
    }
  }
  // Without payload every place is usable, and the headers alone decide.
  const spareHeaders = total - missing.length - 1;
  const spare = row.shape.shardBytes === 0 ? spareHeaders : Math.min(usable - row.shape.dataShards, spareHeaders);
  return { missing, spare, state: spare < 0 ? 'lost' : missing.length > 0 ? 'degraded' : 'healthy' };
}
