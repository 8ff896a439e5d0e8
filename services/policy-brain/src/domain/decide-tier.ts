/**
 * Which tier a volume belongs to: one look-up in one of two tables. docs/decision.md shows the same tables, and a test reads them there.
 *
 * The three watermarks are the hysteresis: between two of them a volume stays in whichever tier it came to, so that no constant load makes
 * it move twice.
 */
import { type Tier, tiersFastestFirst } from '@couchestor/shared/tiers';

export interface Watermarks {
  readonly high: number;
  /** 0: there is no warm tier to move to. */
  readonly warm: number;
  readonly low: number;
}

/** Tiers that have a selector. Only these are destinations. */
export type Destinations = ReadonlySet<Tier>;

/** Where the mean lies among the watermarks: `low` includes the low one, `high` the high one, `upper` the warm one. */
export const bands = ['low', 'lower', 'upper', 'high'] as const;
export type Band = (typeof bands)[number];

export type TierRule = 'TO_HOT' | 'TO_COLD' | 'UP_TO_WARM' | 'DOWN_TO_WARM' | 'STAY';
export type TierTable = Readonly<Record<Tier, Readonly<Record<Band, TierRule>>>>;

export const threeTiers: TierTable = {
  hot: { low: 'TO_COLD', lower: 'DOWN_TO_WARM', upper: 'STAY', high: 'STAY' },
  warm: { low: 'TO_COLD', lower: 'STAY', upper: 'STAY', high: 'TO_HOT' },
  cold: { low: 'STAY', lower: 'STAY', upper: 'UP_TO_WARM', high: 'TO_HOT' },
};

/** Without a warm selector, or with warm = 0. A volume that lies in warm pools all the same leaves them only at either end. */
export const twoTiers: TierTable = {
  hot: { low: 'TO_COLD', lower: 'STAY', upper: 'STAY', high: 'STAY' },
  warm: { low: 'TO_COLD', lower: 'STAY', upper: 'STAY', high: 'TO_HOT' },
  cold: { low: 'STAY', lower: 'STAY', upper: 'STAY', high: 'TO_HOT' },
};

const destinationOf: Readonly<Record<TierRule, Tier | undefined>> = {
  TO_HOT: 'hot',
  TO_COLD: 'cold',
  UP_TO_WARM: 'warm',
  DOWN_TO_WARM: 'warm',
  STAY: undefined,
};

export interface TierDecision {
  readonly rule: TierRule;
  readonly to: Tier;
}

export function decideTier(o: { current: Tier; iops: number; watermarks: Watermarks; destinations: Destinations }): TierDecision {
  const table = o.watermarks.warm > 0 && o.destinations.has('warm') ? threeTiers : twoTiers;
  const rule = table[o.current][bandOf(o)];
  return { rule, to: destinationOf[rule] ?? o.current };
}

/** A tier without a selector is no destination: its band then counts as the one beside it. */
export function bandOf({ iops, watermarks, destinations }: { iops: number; watermarks: Watermarks; destinations: Destinations }): Band {
  if (iops >= watermarks.high && destinations.has('hot')) {
    return 'high';
  }
  if (iops <= watermarks.low && destinations.has('cold')) {
    return 'low';
  }
  return iops >= watermarks.warm ? 'upper' : 'lower';
}

export function isPromotion(from: Tier, to: Tier): boolean {
  return tiersFastestFirst.indexOf(to) < tiersFastestFirst.indexOf(from);
}
