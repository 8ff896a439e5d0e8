/** The request that is published for a wanted move: complete, so that the migrator needs no policy of its own. */
import type { LedgerEntry } from '@couchestor/shared/contracts/brain';
import type { MoveRequest } from '@couchestor/shared/contracts/migration';
import { poolLabels as ownLabels } from '@couchestor/shared/mayastor/read';
import type { TierSelectors } from '@couchestor/shared/tiers';
import type { WantedMove } from './decide-volume.ts';
import type { Cluster } from './known-volume.ts';
import { moveIdOf } from './ledger.ts';
import { freshRounds } from './samples.ts';

export function requestOf(
  wanted: WantedMove,
  o: { entry: LedgerEntry; epoch: number; reason: string; nowMs: number; roundIntervalMs: number; cluster: Cluster },
): MoveRequest {
  const { active, volumeId, from, to } = wanted;
  const { name, uid, generation, spec } = active.policy;
  const poolLabels = furtherPoolLabels(o.cluster, active.selectors);
  return {
    moveId: moveIdOf(volumeId, o.entry.requests + 1),
    volumeId,
    policy: { name, uid, generation },
    epoch: o.epoch,
    from,
    to,
    selectors: active.selectors,
    ...(poolLabels === undefined ? {} : { poolLabels }),
    triggerIops: wanted.iops,
    reason: o.reason,
    expiresAt: new Date(o.nowMs + freshRounds * o.roundIntervalMs).toISOString(),
    syncTimeoutMs: active.syncTimeoutMs,
    capacityWatermarkPercent: spec.capacityWatermarkPercent,
    allowSnapshots: spec.allowSnapshots,
    preservationMode: active.preservationMode,
  };
}

/** Whether pools would still be assigned to tiers by the same further labels as when the move was requested. */
export function hasSamePoolLabels(request: MoveRequest, cluster: Cluster): boolean {
  return JSON.stringify(sorted(request.poolLabels)) === JSON.stringify(sorted(furtherPoolLabels(cluster, request.selectors)));
}

function sorted(poolLabels: MoveRequest['poolLabels']): string[] {
  return Object.entries(poolLabels ?? {})
    .flatMap(([pool, labels]) => Object.entries(labels).map((label) => JSON.stringify([pool, ...label])))
    .sort();
}

/** Labels that Mayastor does not have itself, of the keys that the selectors ask for; undefined where there are none. */
function furtherPoolLabels({ pools, poolLabels }: Cluster, selectors: TierSelectors): MoveRequest['poolLabels'] {
  const keys = new Set(
    Object.values(selectors).flatMap((selector) => [
      ...Object.keys(selector?.matchLabels ?? {}),
      ...(selector?.matchExpressions ?? []).map(({ key }) => key),
    ]),
  );
  const further = pools.flatMap((pool) => {
    const own = ownLabels(pool);
    const labels = Object.entries(poolLabels.get(pool.id) ?? {}).filter(([key]) => keys.has(key) && !Object.hasOwn(own, key));
    return labels.length === 0 ? [] : [[pool.id, Object.fromEntries(labels)] as const];
  });
  return further.length === 0 ? undefined : Object.fromEntries(further);
}

/**
 * True once nobody can accept the request any more and its acceptance, if there was one, has had as long again to arrive. A move that was
 * accepted all the same finds at SCALE UP that it no longer stands.
 */
export function hasLapsed(request: MoveRequest, nowMs: number, roundIntervalMs: number): boolean {
  return nowMs > Date.parse(request.expiresAt) + roundIntervalMs;
}

export function hasExpired(request: MoveRequest, nowMs: number): boolean {
  return nowMs > Date.parse(request.expiresAt);
}
