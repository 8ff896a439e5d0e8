/** Answers `brain.retry-volume`: clears what holds a volume back after failures or a refusal. */
import type { retryVolume } from '@couchestor/shared/contracts/brain';
import type { Logger } from '@couchestor/shared/logger';
import type { z } from 'zod';
import type { LedgerStore } from '../adapters/ledger-store.ts';
import type { Brain } from '../brain.ts';
import { retry } from '../domain/ledger.ts';
import { BrainError } from '../errors.ts';
import { findVolume } from './find-volume.ts';

export interface AnswerRetryDeps {
  readonly brain: Brain;
  readonly ledger: LedgerStore;
  readonly logger: Logger;
  readonly onRetry: () => void;
}

export function answerRetryVolume({ brain, ledger, logger, onRetry }: AnswerRetryDeps) {
  return async (question: z.infer<typeof retryVolume.request>): Promise<z.infer<typeof retryVolume.response>> => {
    const { id, name } = findVolume(brain, question.volume);
    const before = ledger.get(id);
    if (before?.pending !== undefined) {
      throw new BrainError('MOVE_OPEN', { volumeId: id, moveId: before.pending.request.moveId });
    }
    if (before === undefined || (before.failures === 0 && before.retryAt === undefined && before.refusal === undefined)) {
      const kept =
        before?.keptOld === undefined
          ? ''
          : ` An old replica was kept, though: it moves again once num_replicas is back at ${before.keptOld.numReplicas}.`;
      return { volumeId: id, message: `Nothing of an earlier attempt holds ${name} back.${kept}` };
    }
    await ledger.change(id, (entry) => (entry.pending === undefined ? retry(entry) : undefined));
    logger.info({ volumeId: id }, 'failures, back-off and refusal cleared on request');
    onRetry();
    return { volumeId: id, message: `${name} is decided on anew in the next round.` };
  };
}
