/** How a move can end other than by success or refusal, in words that say what is left and what to do. The codes stand in docs/errors.md. */
import type { MoveOutcome } from '@couchestor/shared/contracts/migration';

export interface Ending {
  readonly outcome: MoveOutcome;
  readonly help: string;
}

export const endings = {
  MOVED: { outcome: 'success', help: 'Every replica lies on a pool of the tier.' },
  ALREADY_THERE: { outcome: 'no-op', help: 'Every replica already lay on a pool of the tier.' },
  VOLUME_GONE: { outcome: 'aborted', help: 'The volume was deleted.' },
  CANCELLED: { outcome: 'aborted', help: 'Cancelled. The volume has its former number of replicas.' },
  WITHDRAWN: { outcome: 'aborted', help: 'The request no longer stood when it was to start.' },
  EXPIRED: { outcome: 'aborted', help: 'The request expired before it could start.' },
  CHANGED_EXTERNALLY: {
    outcome: 'failed',
    help: 'Somebody else changed the replicas of the volume during the move. Nothing more was done to it: check num_replicas.',
  },
  SYNC_TIMEOUT: { outcome: 'failed', help: 'The new replica did not sync in time and was taken back. The old one was kept.' },
  SYNC_STALLED: { outcome: 'failed', help: 'The rebuild made no progress and the new replica was taken back. The old one was kept.' },
  NEW_REPLICA_FAULTED: { outcome: 'failed', help: 'The new replica faulted and was taken back. The old one was kept.' },
  WRONG_POOL: {
    outcome: 'failed',
    help: 'Mayastor put the new replica on a pool outside the tier; it was taken back. The old one was kept.',
  },
  NO_ELIGIBLE_POOL: { outcome: 'failed', help: 'Mayastor found no pool for the new replica. Nothing was changed.' },
  RECOVERED: {
    outcome: 'failed',
    help: 'A move was found in Mayastor of which no record was left. It was undone.',
  },
  GROW_REFUSED: { outcome: 'failed', help: 'Mayastor would not add a replica. Nothing was changed.' },
  SHRINK_REFUSED: {
    outcome: 'kept-old',
    help: 'Mayastor would not remove the old replica. It was kept beside the new one: set num_replicas back by hand.',
  },
  ROLL_BACK_REFUSED: {
    outcome: 'kept-old',
    help: 'The new replica could not be taken back and was left beside the old one: set num_replicas back by hand.',
  },
  PARTLY_MOVED: { outcome: 'failed', help: 'Some replicas were moved; the next one cannot be.' },
  PRESERVED: {
    outcome: 'kept-old',
    help: 'Preservation mode: the new replica is synced and the old one was kept. Set num_replicas back by hand to remove one.',
  },
  NO_BIAS: {
    outcome: 'kept-old',
    help: 'The old replica could not be singled out for removal, so both were kept. Set num_replicas back by hand once no node of the volume is cordoned.',
  },
} as const satisfies Record<string, Ending>;

export type EndingCode = keyof typeof endings;
