/** The way back: from n + 1 replicas to n, without the new one. */
import { volumeReplicas } from '@couchestor/shared/mayastor/read';
import { chooseBias } from '@couchestor/shared/placement/bias';
import type { World } from '@couchestor/shared/placement/world';
import { endings } from './endings.ts';
import type { Advance, Context } from './machine.ts';
import { isHealthy, newReplicas, syncedWithout, worldOf } from './sight.ts';
import { go, isBiasedAt, leave, numReplicas, placeBias, result, triedNothing, unsettled, wait } from './ways.ts';

export function gateRollBack(context: Context): Advance {
  const { move, sight, limits } = context;
  const world = worldOf(move, sight);
  const [victim] = world === undefined ? [] : newReplicas(move, world);
  if (world === undefined || victim === undefined) {
    return wait(context);
  }
  if (move.tries >= limits.triesMax || sight.atStepMs > limits.settleMs * 8 || removalWouldCost(world, victim.uuid, numReplicas(move))) {
    return keepBoth(context);
  }
  if (isBiasedAt(context, world, victim.uuid)) {
    return go(context, 'roll-back', `Mayastor will remove the new replica on ${victim.pool}.`, move);
  }
  const bias = chooseBias(world, victim.uuid);
  return bias === undefined ? keepBoth(context) : placeBias(context, bias);
}

export function rollBack(context: Context): Advance {
  const { move, sight } = context;
  const world = worldOf(move, sight);
  const [victim] = world === undefined ? [] : newReplicas(move, world);
  if (sight.answer !== undefined) {
    return rollBackUnsettled(context);
  }
  const mayCall =
    world !== undefined &&
    victim !== undefined &&
    isBiasedAt(context, world, victim.uuid) &&
    !removalWouldCost(world, victim.uuid, numReplicas(move));
  if (mayCall) {
    return { move, effect: { kind: 'put-replica-count', count: numReplicas(move) } };
  }
  return triedNothing(context) ? gateAnew(context) : retryRollBack(context);
}

export function rollBackUnsettled(context: Context): Advance {
  return unsettled(context) ? wait(context) : retryRollBack(context);
}

/** n + 1 with none or several new, or another number than the count says: right after a call this settles. */
export function rollBackUnclear(context: Context): Advance {
  const { move, sight, limits } = context;
  if (sight.atStepMs <= limits.settleMs * 2) {
    return wait(context);
  }
  return worldOf(move, sight)?.volume.spec.num_replicas === move.originalReplicas ? rolledBack(context) : keepBoth(context);
}

export function rolledBack(context: Context): Advance {
  return leave(context, 'finish', 'The volume has its former number of replicas.', context.move);
}

export function retryRollBack(context: Context): Advance {
  const { move: kept } = context;
  return gateAnew({ ...context, move: { ...kept, tries: kept.tries + 1 } });
}

function gateAnew(context: Context): Advance {
  const { bias: _bias, ...kept } = context.move;
  return leave(context, 'gate-rollback', 'The new replica is still there.', kept);
}

export function keepBoth(context: Context): Advance {
  const { move } = context;
  const help = endings.ROLL_BACK_REFUSED;
  const message = `${move.result?.message ?? ''} ${help.help}`.trim();
  return leave(context, 'finish', help.help, {
    ...move,
    result: result(move, { outcome: help.outcome, code: 'ROLL_BACK_REFUSED', message }),
  });
}

/** Taking `victim` away must leave n synced replicas, unless it is not synced itself and so counts for nothing (S2). */
function removalWouldCost(world: World, victim: string, n: number): boolean {
  return syncedWithout(world, victim) < n && volumeReplicas(world.volume).some((replica) => replica.uuid === victim && isHealthy(replica));
}
