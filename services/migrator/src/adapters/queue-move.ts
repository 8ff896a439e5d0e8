/** Wakes a worker for an open move. Losing the job loses nothing: the sweep queues it again. */
import type { BucketEntry } from '@couchestor/shared/bus/connect';
import type { MoveRecord } from '@couchestor/shared/contracts/migrator';
import { describeError } from '@couchestor/shared/errors';
import type { JobQueue } from '@couchestor/shared/jobs';
import type { Logger } from '@couchestor/shared/logger';

export interface QueueMoveDeps {
  readonly queue: JobQueue<{ moveId: string; volumeId: string }>;
  readonly logger: Logger;
}

export function jobIdOf(move: MoveRecord): string {
  return `${move.request.moveId}-${move.attempt}`;
}

/** Never throws: with Redis away the move waits in the journal. */
export async function queueMove({ queue, logger }: QueueMoveDeps, { value: move }: BucketEntry<MoveRecord>): Promise<void> {
  const { moveId, volumeId } = move.request;
  try {
    await queue.add(jobIdOf(move), { moveId, volumeId });
  } catch (error) {
    logger.warn({ moveId, volumeId, error: describeError(error) }, 'the job of a move could not be queued; the sweep will queue it');
  }
}
