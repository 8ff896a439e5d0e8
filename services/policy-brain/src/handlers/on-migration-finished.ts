/** A move ended. Idempotent by the move's id, which stands in the history afterwards. */
import type { Received } from '@couchestor/shared/bus/connect';
import type { FinishedMove } from '@couchestor/shared/contracts/migration';
import type { Logger } from '@couchestor/shared/logger';
import type { BusClock } from '../adapters/bus-clock.ts';
import { type RecordFinishDeps, recordFinish } from './record-finish.ts';

export interface OnMigrationFinishedDeps extends RecordFinishDeps {
  readonly clock: BusClock;
  readonly logger: Logger;
}

export function onMigrationFinished(deps: OnMigrationFinishedDeps): (message: Received<FinishedMove>) => Promise<void> {
  return async ({ payload, publishedAt }) => {
    deps.clock.observe(publishedAt);
    const changed = await recordFinish(deps, payload, publishedAt.getTime());
    if (changed) {
      const { moveId, volumeId, from, to, result } = payload;
      deps.logger.info(
        { moveId, volumeId, from, to, outcome: result.outcome, code: result.code },
        `move ${result.outcome}: ${result.message}`,
      );
    }
  };
}
