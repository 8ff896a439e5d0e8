/** The migrator accepted a move, or reached its next step. Idempotent: only a new step of the pending move is written. */
import type { Received } from '@couchestor/shared/bus/connect';
import type { migrationAdvanced } from '@couchestor/shared/contracts/migration';
import type { Logger } from '@couchestor/shared/logger';
import type { z } from 'zod';
import type { BusClock } from '../adapters/bus-clock.ts';
import type { LedgerStore } from '../adapters/ledger-store.ts';
import { advance } from '../domain/ledger.ts';
import type { MoveNews } from '../domain/move-news.ts';

export interface OnMigrationAdvancedDeps {
  readonly ledger: LedgerStore;
  readonly clock: BusClock;
  readonly logger: Logger;
  /** Told of moves that began or ended. */
  readonly onMoveNews?: ((news: MoveNews) => void) | undefined;
}

export function onMigrationAdvanced({ ledger, clock, logger, onMoveNews }: OnMigrationAdvancedDeps) {
  return async ({ payload, publishedAt }: Received<z.infer<typeof migrationAdvanced.payload>>): Promise<void> => {
    clock.observe(publishedAt);
    const { moveId, volumeId, step } = payload;
    let accepted = false;
    const { entry } = await ledger.change(volumeId, (before) => {
      accepted = before.pending?.accepted === false;
      return advance(before, moveId, step);
    });
    if (accepted && entry.pending?.request.moveId === moveId && entry.pending.accepted) {
      onMoveNews?.({ kind: 'started', request: entry.pending.request });
    }
    if (entry.pending?.request.moveId !== moveId) {
      // Accepted after it was withdrawn or had lapsed: the migrator learns that before it grows anything.
      logger.debug({ moveId, volumeId, step }, 'a step of a move that is not pending');
    }
  };
}
