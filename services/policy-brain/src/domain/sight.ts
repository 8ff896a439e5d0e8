/**
 * Whether the recorded cause of a refusal still holds.
 *
 * The rules by which the migrator refuses are shared, so the brain asks them again. Some causes it cannot see (a measured rebuild rate,
 * Mayastor's own answer): for those it remembers what it saw when it asked for the move, and asks again only once it sees something else.
 */
import { createHash } from 'node:crypto';
import type { LedgerEntry } from '@couchestor/shared/contracts/brain';
import { planNextReplica } from '@couchestor/shared/placement/plan';
import type { Tier } from '@couchestor/shared/tiers';
import type { ActivePolicy } from './active-policy.ts';
import type { Cluster, KnownVolume } from './known-volume.ts';

export interface Sight {
  /** Compared for equality only. */
  readonly key: string;
  /** Of the refusal that the migrator would answer, by the brain's knowledge. */
  readonly causeFingerprint: string | undefined;
}

export function look(o: { volume: KnownVolume; to: Tier; policy: ActivePolicy; cluster: Cluster }): Sight {
  const { spec, generation } = o.policy.policy;
  const goal = {
    to: o.to,
    selectors: o.policy.selectors,
    capacityWatermarkPercent: spec.capacityWatermarkPercent,
    allowSnapshots: spec.allowSnapshots,
    syncTimeoutMs: o.policy.syncTimeoutMs,
  };
  const world = { volume: o.volume.mayastor, pools: o.cluster.pools, nodes: o.cluster.nodes, diskPoolLabels: o.cluster.poolLabels };
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
