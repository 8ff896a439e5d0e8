/**
 * Answers `brain.move-standing`, asked just before every SCALE UP. A brain that does not know enough to answer throws: to the migrator that
 * is no answer, and it does not start.
 */
import type { moveStanding } from '@couchestor/shared/contracts/brain';
import type { z } from 'zod';
import type { LedgerStore } from '../adapters/ledger-store.ts';
import type { Brain } from '../brain.ts';
import { activatePolicy, type OperatorLimits } from '../domain/active-policy.ts';
import { standingOf } from '../domain/standing.ts';
import { BrainError } from '../errors.ts';

export interface AnswerMoveStandingDeps {
  readonly brain: Brain;
  readonly ledger: LedgerStore;
  readonly limits: OperatorLimits;
}

type Question = z.infer<typeof moveStanding.request>;
type Answer = z.infer<typeof moveStanding.response>;

export function answerMoveStanding({ brain, ledger, limits }: AnswerMoveStandingDeps): (question: Question) => Promise<Answer> {
  return async ({ moveId, volumeId, epoch, policyUid, policyGeneration }) => {
    // An earlier epoch than ours is in order: the move was accepted under the brain before this one.
    if (brain.superseded || epoch > brain.epoch) {
      throw new BrainError('SUPERSEDED', { epoch: brain.epoch, asked: epoch });
    }
    if (brain.policySet === undefined || brain.cluster === undefined) {
      throw new BrainError('NOT_READY');
    }
    const pending = ledger.get(volumeId)?.pending;
    const { uid, generation } = pending?.request.policy ?? {};
    if (pending === undefined || pending.request.moveId !== moveId || uid !== policyUid || generation !== policyGeneration) {
      const instead = pending === undefined ? 'no move of the volume' : `move ${pending.request.moveId}`;
      return { stands: false, reason: `the request was taken back or has expired: the brain now wants ${instead}` };
    }
    // From the policies as they are now, not as the last round saw them.
    const windows = new Set(brain.windows);
    const policies = brain.policySet.policies.map(({ policy }) => activatePolicy(policy, { limits, windows }));
    return standingOf(pending.request, { policies, volume: brain.volume(volumeId) });
  };
}
