/** What can be wrong with a row of the index. */
import { defineErrors } from '@couchestor/shared/errors';

export const RowError = defineErrors('ROW', {
  CORRUPT: {
    retry: false,
    help: 'A row of the index does not check. Restore the index from a backup, or make it again from the drives with `couchestor ec reindex`.',
  },
  NEWER_VERSION: { retry: false, help: 'A row of the index was written by a newer version of this program. Use that version.' },
});
