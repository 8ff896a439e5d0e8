/** SCALE DOWN: from n + 1 synced replicas to n, without the one that we chose. */
import { chooseBias } from '@couchestor/shared/placement/bias';
import type { Advance, Context } from './machine.ts';
import { syncedWithout, worldOf } from './sight.ts';
import {
  changedExternally,
  end,
  go,
  isBiasedAt,
  leave,
  noBiasText,
  numReplicas,
  placeBias,
  reanalyze,
  triedNothing,
  unsettled,
  wait,
} from './ways.ts';

export function gateShrink(context: Context): Advance {
  const { move, sight, limits } = context;
  const world = worldOf(move, sight);
  const source = move.plan?.source.uuid;
  if (sight.cancelled) {
    return end(context, 'CANCELLED');
  }
  // A process that took the move up here has not seen the replica synced for long enough itself.
  if (sight.syncedForMs < limits.syncedHoldMs) {
    return putOff(context);
  }
  if (world === undefined || source === undefined || sight.atStepMs > limits.settleMs * 4) {
    return backToSync(context);
  }
  if (isBiasedAt(context, world, source)) {
    return go(context, 'scale-down', `Mayastor will remove the replica on ${move.plan?.source.pool}.`, { ...move, scaleDownSent: true });
  }
  const bias = chooseBias(world, source);
  // Somebody has cordoned a node of the volume since: that is waited for without the gate.
  return bias === undefined ? leave(context, 'wait-sync', noBiasText, move) : placeBias(context, bias);
}

export function scaleDown(context: Context): Advance {
  const { move, sight, limits } = context;
  const world = worldOf(move, sight);
  if (sight.answer !== undefined) {
    return scaleDownUnsettled(context);
  }
  const source = move.plan?.source.uuid;
  const mayCall =
    sight.syncedForMs >= limits.syncedHoldMs &&
    world !== undefined &&
    source !== undefined &&
    isBiasedAt(context, world, source) &&
    syncedWithout(world, source) >= numReplicas(move);
  if (mayCall) {
    return { move, effect: { kind: 'put-replica-count', count: numReplicas(move) } };
  }
  return triedNothing(context) ? putOff(context) : backToSync(context);
}

/** Still n + 1 after the call: it is on its way, or had no effect. */
export function scaleDownUnsettled(context: Context): Advance {
  return unsettled(context) ? wait(context) : backToSync(context);
}

/** Lets go of the gate and looks again from WAIT SYNC, which waits without it. */
export function letGoOfShrink(context: Context): Advance {
  return leave(context, 'wait-sync', 'An operation on the volume does not end.', context.move);
}

export function arrived(context: Context): Advance {
  const { move } = context;
  const bytes = move.plan?.bytes ?? 0;
  const {
    plan: _plan,
    before: _before,
    newReplica: _new,
    bias: _bias,
    syncStartedAt: _at,
    syncPercent: _p,
    syncProgressAt: _pa,
    ...kept
  } = move;
  return leave(
    context,
    'analyze',
    `Replica ${move.replicasMoved + 1} of ${move.replicasPlanned} lies on ${move.newReplica?.pool ?? 'the new pool'}.`,
    {
      ...kept,
      replicasMoved: move.replicasMoved + 1,
      bytesMoved: move.bytesMoved + bytes,
      tries: 0,
      scaleDownSent: false,
    },
  );
}

/** The old replica has gone although this process did not just remove it: an earlier SCALE DOWN of ours took effect late, or somebody did. */
export function arrivedLate(context: Context): Advance {
  return context.move.scaleDownSent ? arrived(context) : changedExternally(context);
}

/** Back at n with the source still there: our shrink took another replica, or somebody else's did. Still n healthy ones: plan anew. */
export function shrunkUnderUs(context: Context): Advance {
  const { move, limits } = context;
  if (!move.scaleDownSent || move.tries >= limits.triesMax) {
    return changedExternally(context);
  }
  return reanalyze(context, 'Another replica than the source was removed.');
}

export function backToSync(context: Context): Advance {
  const { move: kept, limits, sight } = context;
  if (kept.tries >= limits.triesMax) {
    return end(context, 'SHRINK_REFUSED', sight.answer?.message);
  }
  return putOff({ ...context, move: { ...kept, tries: kept.tries + 1 } });
}

function putOff(context: Context): Advance {
  const { bias: _bias, ...kept } = context.move;
  return leave(context, 'wait-sync', 'The removal is put off until the new replica has been synced for long enough again.', kept);
}
