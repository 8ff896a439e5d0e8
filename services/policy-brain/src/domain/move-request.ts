/** The request that is published for a wanted move: complete, so that the migrator needs no policy of its own. */
import type { LedgerEntry } from '@couchestor/shared/contracts/brain';
import type { MoveRequest } from '@couchestor/shared/contracts/migration';
import type { WantedMove } from './decide-volume.ts';
import { moveIdOf } from './ledger.ts';
import { freshRounds } from './samples.ts';

export function requestOf(
  wanted: WantedMove,
  o: { entry: LedgerEntry; epoch: number; reason: string; nowMs: number; roundIntervalMs: number },
): MoveRequest {
  const { active, volumeId, from, to } = wanted;
  const { name, uid, generation, spec } = active.policy;
  return {
    moveId: moveIdOf(volumeId, o.entry.requests + 1),
    volumeId,
    policy: { name, uid, generation },
    epoch: o.epoch,
    from,
    to,
    selectors: active.selectors,
    triggerIops: wanted.iops,
    reason: o.reason,
    expiresAt: new Date(o.nowMs + freshRounds * o.roundIntervalMs).toISOString(),
    syncTimeoutMs: active.syncTimeoutMs,
    capacityWatermarkPercent: spec.capacityWatermarkPercent,
    allowSnapshots: spec.allowSnapshots,
    preservationMode: active.preservationMode,
  };
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
