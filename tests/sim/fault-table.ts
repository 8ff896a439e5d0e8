/**
 * The fault table: what happens to a move, and why nothing is lost, for every event at every step. `tests/sim/fault-table.test.ts` lets each
 * event happen at each step, and docs/fault-table.md is written from here.
 *
 * The moves have two replicas, and the events come with the first of them in hand. The three steps of the way back are reached by a
 * cancellation, so there the move ends as CANCELLED where nothing else is said.
 */
import type { EndingCode } from '@couchestor/migrator/domain/endings';
import type { MoveStep } from '@couchestor/shared/contracts/migration';
import type { RefusalCode } from '@couchestor/shared/placement/refusals';

/** What may happen, in words for people. */
export const faultEvents = {
  'volume deleted': 'The volume is deleted.',
  'volume resized': 'The volume is made larger.',
  'volume unpublished': 'The volume is unpublished, and published again after a quarter of an hour.',
  'volume published elsewhere': 'The volume is unpublished and at once published on another node.',
  'volume failed over': "The volume's target moves to another node.",
  'snapshot taken': 'A snapshot of the volume is taken, which the policy does not allow for a move.',
  'source pool offline': 'The pool of the old replica goes offline for two minutes.',
  'destination pool offline': 'The pool of the new replica goes offline for two minutes.',
  'destination pool deleted': 'The pool of the new replica is deleted.',
  'other pool deleted': 'A pool of another tier is deleted, which the gate closes or would close.',
  'destination pool cordoned': 'An administrator cordons the pool of the new replica, for good.',
  'other pool cordoned': 'An administrator cordons a pool of another tier, for good.',
  'node cordoned': 'An administrator cordons the node of the replica that is not in hand, for ten minutes.',
  'pool labelled': 'An administrator brings a pool into the tier, and gives the gate label of the source another value.',
  'pool unlabelled': 'An administrator takes the destination out of the tier, and the gate label off the source.',
  'source node down': 'The node of the old replica is down for two minutes.',
  'destination node down': 'The node of the new replica is down for two minutes.',
  'target node down': "The node of the volume's target is down for two minutes.",
  'source replica faulted': 'The old replica faults, in one half of the tests for good.',
  'new replica faulted': 'The new replica faults, in one half of the tests for good.',
  'self-heal places a replica': 'The replica that is not in hand is lost, and Mayastor puts another one where it likes.',
  'num_replicas raised': 'Somebody else sets num_replicas to one more than it is.',
  'num_replicas lowered': 'Somebody else sets num_replicas to one less than it is.',
  'Mayastor times out, with effect': 'Four calls that change Mayastor are done and not answered.',
  'Mayastor times out, without effect': 'Four calls that change Mayastor are neither done nor answered.',
  'Mayastor answers stale': 'For twenty seconds every state that Mayastor shows is the one of this moment.',
  'Mayastor unreachable': 'Nobody can connect to Mayastor for forty seconds.',
  'NATS away': 'NATS is away for forty seconds.',
  'NATS wiped': 'NATS loses all that it has stored.',
  'Redis away': 'Redis is away.',
  'Redis wiped': 'Redis loses all jobs, and another process takes the move up beside the one that runs it.',
  'Prometheus away': 'Nothing is measured any more.',
  'migrator killed': 'The process that runs the move is killed.',
  'brain silent': 'The brain does not answer for two minutes.',
  'clock jumps forwards': "The migrators' wall clock jumps forwards by a day.",
  'clock jumps backwards': "The migrators' wall clock jumps backwards by a day.",
  'policy changed': 'The policy changes, and would still decide the same.',
  'policy superseded': 'The policy changes, and would now decide otherwise.',
  'policy disabled': 'The policy is disabled.',
  'policy deleted': 'The policy is deleted.',
  'move cancelled': 'Somebody cancels the move.',
} as const;
export type FaultEvent = keyof typeof faultEvents;

/** `NO_END_TOLD`: nothing is left of the move, not even its record. */
export type CellEnding = EndingCode | `REFUSED_${RefusalCode}` | 'NO_END_TOLD';

export interface PossibleCell {
  readonly keeps: string;
  readonly ends: readonly CellEnding[];
  /** `num_replicas` is in the end what somebody else asked for; else as before, or one more where the ending is kept-old. */
  readonly theirs?: true;
}

export type Cell = PossibleCell | { readonly cannotBe: string };

