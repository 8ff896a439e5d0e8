/** Accepts a requested move: its journal record is the lock on the volume; the job is only the wake-up. */
import type { Received } from '@couchestor/shared/bus/connect';
import type { MoveRequest } from '@couchestor/shared/contracts/migration';
import type { MoveRecord } from '@couchestor/shared/contracts/migrator';
import type { JobQueue } from '@couchestor/shared/jobs';
import type { Logger } from '@couchestor/shared/logger';
import type { Clock } from '@couchestor/shared/time';
import type { Journal } from '../adapters/journal.ts';
import { queueMove } from '../adapters/queue-move.ts';

export interface AcceptDeps {
  readonly journal: Journal;
  readonly queue: JobQueue<{ moveId: string; volumeId: string }>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly openMovesMax: number;
  readonly dryRun: boolean;
  readonly preservationMode: boolean;
}

/**
 * Idempotent: the brain publishes a request again until it hears that it was accepted. What cannot be accepted now is let go of, for the
 * brain asks again for as long as it wants the move.
 */
export async function onMigrationRequested(
  deps: AcceptDeps,
  message: Pick<Received<MoveRequest>, 'payload' | 'publishedAt'>,
): Promise<void> {
  const { journal, logger } = deps;
  const request = message.payload;
  const { moveId, volumeId } = request;
  const open = await journal.open.get(volumeId);
  if (open?.value.request.moveId === moveId) {
    await journal.tellAdvanced(open);
    await queueMove(deps, open);
    return;
  }
  const ended = await journal.finished.get(moveId);
  if (ended !== undefined) {
    await journal.tellFinished(ended.value);
    return;
  }
  const obstacle = await whyNotNow(deps, message, open !== undefined);
  if (obstacle !== undefined) {
    logger.info({ moveId, volumeId, obstacle }, 'a move is not accepted now');
    return;
  }
  const created = await journal.open.create(volumeId, newRecord(deps, request));
  if (created === undefined) {
    logger.info({ moveId, volumeId }, 'another move of the volume was accepted first');
    return;
  }
  // Asked again under the lock: another process may have accepted, run and ended the move while this one stood still.
  const endedMeanwhile = await journal.finished.get(moveId);
  if (endedMeanwhile !== undefined) {
    await journal.letGo(created);
    await journal.tellFinished(endedMeanwhile.value);
    return;
  }
  if (created.writtenAt.getTime() > Date.parse(request.expiresAt)) {
    await journal.letGo(created);
    logger.info({ moveId, volumeId, expiresAt: request.expiresAt }, 'a move had expired before it could be accepted');
    return;
  }
  await journal.tellAdvanced(created);
  await queueMove(deps, created);
}

async function whyNotNow(
  deps: AcceptDeps,
  { payload, publishedAt }: Pick<Received<MoveRequest>, 'payload' | 'publishedAt'>,
  taken: boolean,
): Promise<string | undefined> {
  if (deps.dryRun) {
    return 'dry run: nothing is moved';
  }
  if (taken) {
    return 'another move of the volume is open';
  }
  if (publishedAt.getTime() > Date.parse(payload.expiresAt)) {
    return 'it had expired when it was published';
  }
  const open = await deps.journal.open.entries();
  return open.length >= deps.openMovesMax ? `${open.length} moves are open, the most that are allowed` : undefined;
}

function newRecord(deps: AcceptDeps, request: MoveRequest): MoveRecord {
  const at = new Date(deps.clock()).toISOString();
  return {
    request: { ...request, preservationMode: request.preservationMode || deps.preservationMode },
    step: 'analyze',
    attempt: 0,
    startedAt: at,
    scaleDownSent: false,
    tries: 0,
    replicasMoved: 0,
    replicasPlanned: 0,
    bytesMoved: 0,
    syncedMs: 0,
    story: [{ at, step: 'analyze', text: `Accepted: ${request.reason}`.slice(0, 2_000) }],
  };
}
