/** Errors of the migrator that are not endings of a move (those stand in domain/endings.ts). */
import { defineErrors } from '@couchestor/shared/errors';

export const MigratorError = defineErrors('MIG', {
  BUSY: { retry: true, help: 'Another move of this volume is open, or as many moves are open as are allowed.' },
  MOVE_TAKEN: { retry: false, help: 'Another process has advanced this move; this one lets go of it.' },
  GATE_LOST: { retry: true, help: 'The gate lock could not be held for long enough to make a call. Nothing was sent.' },
  UNKNOWN_MOVE: {
    retry: false,
    help: 'There is no move of this id and no open move of this volume. `couchestor migrations list` shows them.',
  },
  MOVE_ENDED: { retry: false, help: 'The move has ended already.' },
});