function cell(keeps: string, ...ends: readonly CellEnding[]): PossibleCell {
  return { keeps, ends };
}

function theirs(keeps: string, ...ends: readonly CellEnding[]): PossibleCell {
  return { keeps, ends, theirs: true };
}

function cannotBe(why: string): Cell {
  return { cannotBe: why };
}

/** What a move goes through unharmed at every step. */
function goesOn(end: CellEnding) {
  return {
    'volume resized': cell('Mayastor resizes all replicas together, and only while the volume is whole. The move goes on.', end),
    'other pool deleted': cell('A pool that is gone needs no cordon. The plan is made anew where it was closed already.', end),
    'other pool cordoned': cell(
      'A cordon that stood before ours is not touched. Where ours stands, Mayastor refuses theirs as one that is there already, and they are to look again.',
      end,
    ),
    'pool labelled': cell(
      'The next plan is made with the pools of the tier as they are then. A label that somebody else has set is not overwritten when ours is put back.',
      end,
    ),
    'Mayastor times out, with effect': cell('An answer is never believed. What came of the call is read, and found done.', end),
    'Mayastor times out, without effect': cell(
      'What came of the call is read, and found not done: it is made again, at most five times.',
      end,
    ),
    'Mayastor unreachable': cell('Nothing is concluded from silence. The move waits, and reads anew; the volume stays as it is.', end),
    'NATS away': cell(
      'What cannot be written down is not done. The lock runs out, its holder notices by its own clock and calls nothing more; the record tells the next one where to go on.',
      end,
    ),
    'Redis away': cell('A job is only a wake-up. The move that runs needs none, and one that waits is queued by the sweep.', end),
    'Redis wiped': cell(
      'Two processes have the move for a moment. Each writes its step before it calls, by compare-and-set: one of them is refused and stops.',
      end,
    ),
    'Prometheus away': cell(
      'Without a measurement nothing new is decided. A move stands on the decision that was made, and asks for no number.',
      end,
    ),
    'migrator killed': cell('The next process finds the record, undoes what gates, and goes on from what Mayastor shows.', end),
    'brain silent': cell(
      'Before the volume grows no answer means: do not start, and the move waits. Later it asks nothing until the next replica.',
      end,
    ),
    'clock jumps backwards': cell(
      'What is waited for under the gate is measured by the monotonic clock. Timeouts of the sync come later by the jump.',
      end,
    ),
    'policy changed': cell('The brain is asked, and the move still stands.', end),
  } as const satisfies Partial<Record<FaultEvent, Cell>>;
}

const gone = cell(
  'The volume and its replicas are gone, by the will of whoever deleted it. Nothing more is called on it; gate and mark are undone.',
  'VOLUME_GONE',
);
const keepsItsTarget = cell('Every replica has every write. A rebuild begins anew on the new target, and the move goes on.', 'MOVED');
const notWhole = 'A volume that is not whole is not grown: Mayastor heals it first.';
const sourceIsNeeded = cell(
  'The other replica holds everything. The old one is not removed before the new one is synced and the volume whole again.',
  'MOVED',
);
const rebuildBeginsAnew = 'The rebuild fails or begins anew. The old replicas hold everything and stay.';
const nextOneIsRefused = 'The replica in hand has arrived. The next one is not begun while the volume is not whole.';
const fewerPools = 'The replica in hand goes to another pool of the tier. Where none is left for the next one, that one stays where it is.';
const putOffForACordon = 'No certain bias is left while it stands: the removal is put off, without the gate, until it is lifted.';
const noPoolMore = 'The tier has a pool less. The replica in hand arrives, and where the next one finds no pool it stays where it is.';
const stillThere = 'The new replica lies there, and Mayastor does not delete a pool with a replica.';
const noNewReplica = cannotBe('There is no new replica yet.');
const withdrawn = 'The brain is asked just before the volume grows, and says no. Nothing was grown.';
const finishesThisOne =
  'A volume that has grown is not left half-way: the replica in hand arrives. Before the next one the brain is asked, and says no.';
const takenBack = 'The new replica is taken back, with a bias on its own side. The old ones stay.';
const lateSnapshot = 'The snapshot pins its pool and keeps its data. The replica in hand arrives; the next one is not begun.';
const recovered = cell(
  'The process finds its record gone and stops. Marks in Mayastor tell the sweep of the rest: gates are undone, a replica too many is taken back.',
  'RECOVERED',
);
const asksAgain =
  'Whether enough others are synced is asked in the last look before the call, and by Mayastor in the call. The old one stays until then; the next replica is begun where the volume is whole.';
