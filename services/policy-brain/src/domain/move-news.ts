/**
 * What is told to people of a move, as Events on its policy and on the claim of its volume. Pure.
 *
 * docs/kubernetes.md lists the reasons, and a test compares the two.
 */
import type { FinishedMove, MoveOutcome, MoveRequest } from '@couchestor/shared/contracts/migration';

export type MoveNews =
  | { readonly kind: 'started'; readonly request: MoveRequest }
  | { readonly kind: 'finished'; readonly move: FinishedMove };

export const eventReasons = {
  MigrationStarted: { type: 'Normal', says: 'A migrator has accepted the move of a volume.' },
  MigrationSucceeded: { type: 'Normal', says: 'All replicas of the volume are in the tier that it was to move to.' },
  MigrationFailed: { type: 'Warning', says: 'The move ended by an error or a timeout. The old replica was kept.' },
  MigrationAborted: { type: 'Warning', says: 'The move was cancelled, withdrawn or expired. The old replica was kept.' },
  MigrationRefused: {
    type: 'Warning',
    says: 'The migrator refused the move, which would not be safe or possible. It is tried again once the cause has changed.',
  },
  OldReplicaKept: { type: 'Warning', says: 'The new replica is in place and the old one was kept as well; it has to be removed by hand.' },
} as const satisfies Record<string, { type: 'Normal' | 'Warning'; says: string }>;

export type EventReason = keyof typeof eventReasons;

/** Undefined: it is no news, because nothing was begun. */
const reasonOf: Readonly<Record<MoveOutcome, EventReason | undefined>> = {
  success: 'MigrationSucceeded',
  failed: 'MigrationFailed',
  aborted: 'MigrationAborted',
  refused: 'MigrationRefused',
  'kept-old': 'OldReplicaKept',
  'no-op': undefined,
};

export interface MoveEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: EventReason;
  readonly policy: string;
  readonly volumeId: string;
  /** @param volume as people call it */
  readonly words: (volume: string) => string;
}

export function moveEvent(news: MoveNews): MoveEvent | undefined {
  if (news.kind === 'started') {
    const { volumeId, policy, from, to, reason, moveId } = news.request;
    return event(
      'MigrationStarted',
      { policy: policy.name, volumeId },
      (volume) => `${volume} moves from ${from} to ${to}: ${reason} (${moveId})`,
    );
  }
  const { volumeId, policy, from, to, result, moveId } = news.move;
  const reason = reasonOf[result.outcome];
  return reason === undefined
    ? undefined
    : event(reason, { policy, volumeId }, (volume) => `${volume} from ${from} to ${to}: ${result.code}: ${result.message} (${moveId})`);
}

function event(reason: EventReason, of: { policy: string; volumeId: string }, words: MoveEvent['words']): MoveEvent {
  return { ...of, reason, type: eventReasons[reason].type, words };
}
