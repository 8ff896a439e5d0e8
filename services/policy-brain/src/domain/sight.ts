/**
 * Whether the recorded cause of a refusal still holds.
 *
 * Looking costs hundreds of times what all else in a decision costs, and refusals come in thousands where a cluster has too few nodes. So in
 * each round only some volumes are looked at, in turn; until then their refusals hold.
 *
 * The rules by which the migrator refuses are shared, so the brain asks them again. Some causes it cannot see (a measured rebuild rate,
 * Mayastor's own answer): for those it remembers what it saw when it asked for the move, and asks again only once it sees something else.
 */
import { createHash } from 'node:crypto';
import type { LedgerEntry } from '@couchestor/shared/contracts/brain';
import { planNextReplica } from '@couchestor/shared/placement/plan';
import type { Tier } from '@couchestor/shared/tiers';
import type { ActivePolicy, PoolTiers } from './active-policy.ts';
import type { Cluster, KnownVolume } from './known-volume.ts';

/** Some 0.2 s on one core, with a hundred pools. */
export const looksPerRoundMax = 500;

/** Whether it is this volume's turn. The last digits of an id are random enough. */
export function mayLook(volumeId: string, { refusals, turn }: { refusals: number; turn: number }): boolean {
  const groups = Math.ceil(refusals / looksPerRoundMax);
  return groups <= 1 || Number.parseInt(volumeId.slice(-8), 16) % groups === turn % groups;
}

export interface Sight {
  /** Compared for equality only. */
  readonly key: string;
  /** Of the refusal that the migrator would answer, by the brain's knowledge. */
  readonly causeFingerprint: string | undefined;
}

export function look(o: { volume: KnownVolume; to: Tier; policy: ActivePolicy; poolTiers: PoolTiers; cluster: Cluster }): Sight {
  const { spec, generation } = o.policy.policy;
  const goal = {
    to: o.to,
    selectors: o.policy.selectors,
    capacityWatermarkPercent: spec.capacityWatermarkPercent,
    allowSnapshots: spec.allowSnapshots,
    syncTimeoutMs: o.policy.syncTimeoutMs,
  };
  // Other pools than these bear on neither the refusal nor the bias.
  const own = new Set(o.volume.replicas.map(({ pool }) => pool));
  const pools = o.cluster.pools.filter(({ id }) => o.poolTiers.tierOf.get(id) === o.to || own.has(id));
  const world = { volume: o.volume.mayastor, pools, nodes: o.cluster.nodes, diskPoolLabels: o.cluster.poolLabels };
  const next = planNextReplica(world, goal, { poolCordon: o.cluster.poolCordon });
  switch (next.kind) {
    case 'refused':
      return { key: keyOf([generation, next.refusal.causeFingerprint]), causeFingerprint: next.refusal.causeFingerprint };
    case 'done':
      return { key: keyOf([generation, 'done']), causeFingerprint: undefined };
    case 'move': {
      const { source, destination, cordonPools } = next.plan;
      const candidates = [destination.pool, ...cordonPools].sort();
      return { key: keyOf([generation, goal.syncTimeoutMs, source.uuid, ...candidates]), causeFingerprint: undefined };
    }
  }
}

export function refusalHolds(refusal: NonNullable<LedgerEntry['refusal']>, seen: Sight): boolean {
  return seen.causeFingerprint === refusal.causeFingerprint || seen.key === refusal.sight;
}

function keyOf(parts: readonly (string | number)[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32);
}