const doneAlready = 'The move is over for the volume. What is left is to remove its mark.';

const beforeGrowth = {
  ...goesOn('MOVED'),
  'volume deleted': gone,
  'volume published elsewhere': keepsItsTarget,
  'volume failed over': keepsItsTarget,
  'source pool offline': cell(notWhole, 'REFUSED_NOT_HEALTHY'),
  'source node down': cell(notWhole, 'REFUSED_NOT_HEALTHY'),
  'target node down': cell(notWhole, 'REFUSED_NOT_HEALTHY'),
  'source replica faulted': cell(notWhole, 'REFUSED_NOT_HEALTHY'),
  'destination pool offline': cell(
    'Mayastor finds no pool for the new replica, for all others are closed to it. Nothing was grown.',
    'NO_ELIGIBLE_POOL',
  ),
  'destination node down': cell(
    'Mayastor finds no pool for the new replica, for all others are closed to it. Nothing was grown.',
    'NO_ELIGIBLE_POOL',
  ),
  'destination pool deleted': cell(fewerPools, 'PARTLY_MOVED'),
  'destination pool cordoned': cell(fewerPools, 'PARTLY_MOVED'),
  'new replica faulted': noNewReplica,
  'self-heal places a replica': cell(notWhole, 'REFUSED_REBUILDING'),
  'Mayastor answers stale': cell(
    'The count is there before the state. The gate is let go, and the new replica is adopted once it shows.',
    'MOVED',
  ),
  'clock jumps forwards': cell('A request that the brain still stands by does not expire.', 'MOVED'),
  'policy superseded': cell(withdrawn, 'WITHDRAWN'),
  'policy disabled': cell(withdrawn, 'WITHDRAWN'),
  'policy deleted': cell(withdrawn, 'WITHDRAWN'),
  'move cancelled': cell('Nothing was grown, so there is nothing to take back.', 'CANCELLED'),
} as const satisfies Partial<Record<FaultEvent, Cell>>;

const grown = {
  ...goesOn('MOVED'),
  'volume deleted': gone,
  'volume unpublished': cell(
    'Without a target nothing is copied. The rebuild makes no progress and the new replica is taken back.',
    'SYNC_STALLED',
  ),
  'volume published elsewhere': keepsItsTarget,
  'volume failed over': keepsItsTarget,
  'snapshot taken': cell(lateSnapshot, 'PARTLY_MOVED'),
  'source pool offline': sourceIsNeeded,
  'source node down': sourceIsNeeded,
  'target node down': keepsItsTarget,
  'source replica faulted': sourceIsNeeded,
  'destination pool deleted': cannotBe(stillThere),
  'destination pool cordoned': cell(
    'No certain bias is left while it stands: the removal is put off, without the gate. After the timeout of the sync all replicas are kept.',
    'NO_BIAS',
  ),
  'node cordoned': cell(putOffForACordon, 'MOVED'),
  'pool unlabelled': cell(noPoolMore, 'PARTLY_MOVED'),
  'Mayastor answers stale': cell(
    'What is shown too late makes the move wait longer, never sooner: the state is read again under the gate, and Mayastor itself refuses to remove one of the last n healthy replicas.',
    'MOVED',
  ),
  'NATS wiped': recovered,
  'policy superseded': cell(finishesThisOne, 'WITHDRAWN'),
  'policy disabled': cell(finishesThisOne, 'WITHDRAWN'),
  'policy deleted': cell(finishesThisOne, 'WITHDRAWN'),
} as const satisfies Partial<Record<FaultEvent, Cell>>;

