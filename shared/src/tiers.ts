/**
 * Which tier a pool belongs to, and which tier a volume is in. Pure; used by the brain to decide and by the migrator to place.
 *
 * A pool belongs to tier T when T's selector alone matches its labels. A pool that two tiers select, or none, belongs to no tier and is
 * never a destination.
 */
import { z } from 'zod';
import { type Labels, labelSelectorSchema, matchesSelector } from './label-selector.ts';

export const tierSchema = z.enum(['hot', 'warm', 'cold']);
export type Tier = z.infer<typeof tierSchema>;

/** From fastest to slowest: ties are broken in this order. */
export const tiersFastestFirst: readonly Tier[] = ['hot', 'warm', 'cold'];

export const tierSelectorsSchema = z.strictObject({
  hot: labelSelectorSchema.optional(),
  warm: labelSelectorSchema.optional(),
  cold: labelSelectorSchema.optional(),
});
export type TierSelectors = z.infer<typeof tierSelectorsSchema>;

export type PoolTier = Tier | 'ambiguous' | 'none';

export function tierOfPool(labels: Labels, selectors: TierSelectors): PoolTier {
  const matching = tiersFastestFirst.filter((tier) => {
    const selector = selectors[tier];
    return selector !== undefined && matchesSelector(selector, labels);
  });
  return matching.length === 1 ? (matching[0] ?? 'none') : matching.length === 0 ? 'none' : 'ambiguous';
}

export interface CurrentTier {
  /** `mixed` where the replicas do not all lie on pools of one tier. */
  readonly placement: Tier | 'mixed' | 'none';
  /** The tier to decide from: that of most replicas, the faster one on a tie. Absent where no replica lies on a pool of any tier. */
  readonly decideAs: Tier | undefined;
}

/** @param poolTiers the tier of the pool of each replica, one entry per replica */
export function currentTier(poolTiers: readonly PoolTier[]): CurrentTier {
  const counts = tiersFastestFirst.map((tier) => ({ tier, count: poolTiers.filter((found) => found === tier).length }));
  const most = Math.max(0, ...counts.map(({ count }) => count));
  if (most === 0) {
    return { placement: 'none', decideAs: undefined };
  }
  const decideAs = counts.find(({ count }) => count === most)?.tier;
  return { placement: most === poolTiers.length && decideAs !== undefined ? decideAs : 'mixed', decideAs };
}
