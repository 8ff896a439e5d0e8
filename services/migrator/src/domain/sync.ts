/** WAIT SYNC: from a new replica to a synced one, or to the reason why it will not be. */
import { volumeReplicas } from '@couchestor/shared/mayastor/read';
import { chooseBias } from '@couchestor/shared/placement/bias';
import { withoutGates } from '@couchestor/shared/placement/marks';
import type { Advance, Context } from './machine.ts';
import { newReplicas, worldOf } from './sight.ts';
import { tell } from './story.ts';
import { end, go, instant, noBiasText, since } from './ways.ts';

export function waitSync(context: Context): Advance {
  const { move, sight, limits } = context;
  if (sight.cancelled) {
    return end(context, 'CANCELLED');
  }
  const instead = adoptInstead(context);
  if (instead !== undefined) {
    return instead;
  }
  const world = worldOf(move, sight);
  const replica = world === undefined ? undefined : volumeReplicas(world.volume).find(({ uuid }) => uuid === move.newReplica?.uuid);
  const percent = Math.min(100, replica?.rebuildProgress ?? 0);
  if (since(sight, move.syncStartedAt) > move.request.syncTimeoutMs) {
    return end(context, 'SYNC_TIMEOUT');
  }
  // A fall counts as progress too: after a fail-over the rebuild begins anew. The timeout above bounds how often.
  if (percent !== (move.syncPercent ?? 0)) {
    return { move: { ...move, syncPercent: percent, syncProgressAt: instant(sight.nowMs) }, effect: { kind: 'wait', ms: limits.pollMs } };
  }
  if (since(sight, move.syncProgressAt) > limits.noProgressMs) {
    return end(context, 'SYNC_STALLED');
  }
  return { move, effect: { kind: 'wait', ms: limits.pollMs } };
}

export function synced(context: Context): Advance {
  const { move, sight, limits } = context;
  if (sight.cancelled) {
    return end(context, 'CANCELLED');
  }
  const instead = adoptInstead(context);
  if (instead !== undefined) {
    return instead;
  }
  if (sight.syncedForMs < limits.syncedHoldMs) {
    return { move, effect: { kind: 'wait', ms: Math.min(limits.pollMs, Math.max(1, limits.syncedHoldMs - sight.syncedForMs)) } };
  }
  if (move.request.preservationMode) {
    return end(context, 'PRESERVED');
  }
  const world = worldOf(move, sight);
  const source = move.plan?.source.uuid;
  if (world !== undefined && source !== undefined && chooseBias(withoutGates(world), source) === undefined) {
    return waitForBias(context);
  }
  // The wall clock may have been set back since.
  const syncedMs = move.syncedMs + Math.max(0, since(sight, move.syncStartedAt) - sight.syncedForMs);
  return go(context, 'gate-shrink', 'The new replica is Online and synced.', { ...move, syncPercent: 100, syncedMs });
}

/**
 * Another replica has taken the place of the one that we knew: its node was down for so long that self-healing replaced it, or somebody took
 * one away and put one there. It is the one new replica, and where we want it, so it is ours from now on, and how long it has been synced is
 * counted from its own first reading: of the former one there will never be another. The timeout goes on from the first.
 */
function adoptInstead({ move, sight, kind }: Context): Advance | undefined {
  const world = worldOf(move, sight);
  const oneWanted = kind === 'grown' || kind === 'grown-synced';
  const [replica] = world !== undefined && oneWanted ? newReplicas(move, world) : [];
  if (replica === undefined || replica.uuid === move.newReplica?.uuid) {
    return undefined;
  }
  const at = instant(sight.nowMs);
  const text = `Replica ${replica.uuid} on ${replica.pool} has taken the place of the new one.`;
  const story = tell(move.story, [{ at, step: move.step, text }]);
  return { move: { ...move, newReplica: replica, syncPercent: 0, syncProgressAt: at, story }, effect: { kind: 'look' } };
}

/** Somebody has cordoned a node of the volume, say, for its upgrade: that is waited for as long as a sync is, and without the gate. */
function waitForBias(context: Context): Advance {
  const { move, sight, limits } = context;
  if (since(sight, move.syncStartedAt) > move.request.syncTimeoutMs) {
    return end(context, 'NO_BIAS');
  }
  const told = move.story.at(-1)?.text === noBiasText;
  const line = { at: instant(sight.nowMs), step: move.step, text: noBiasText };
  return { move: told ? move : { ...move, story: tell(move.story, [line]) }, effect: { kind: 'wait', ms: limits.pollMs } };
}

export function newReplicaFaulted(context: Context): Advance {
  return end(context, 'NEW_REPLICA_FAULTED');
}
