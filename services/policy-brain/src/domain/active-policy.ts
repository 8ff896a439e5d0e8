/** A policy made ready for deciding: durations parsed, pools assigned to tiers, once per round instead of once per volume. */
import { parseDurationMs } from '@couchestor/shared/duration';
import { type Labels, matchesSelector } from '@couchestor/shared/label-selector';
import type { StoragePolicy } from '@couchestor/shared/storage-policy';
import { type PoolTier, type Tier, type TierSelectors, tierOfPool, tiersFastestFirst } from '@couchestor/shared/tiers';
import type { Destinations, Watermarks } from './decide-tier.ts';
import type { KnownVolume } from './known-volume.ts';

/** What the operator's flags say about all policies. */
export interface OperatorLimits {
  readonly maxConcurrentMigrations: number;
  readonly migrationTimeoutMs: number;
  readonly dryRun: boolean;
  readonly preservationMode: boolean;
}

export interface ActivePolicy {
  readonly policy: StoragePolicy;
  readonly windowSeconds: number;
  /** False: a ninth window. The policy takes no decisions. */
  readonly windowMeasured: boolean;
  readonly cooldownMs: number;
  readonly syncTimeoutMs: number;
  readonly maxConcurrentMigrations: number;
  readonly dryRun: boolean;
  readonly preservationMode: boolean;
  readonly watermarks: Watermarks;
  readonly selectors: TierSelectors;
  readonly destinations: Destinations;
}

export function activatePolicy(policy: StoragePolicy, o: { limits: OperatorLimits; windows: ReadonlySet<number> }): ActivePolicy {
  const { spec } = policy;
  const selectors = selectorsOf(policy);
  const windowSeconds = windowSecondsOf(policy);
  return {
    policy,
    windowSeconds,
    windowMeasured: o.windows.has(windowSeconds),
    cooldownMs: parseDurationMs(spec.cooldownPeriod),
    syncTimeoutMs: spec.migrationTimeout === undefined ? o.limits.migrationTimeoutMs : parseDurationMs(spec.migrationTimeout),
    maxConcurrentMigrations: Math.min(spec.maxConcurrentMigrations ?? o.limits.maxConcurrentMigrations, o.limits.maxConcurrentMigrations),
    dryRun: spec.dryRun || o.limits.dryRun,
    preservationMode: spec.preservationMode || o.limits.preservationMode,
    watermarks: { high: spec.highWatermarkIOPS, warm: spec.warmWatermarkIOPS, low: spec.lowWatermarkIOPS },
    selectors,
    destinations: new Set(tiersFastestFirst.filter((tier) => selectors[tier] !== undefined)),
  };
}

export function windowSecondsOf(policy: StoragePolicy): number {
  return parseDurationMs(policy.spec.samplingWindow) / 1_000;
}

export function selectorsOf({ spec }: StoragePolicy): TierSelectors {
  return {
    ...(spec.hotPoolSelector === undefined ? {} : { hot: spec.hotPoolSelector }),
    ...(spec.warmPoolSelector === undefined ? {} : { warm: spec.warmPoolSelector }),
    ...(spec.coldPoolSelector === undefined ? {} : { cold: spec.coldPoolSelector }),
  };
}

/** Whether the policy is written for this volume, enabled or not. */
export function selectsVolume({ spec }: StoragePolicy, volume: Pick<KnownVolume, 'storageClass' | 'labels'>): boolean {
  return (
    volume.storageClass === spec.storageClassName &&
    (spec.volumeSelector === undefined || matchesSelector(spec.volumeSelector, volume.labels))
  );
}

export interface PoolTiers {
  readonly tierOf: ReadonlyMap<string, PoolTier>;
  /** Tiers with at least one pool that is online. */
  readonly withOnlinePool: ReadonlySet<Tier>;
  /** Pools that two tiers select. */
  readonly ambiguous: readonly string[];
  /** Pools that none selects. */
  readonly unselected: readonly string[];
}

export function assignPools(
  selectors: TierSelectors,
  pools: readonly { readonly id: string; readonly labels: Labels; readonly online: boolean }[],
): PoolTiers {
  const tierOf = new Map(pools.map(({ id, labels }) => [id, tierOfPool(labels, selectors)]));
  const idsOf = (wanted: PoolTier) => pools.map(({ id }) => id).filter((id) => tierOf.get(id) === wanted);
  return {
    tierOf,
    withOnlinePool: new Set(tiersFastestFirst.filter((tier) => pools.some(({ id, online }) => online && tierOf.get(id) === tier))),
    ambiguous: idsOf('ambiguous'),
    unselected: idsOf('none'),
  };
}
