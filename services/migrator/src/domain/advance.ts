/**
 * The safe move as a machine: one journal record and one look at the world give the next record and what to do. Pure and total: the table
 * has a rule for every step and every kind of sight.
 *
 * A move grows the volume by one replica on a pool that we chose, waits until that replica is synced, shrinks the volume by the replica
 * that we chose, and does so for one replica after the other. What makes it safe stands in three places. `scaleUp`, `scaleDown` and
 * `rollBack` are the only rules that put a replica count, each only as the first thing done in its step, with its gates just seen in
 * place. `scaleDown` asks for the synced predicate in the very reading before its PUT. And every way out of a gated step leads through
 * its un-gating step, whose `next` says where the move goes on.
 */
import type { MoveStep } from '@couchestor/shared/contracts/migration';
import type { MoveRecord } from '@couchestor/shared/contracts/migrator';
import { adopt, gateGrow, growUnsettled, letGoOfGrow, misplaced, plan, planOnceSettled, scaleUp, unclear } from './grow.ts';
import type { Advance, Limits, Rule } from './machine.ts';
import { gateRollBack, keepBoth, retryRollBack, rollBack, rollBackUnclear, rollBackUnsettled, rolledBack } from './roll-back.ts';
import { arrived, arrivedLate, backToSync, gateShrink, letGoOfShrink, scaleDown, scaleDownUnsettled, shrunkUnderUs } from './shrink.ts';
import { kindOfSight, type Sight, type SightKind } from './sight.ts';
import { newReplicaFaulted, synced, waitSync } from './sync.ts';
import { changedExternally, finish, reanalyze, ungate, volumeGone, wait, waitBriefly, waitForOperation, waitOrExpire } from './ways.ts';

export function advance(move: MoveRecord, sight: Sight, limits: Limits): Advance {
  const kind = kindOfSight(move, sight);
  return transitions[move.step][kind]({ move, sight, kind, limits });
}

/** Steps during which the gate lock is held. */
export const gatedSteps: ReadonlySet<MoveStep> = new Set<MoveStep>([
  'gate-grow',
  'scale-up',
  'ungate-grow',
  'gate-shrink',
  'scale-down',
  'ungate-shrink',
  'gate-rollback',
  'roll-back',
  'ungate-rollback',
]);

/** Rules of a step in which nothing surprising may be read: whatever is seen is the same to it. */
function always(rule: Rule): Record<SightKind, Rule> {
  return {
    unreadable: wait,
    gone: rule,
    busy: rule,
    unsettled: rule,
    'at-n': rule,
    moved: rule,
    'wrong-removed': rule,
    grown: rule,
    'grown-faulted': rule,
    'grown-synced': rule,
    'grown-misplaced': rule,
    'grown-unclear': rule,
    external: rule,
  };
}

const transitions: Readonly<Record<MoveStep, Readonly<Record<SightKind, Rule>>>> = {
  analyze: {
    unreadable: waitOrExpire,
    gone: volumeGone,
    busy: waitOrExpire,
    unsettled: planOnceSettled,
    'at-n': plan,
    // Self-heal may have exchanged a replica since the last plan: nothing of ours is in hand here, so plan anew.
    moved: plan,
    'wrong-removed': plan,
    // An earlier SCALE UP that seemed to have failed took effect late.
    grown: adopt,
    'grown-faulted': adopt,
    'grown-synced': adopt,
    'grown-misplaced': misplaced,
    'grown-unclear': unclear,
    external: changedExternally,
  },
  'gate-grow': {
    unreadable: wait,
    gone: volumeGone,
    busy: waitBriefly,
    unsettled: waitBriefly,
    'at-n': gateGrow,
    moved: reanalyze,
    'wrong-removed': reanalyze,
    // An earlier SCALE UP took effect while the next one was being prepared.
    grown: adopt,
    'grown-faulted': adopt,
    'grown-synced': adopt,
    'grown-misplaced': misplaced,
    'grown-unclear': reanalyze,
    external: changedExternally,
  },
  'scale-up': {
    unreadable: wait,
    gone: volumeGone,
    busy: waitForOperation(letGoOfGrow),
    unsettled: growUnsettled,
    'at-n': scaleUp,
    moved: reanalyze,
    'wrong-removed': reanalyze,
    grown: adopt,
    'grown-faulted': adopt,
    'grown-synced': adopt,
    'grown-misplaced': misplaced,
    'grown-unclear': unclear,
    external: changedExternally,
  },
  'ungate-grow': always(ungate),
  'wait-sync': {
    unreadable: wait,
    gone: volumeGone,
    busy: wait,
    unsettled: waitSync,
    'at-n': shrunkUnderUs,
    moved: arrivedLate,
    'wrong-removed': shrunkUnderUs,
    grown: waitSync,
    'grown-faulted': newReplicaFaulted,
    'grown-synced': synced,
    'grown-misplaced': misplaced,
    'grown-unclear': waitSync,
    external: changedExternally,
  },
  'gate-shrink': {
    unreadable: wait,
    gone: volumeGone,
    busy: backToSync,
    unsettled: backToSync,
    'at-n': shrunkUnderUs,
    moved: arrivedLate,
    'wrong-removed': shrunkUnderUs,
    grown: backToSync,
    'grown-faulted': backToSync,
    'grown-synced': gateShrink,
    'grown-misplaced': backToSync,
    'grown-unclear': backToSync,
    external: changedExternally,
  },
  'scale-down': {
    unreadable: wait,
    gone: volumeGone,
    busy: waitForOperation(letGoOfShrink),
    unsettled: scaleDownUnsettled,
    'at-n': shrunkUnderUs,
    moved: arrived,
    'wrong-removed': shrunkUnderUs,
    grown: scaleDownUnsettled,
    'grown-faulted': scaleDownUnsettled,
    'grown-synced': scaleDown,
    'grown-misplaced': scaleDownUnsettled,
    'grown-unclear': scaleDownUnsettled,
    external: changedExternally,
  },
  'ungate-shrink': always(ungate),
  'gate-rollback': {
    unreadable: wait,
    gone: volumeGone,
    busy: waitForOperation(keepBoth),
    unsettled: rollBackUnclear,
    'at-n': rolledBack,
    moved: rolledBack,
    'wrong-removed': rolledBack,
    grown: gateRollBack,
    'grown-faulted': gateRollBack,
    'grown-synced': gateRollBack,
    'grown-misplaced': gateRollBack,
    'grown-unclear': rollBackUnclear,
    external: changedExternally,
  },
  'roll-back': {
    unreadable: wait,
    gone: volumeGone,
    busy: waitForOperation(retryRollBack),
    unsettled: rollBackUnsettled,
    'at-n': rolledBack,
    moved: rolledBack,
    'wrong-removed': rolledBack,
    grown: rollBack,
    'grown-faulted': rollBack,
    'grown-synced': rollBack,
    'grown-misplaced': rollBack,
    'grown-unclear': rollBackUnsettled,
    external: changedExternally,
  },
  'ungate-rollback': always(ungate),
  finish: always(finish),
};
