/** ANALYZE and SCALE UP: from the plan to one new replica on the pool that we chose. */
import type { ReplicaPlan } from '@couchestor/shared/contracts/migrator';
import { mayReceive } from '@couchestor/shared/placement/eligibility';
import { findVolumeMarks, poolsMarkedFor } from '@couchestor/shared/placement/marks';
import { planNextReplica } from '@couchestor/shared/placement/plan';
import { placedReplicas, type World } from '@couchestor/shared/placement/world';
import type { Advance, Context } from './machine.ts';
import { newReplicas, worldOf } from './sight.ts';
import {
  changedExternally,
  end,
  endBeforeStart,
  go,
  instant,
  leave,
  numReplicas,
  reanalyze,
  refused,
  triedNothing,
  unsettled,
  wait,
  waitOrExpire,
} from './ways.ts';

export function plan(context: Context): Advance {
  const { move, sight, limits } = context;
  const world = worldOf(move, sight);
  if (world === undefined || limits.capabilities === undefined) {
    return waitOrExpire(context);
  }
  const lost = takeBackLostMove(context, world);
  if (lost !== undefined) {
    return lost;
  }
  const next = planNextReplica(world, move.request, limits.capabilities);
  // First of all: a move that has arrived has arrived, whoever wants to stop it now.
  if (next.kind === 'done') {
    return end(context, move.replicasMoved > 0 ? 'MOVED' : 'ALREADY_THERE');
  }
  const early = endBeforeStart(context);
  if (early !== undefined) {
    return early;
  }
  if (next.kind === 'refused') {
    return refused(context, next.refusal);
  }
  const backOffMs = move.tries === 0 ? 0 : limits.pollMs * 2 ** (move.tries - 1);
  if (sight.standing.kind !== 'stands' || sight.atStepMs < backOffMs) {
    return wait(context);
  }
  const { source, destination } = next.plan;
  const { newReplica: _newReplica, bias: _bias, syncStartedAt: _started, syncPercent: _percent, syncProgressAt: _at, ...kept } = move;
  return go(context, 'gate-grow', `Replica on ${source.pool} is to go to ${destination.pool}.`, {
    ...kept,
    // Where a SCALE UP was sent before, its effect may still come: the replica that it makes must be known as new.
    ...(move.before === undefined ? {} : { before: placedReplicas(world.volume) }),
    plan: next.plan,
    originalReplicas: move.originalReplicas ?? world.volume.spec.num_replicas,
    replicasPlanned: move.replicasMoved + next.remaining,
    scaleDownSent: false,
  });
}

/**
 * A mark in Mayastor tells of a move whose record is lost (NATS was wiped) and which had grown the volume: its replica must go before n can be
 * told, or the volume would keep one replica more for ever.
 */
function takeBackLostMove(context: Context, world: World): Advance | undefined {
  const { move } = context;
  const mark = findVolumeMarks(world.pools).find(({ volumeId, kept }) => volumeId === move.request.volumeId && !kept);
  if (move.originalReplicas !== undefined || mark === undefined || world.volume.spec.num_replicas !== mark.originalReplicas + 1) {
    return undefined;
  }
  const replicas = placedReplicas(world.volume);
  const newReplica = replicas.find(({ pool }) => pool === mark.pool);
  if (newReplica === undefined) {
    return undefined;
  }
  const before = replicas.filter((replica) => replica !== newReplica);
  return end({ ...context, move: { ...move, originalReplicas: mark.originalReplicas, before, newReplica } }, 'RECOVERED');
}

/** How long the state may lag behind a SCALE UP that was sent, in units of the settling time. Nothing is gated meanwhile. */
const lateStateWaits = 24;

/** Right after a call of ours the state lags behind the count. What stays so is for the plan to refuse, or somebody else's doing. */
export function planOnceSettled(context: Context): Advance {
  const { move, sight, limits } = context;
  if (sight.atStepMs < limits.settleMs * (move.before === undefined ? 2 : lateStateWaits)) {
    return waitOrExpire(context);
  }
  return worldOf(move, sight)?.volume.spec.num_replicas === (move.originalReplicas ?? Number.NaN) + 1
    ? changedExternally(context)
    : plan(context);
}