const syncing = {
  ...grown,
  'destination pool offline': cell(rebuildBeginsAnew, 'NEW_REPLICA_FAULTED'),
  'destination node down': cell(rebuildBeginsAnew, 'MOVED'),
  'source replica faulted': cell(
    'The new replica is rebuilt from the other one. Where the old one comes back the move goes on; where it does not, the new one takes its place and is kept.',
    'MOVED',
    'ROLL_BACK_REFUSED',
  ),
  'new replica faulted': cell(rebuildBeginsAnew, 'MOVED', 'NEW_REPLICA_FAULTED'),
  'self-heal places a replica': cell(
    'The new replica is known by its uuid, whatever lies beside it. The old one goes once all others are synced.',
    'MOVED',
  ),
  'num_replicas raised': cannotBe('Mayastor does not grow a volume that is being rebuilt.'),
  'num_replicas lowered': theirs(
    'Mayastor removes the replica that is being rebuilt. The move finds n again without its doing, and stops.',
    'CHANGED_EXTERNALLY',
  ),
  'clock jumps forwards': cell(
    'The sync seems to have outlasted its timeout. The new replica is taken back, and the old ones stay.',
    'SYNC_TIMEOUT',
  ),
  'move cancelled': cell(takenBack, 'CANCELLED'),
} as const satisfies Record<FaultEvent, Cell>;

const wayBack = {
  ...goesOn('CANCELLED'),
  'volume deleted': gone,
  'volume unpublished': cell('Mayastor removes a replica without a target too. The new one goes, the old ones stay.', 'CANCELLED'),
  'volume published elsewhere': cell('Every old replica has every write. The new one goes.', 'CANCELLED'),
  'volume failed over': cell('Every old replica has every write. The new one goes.', 'CANCELLED'),
  'snapshot taken': cell('The snapshot keeps its data on its pools. The new replica goes.', 'CANCELLED'),
  'source pool offline': cell(
    'The new replica is not synced and counts for nothing, so it may go. The old one comes back with its pool.',
    'CANCELLED',
  ),
  'destination pool offline': cell(
    'The new replica is the one that goes. Mayastor collects what is left of it when the pool is back.',
    'CANCELLED',
  ),
  'destination pool deleted': cannotBe(stillThere),
  'destination pool cordoned': cell('A cordon on the side of the new replica speaks for its removal.', 'CANCELLED'),
  'source node down': cell(
    'The move waits for the target, or takes the new replica away, which counts for nothing. The old one comes back with its node.',
    'CANCELLED',
  ),
  'destination node down': cell(
    'The new replica is the one that goes. Mayastor collects what is left of it when the node is back.',
    'CANCELLED',
  ),
  'target node down': cell(
    'Mayastor refuses to shrink a volume whose target is away. The move tries again once there is one.',
    'CANCELLED',
  ),
  'node cordoned': cell(
    'Where no certain bias is left, nothing is removed: all replicas are kept, and the result says so.',
    'CANCELLED',
    'ROLL_BACK_REFUSED',
  ),
  'pool unlabelled': cell(
    'Where no certain bias is left, nothing is removed: all replicas are kept, and the result says so.',
    'CANCELLED',
    'ROLL_BACK_REFUSED',
  ),
  'source replica faulted': cell(
    'The new replica is not synced and counts for nothing, so it may go. Mayastor heals the old one from the other.',
    'CANCELLED',
  ),
  'new replica faulted': cell('The new replica is the one that goes.', 'CANCELLED'),
  'self-heal places a replica': cell('The new replica is known by its uuid, whatever lies beside it. It goes.', 'CANCELLED'),
  'num_replicas raised': cannotBe('Mayastor does not grow a volume that is being rebuilt.'),
  'num_replicas lowered': theirs('Somebody else has done what was to be done: the new replica is gone.', 'CANCELLED'),
  'Mayastor answers stale': cell(
    'The count says that the new replica has gone, or it is asked for again, which Mayastor refuses as done already.',
    'CANCELLED',
  ),
  'NATS wiped': recovered,
  'clock jumps forwards': cell('The way back has no timeout by the wall clock.', 'CANCELLED'),
  'policy superseded': cell('The move is on its way back already.', 'CANCELLED'),
  'policy disabled': cell('The move is on its way back already.', 'CANCELLED'),
  'policy deleted': cell('The move is on its way back already.', 'CANCELLED'),
  'move cancelled': cell('It is cancelled already.', 'CANCELLED'),
} as const satisfies Record<FaultEvent, Cell>;

