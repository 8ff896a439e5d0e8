/**
 * Answers `brain.move-standing`, asked just before every SCALE UP. A brain that does not know enough to answer throws: to the migrator that
 * is no answer, and it does not start.
 */
import type { moveStanding } from '@couchestor/shared/contracts/brain';
import type { z } from 'zod';
import type { LedgerStore } from '../adapters/ledger-store.ts';
import type { Brain } from '../brain.ts';
import { activatePolicy, type OperatorLimits } from '../domain/active-policy.ts';
import { hasSamePoolLabels } from '../domain/move-request.ts';
import { standingOf } from '../domain/standing.ts';
import { BrainError } from '../errors.ts';

export interface AnswerMoveStandingDeps {
  readonly brain: Brain;
  readonly ledger: Pick<LedgerStore, 'get'>;
  readonly limits: OperatorLimits;
}

type Question = z.infer<typeof moveStanding.request>;
type Answer = z.infer<typeof moveStanding.response>;

export function answerMoveStanding({ brain, ledger, limits }: AnswerMoveStandingDeps): (question: Question) => Promise<Answer> {
  return async ({ moveId, volumeId, epoch, policyUid, policyGeneration }) => {
    // An earlier epoch than ours is in order: the move was accepted under the brain before this one.
    if (!brain.stillLeads() || epoch > brain.epoch) {
      throw new BrainError('NOT_LEADING', { epoch: brain.epoch, asked: epoch });
    }
    const unknown = brain.catalogProblem ?? brain.volume(volumeId)?.catalogProblem;
    if (brain.policySet === undefined || brain.cluster === undefined || unknown !== undefined) {
      // By a policy or labels that may be others by now it cannot be said that the move stands, nor that it does not.
      throw new BrainError('NOT_READY', unknown === undefined ? {} : { problem: unknown });
    }
    const pending = ledger.get(volumeId)?.pending;
    const { uid, generation } = pending?.request.policy ?? {};
    if (pending === undefined || pending.request.moveId !== moveId || uid !== policyUid || generation !== policyGeneration) {
      const instead = pending === undefined ? 'no move of the volume' : `move ${pending.request.moveId}`;
      return { stands: false, reason: `the request was taken back or has expired: the brain now wants ${instead}` };
    }
    if (!hasSamePoolLabels(pending.request, brain.cluster)) {
      // The migrator places by those that came with the request, and a pool may since have been taken out of its tier.
      return { stands: false, reason: 'labels of DiskPools have changed, by which pools belong to tiers' };
    }
    // From the policies as they are now, not as the last round saw them.
    const windows = new Set(brain.windows);
    const policies = brain.policySet.policies.map(({ policy }) => activatePolicy(policy, { limits, windows }));
    return standingOf(pending.request, { policies, volume: brain.volume(volumeId) });
  };
}