export function gateGrow(context: Context): Advance {
  const { move, sight, limits } = context;
  const world = worldOf(move, sight);
  const early = endBeforeStart(context);
  if (early !== undefined) {
    return early;
  }
  if (world === undefined || move.plan === undefined || sight.standing.kind !== 'stands') {
    return reanalyze(context);
  }
  const before = placedReplicas(world.volume);
  if (before.some(({ pool, node }) => pool === '' || node === '')) {
    return reanalyze(context, 'A replica of the volume cannot be reached.');
  }
  if (sight.gate === 'held' && gatesPlaced(world, move.plan, move.request.volumeId)) {
    return go(context, 'scale-up', `Only ${move.plan.destination.pool} is open for a new replica.`, { ...move, before });
  }
  // The plan was made before the gate was ours, and what it cordons must be what is eligible now.
  const next = limits.capabilities && planNextReplica(world, move.request, limits.capabilities);
  if (sight.atStepMs > limits.settleMs * 4 || next?.kind !== 'move' || !samePlan(next.plan, move.plan)) {
    return reanalyze(context);
  }
  const { pool } = move.plan.destination;
  const outdatedMarks = poolsMarkedFor(world.pools, move.request.volumeId).filter((marked) => marked !== pool);
  return { move, effect: { kind: 'place-gates', plan: move.plan, outdatedMarks } };
}

export function scaleUp(context: Context): Advance {
  const { move, sight, limits } = context;
  const world = worldOf(move, sight);
  const { answer } = sight;
  if (answer === undefined) {
    const mayCall =
      sight.gate === 'held' && world !== undefined && move.plan !== undefined && gatesPlaced(world, move.plan, move.request.volumeId);
    if (mayCall) {
      return { move, effect: { kind: 'put-replica-count', count: numReplicas(move) + 1 } };
    }
    return triedNothing(context) ? leave(context, 'analyze', 'The gate is to be taken anew.', move) : reanalyze(context);
  }
  if (unsettled(context)) {
    return wait(context);
  }
  if (answer.kind === 'no-resources') {
    return end(context, 'NO_ELIGIBLE_POOL', answer.message);
  }
  if (move.tries >= limits.triesMax || answer.kind === 'refused') {
    return end(context, 'GROW_REFUSED', answer.message);
  }
  return reanalyze(context, answer.message);
}

/** Lets go of the gate and looks again from ANALYZE, which waits without it and adopts what the SCALE UP may yet make. */
export function letGoOfGrow(context: Context): Advance {
  return leave(context, 'analyze', 'What the volume is doing takes long: waiting for it without the gate.', context.move);
}

/** The count is there before the state: seconds, as a rule. */
export function growUnsettled(context: Context): Advance {
  return context.sight.atStepMs > context.limits.settleMs * 2 ? letGoOfGrow(context) : wait(context);
}

/** The one new replica is ours, whether its SCALE UP was answered or not. */
export function adopt(context: Context): Advance {
  const { move, sight } = context;
  const world = worldOf(move, sight);
  const [newReplica] = world === undefined ? [] : newReplicas(move, world);
  if (newReplica === undefined) {
    return wait(context);
  }
  const at = instant(sight.nowMs);
  return leave(context, 'wait-sync', `Replica ${newReplica.uuid} was made on ${newReplica.pool}.`, {
    ...move,
    newReplica,
    tries: 0,
    syncStartedAt: move.syncStartedAt ?? at,
    syncProgressAt: at,
    syncPercent: 0,
  });
}

export function misplaced(context: Context): Advance {
  const { move, sight } = context;
  const world = worldOf(move, sight);
  const isPlaceKnown = world !== undefined && newReplicas(move, world).every(({ pool }) => pool !== '');
  if (isPlaceKnown || sight.atStepMs > move.request.syncTimeoutMs) {
    return end(context, 'WRONG_POOL');
  }
  // Its node does not answer, and Mayastor does not say where it lies.
  return sight.gate === 'none' ? wait(context) : growUnsettled(context);
}

/** n + 1 with none or several new: right after a call this settles; if it stays, it is not our doing. */
export function unclear(context: Context): Advance {
  const { move, sight, limits } = context;
  if (move.before === undefined || sight.atStepMs > limits.settleMs * 2) {
    return changedExternally(context);
  }
  return wait(context);
}

/** True where Mayastor can put a new replica nowhere but on the destination, and the destination carries the mark of the move. */
function gatesPlaced(world: World, { destination }: ReplicaPlan, volumeId: string): boolean {
  const open = world.pools.filter((pool) => mayReceive(world, pool)).map(({ id }) => id);
  return open.length === 1 && open[0] === destination.pool && poolsMarkedFor(world.pools, volumeId).includes(destination.pool);
}

function samePlan(left: ReplicaPlan, right: ReplicaPlan): boolean {
  return (
    left.source.uuid === right.source.uuid &&
    left.destination.pool === right.destination.pool &&
    [...left.cordonPools].sort().join() === [...right.cordonPools].sort().join()
  );
}