/** At the end of a move nothing that happens to the volume concerns it any more. */
function over(end: CellEnding) {
  const done = cell(doneAlready, end);
  return {
    ...goesOn(end),
    'volume deleted': done,
    'volume unpublished': done,
    'volume published elsewhere': done,
    'volume failed over': done,
    'snapshot taken': done,
    'source pool offline': done,
    'destination pool offline': done,
    'destination pool cordoned': done,
    'node cordoned': done,
    'pool unlabelled': done,
    'source node down': done,
    'destination node down': done,
    'target node down': done,
    'num_replicas raised': theirs(doneAlready, end),
    'num_replicas lowered': theirs(doneAlready, end),
    'Mayastor answers stale': done,
    'clock jumps forwards': done,
    'policy superseded': done,
    'policy disabled': done,
    'policy deleted': done,
    'move cancelled': done,
  } as const satisfies Partial<Record<FaultEvent, Cell>>;
}

export const faultTable = {
  analyze: {
    ...beforeGrowth,
    'volume unpublished': cell(
      'An unpublished volume is not moved, for nothing would fill a new replica. Nothing was touched.',
      'REFUSED_UNPUBLISHED',
    ),
    'snapshot taken': cell(
      'A volume with snapshots is not moved unless the policy allows it. Nothing was touched.',
      'REFUSED_HAS_SNAPSHOTS',
    ),
    'node cordoned': cell('No certain bias would be left, so nothing is begun.', 'REFUSED_NO_BIAS'),
    'pool unlabelled': cell(
      'Nothing is begun where no certain bias would be left, and no replica goes to a pool that is not of the tier.',
      'REFUSED_NO_BIAS',
      'PARTLY_MOVED',
    ),
    'num_replicas raised': theirs(
      'The volume is moved with the replicas that it has when the plan is made. While it is being rebuilt, nothing is begun.',
      'REFUSED_REBUILDING',
      'CHANGED_EXTERNALLY',
    ),
    'num_replicas lowered': theirs(
      'The volume is moved with the replicas that it has when the plan is made.',
      'MOVED',
      'CHANGED_EXTERNALLY',
    ),
    'NATS wiped': cell('The move is forgotten before it has touched anything. The brain decides anew.', 'NO_END_TOLD'),
  },
  'gate-grow': {
    ...beforeGrowth,
    'volume unpublished': cell(
      'Where it comes before the volume has grown, nothing is begun; else the rebuild makes no progress, and the new replica is taken back.',
      'REFUSED_UNPUBLISHED',
      'SYNC_STALLED',
    ),
    'snapshot taken': cell(
      'Where it comes before the volume has grown, nothing is begun; else the replica in hand arrives, and the next one is not begun.',
      'REFUSED_HAS_SNAPSHOTS',
      'PARTLY_MOVED',
    ),
    'node cordoned': cell(
      'Where it comes before the volume has grown, nothing is begun; else the removal is put off until it is lifted.',
      'REFUSED_NO_BIAS',
      'MOVED',
    ),
    'pool unlabelled': cell(
      'Nothing is begun where no certain bias would be left, and no further replica goes to a pool that is not of the tier.',
      'REFUSED_NO_BIAS',
      'PARTLY_MOVED',
    ),
    'num_replicas raised': theirs(
      'The count is not the one that was planned for. The move stops; the gate is undone, and the replica that they asked for is theirs.',
      'CHANGED_EXTERNALLY',
    ),
    'num_replicas lowered': theirs(
      'The count is not the one that was planned for. The move stops, and the gate is undone.',
      'CHANGED_EXTERNALLY',
    ),
    'NATS wiped': cell(
      'The process finds its record gone and stops. The next holder of the lock undoes what gates, by the marks in Mayastor.',
      'NO_END_TOLD',
      'RECOVERED',
    ),
  },
  'scale-up': {
    ...beforeGrowth,
    'volume unpublished': grown['volume unpublished'],
    'snapshot taken': grown['snapshot taken'],
    'source pool offline': cell(
      'Where it comes before the call, Mayastor does not grow a volume that is not whole; else the old replica is not removed before the volume is whole again.',
      'REFUSED_NOT_HEALTHY',
      'MOVED',
    ),
    'source node down': cell(
      'Where it comes before the call, Mayastor does not grow a volume that is not whole; else the old replica is not removed before the volume is whole again.',
      'REFUSED_NOT_HEALTHY',
      'MOVED',
    ),
    'target node down': cell(
      'Where it comes before the call, Mayastor does not grow a volume that is not whole; else a rebuild begins anew on the next target.',
      'REFUSED_NOT_HEALTHY',
      'MOVED',
    ),
    'source replica faulted': cell(
      'Where it comes before the call, Mayastor does not grow a volume that is not whole. Where it comes after and for good, the new replica takes its place and is kept.',
      'REFUSED_NOT_HEALTHY',
      'MOVED',
      'ROLL_BACK_REFUSED',
    ),
    'destination pool offline': cell(
      'Where it comes before the call, Mayastor finds no pool; else the new replica faults and is taken back.',
      'NO_ELIGIBLE_POOL',
      'NEW_REPLICA_FAULTED',
    ),
    'destination node down': cell(
      'Where it comes before the call, Mayastor finds no pool; else the move waits until the new replica shows where it lies.',
      'NO_ELIGIBLE_POOL',
      'MOVED',
    ),
    'destination pool cordoned': cell(
      'Where it comes before the call, another pool is chosen. Where it comes after, no certain bias is left while it stands, and after the timeout of the sync both replicas are kept.',
      'PARTLY_MOVED',
      'NO_BIAS',
    ),
    'node cordoned': grown['node cordoned'],
    'pool unlabelled': grown['pool unlabelled'],
    'new replica faulted': syncing['new replica faulted'],
    'self-heal places a replica': cell(
      'Where it comes before the call, Mayastor does not grow a volume that is not whole. Where it comes after, two replicas are new and nobody can tell which one is ours: nothing is removed.',
      'REFUSED_REBUILDING',
      'MOVED',
      'CHANGED_EXTERNALLY',
    ),
    'num_replicas raised': cell(
      'They asked for what we are about to ask for, at the same instant: Mayastor makes one replica, on the only pool that is open, and it counts as ours. The volume is back at n in the end, visible in num_replicas.',
      'MOVED',
    ),
    'num_replicas lowered': theirs(
      'The count is not the one that was planned for. The move stops, and the gate is undone.',
      'CHANGED_EXTERNALLY',
    ),
    'NATS wiped': recovered,
    'policy superseded': grown['policy superseded'],
    'policy disabled': grown['policy disabled'],
    'policy deleted': grown['policy deleted'],
    'move cancelled': cell(takenBack, 'CANCELLED'),
  },
  'ungate-grow': syncing,
  'wait-sync': syncing,
  'gate-shrink': {
    ...grown,
    'node cordoned': cell(
      'Where the bias is not in place, the removal is put off until it is lifted. Where it is in place and still certain, the old replica goes, and the next one is not begun.',
      'MOVED',
      'PARTLY_MOVED',
    ),
    'destination pool offline': cell(
      'The bias is undone, and the move waits until the new replica is synced again. The old one stays until then.',
      'PARTLY_MOVED',
    ),
    'destination node down': cell(
      'The bias is undone, and the move waits until the new replica is synced again. The old one stays until then.',
      'PARTLY_MOVED',
    ),
    'new replica faulted': cell(
      'The bias is undone, and the move waits until the new replica is synced again. The old one stays until then.',
      'MOVED',
    ),
    'self-heal places a replica': cell(
      'The new replica is known by its uuid, whatever lies beside it. The old one goes once all others are synced.',
      'MOVED',
    ),
    'num_replicas raised': theirs(
      'The count is neither n nor n + 1. The move stops, undoes the bias and touches nothing more.',
      'CHANGED_EXTERNALLY',
    ),
    'num_replicas lowered': theirs(
      'Somebody else has removed a replica; Mayastor takes none of the last n. The move stops, and undoes the bias.',
      'CHANGED_EXTERNALLY',
    ),
    'clock jumps forwards': cell('The sync is over, and what is waited for now is measured by the monotonic clock.', 'MOVED'),
    'move cancelled': cell(takenBack, 'CANCELLED'),
  },
  'scale-down': {
    ...grown,
    'volume unpublished': cell(
      'Where it comes before the call, the removal is put off and the new replica taken back in the end; else the next one is not begun.',
      'SYNC_STALLED',
      'PARTLY_MOVED',
    ),
    'volume published elsewhere': cell(
      'Every replica has every write. The removal is read again under the gate, and the next replica begun where the volume is whole.',
      'MOVED',
      'PARTLY_MOVED',
    ),
    'source node down': cell(asksAgain, 'MOVED', 'PARTLY_MOVED'),
    'target node down': cell(asksAgain, 'MOVED', 'PARTLY_MOVED'),
    'destination pool offline': cell(asksAgain, 'PARTLY_MOVED'),
    'destination node down': cell(asksAgain, 'PARTLY_MOVED'),
    'source replica faulted': cell('The old replica is the one that goes; the new one is synced.', 'MOVED'),
    'new replica faulted': cell(asksAgain, 'MOVED', 'PARTLY_MOVED'),
    'self-heal places a replica': cell(asksAgain, 'MOVED', 'PARTLY_MOVED'),
    'destination pool cordoned': cell(
      'Where it comes before the call, the removal is put off until the timeout of the sync and both are kept then; else the next replica finds no pool.',
      'NO_BIAS',
      'PARTLY_MOVED',
    ),
    'node cordoned': cell(
      'Where it comes before the call, the removal is put off until it is lifted; else the next replica is not begun.',
      'MOVED',
      'PARTLY_MOVED',
    ),
    'num_replicas raised': theirs(
      'The count is neither n nor n + 1. The move stops, undoes the bias and touches nothing more.',
      'CHANGED_EXTERNALLY',
    ),
    'num_replicas lowered': theirs('They asked for what we are about to ask for, with our bias in place: the old replica goes.', 'MOVED'),
    'clock jumps forwards': cell('The sync is over, and what is waited for now is measured by the monotonic clock.', 'MOVED'),
    'move cancelled': cell(
      'The old replica is being removed, and the new one is synced: it stays. The next one is not begun.',
      'CANCELLED',
    ),
  },
  'ungate-shrink': {
    ...grown,
    'volume unpublished': cell(nextOneIsRefused, 'PARTLY_MOVED'),
    'source node down': cell(
      'The old replica has gone from it already. Where the target was there too, the next replica is not begun while the volume is not whole.',
      'MOVED',
      'PARTLY_MOVED',
    ),
    'target node down': cell(nextOneIsRefused, 'PARTLY_MOVED'),
    'destination pool offline': cell(nextOneIsRefused, 'PARTLY_MOVED'),
    'destination node down': cell(nextOneIsRefused, 'PARTLY_MOVED'),
    'new replica faulted': cell(nextOneIsRefused, 'PARTLY_MOVED'),
    'source pool offline': cell('The old replica has gone from it already.', 'MOVED'),
    'source replica faulted': cannotBe('The old replica has gone already.'),
    'destination pool cordoned': cell(
      'The replica in hand has arrived. Where the next one finds no pool, it stays where it is.',
      'PARTLY_MOVED',
    ),
    'node cordoned': cell(
      'The replica in hand has arrived. Where no certain bias would be left for the next one, it is not begun.',
      'PARTLY_MOVED',
    ),
    'self-heal places a replica': cell(
      'The replica in hand has arrived, and the next one is moved from where it lies now.',
      'MOVED',
      'PARTLY_MOVED',
    ),
    'num_replicas raised': theirs('The count is not the one that the move left. It stops, and the bias is undone.', 'CHANGED_EXTERNALLY'),
    'num_replicas lowered': theirs('The count is not the one that the move left. It stops, and the bias is undone.', 'CHANGED_EXTERNALLY'),
    'clock jumps forwards': cell('Nothing is timed by the wall clock here.', 'MOVED'),
    'move cancelled': cell('The replica in hand has arrived and stays. The next one is not begun.', 'CANCELLED'),
  },
  'gate-rollback': wayBack,
  'roll-back': {
    ...wayBack,
    'destination pool deleted': cell('Once the new replica has gone from it, its pool may go too, and the mark with it.', 'CANCELLED'),
  },
  'ungate-rollback': {
    ...over('CANCELLED'),
    'destination pool deleted': cell('The new replica has gone from it. The mark goes with the pool.', 'CANCELLED'),
    'source replica faulted': cell(doneAlready, 'CANCELLED'),
    'new replica faulted': cannotBe('The new replica has gone already.'),
    'self-heal places a replica': cell(doneAlready, 'CANCELLED'),
    'NATS wiped': recovered,
  },
  finish: {
    ...over('MOVED'),
    'destination pool deleted': cannotBe(stillThere),
    'source replica faulted': cannotBe('The old replica has gone already.'),
    'new replica faulted': cell(doneAlready, 'MOVED'),
    'self-heal places a replica': cannotBe('Every replica has been in hand.'),
    'NATS wiped': cell(
      'The process finds its record gone and stops. Where the mark is still there the sweep removes it; nobody is told of the end.',
      'RECOVERED',
      'NO_END_TOLD',
    ),
  },
} satisfies Record<MoveStep, Record<FaultEvent, Cell>>;
