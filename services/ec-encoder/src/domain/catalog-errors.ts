/** Why a change of the volumes is refused. */
import { defineErrors } from '@couchestor/shared/errors';

export const CatalogError = defineErrors('CATALOG', {
  BAD_NAME: {
    retry: false,
    help: 'A name has 1 to 63 letters, digits, dots, underscores and dashes, and begins with a letter or a digit.',
  },
  BAD_SIZE: { retry: false, help: 'A volume has a multiple of 4096 bytes, more than 0 and at most 16 TiB.' },
  EXISTS: { retry: false, help: 'The name is taken.' },
  NO_VOLUME: { retry: false, help: 'There is no such volume. `couchestor ec volume list` shows them.' },
  NO_SNAPSHOT: { retry: false, help: 'The volume has no such snapshot. `couchestor ec volume list` shows them.' },
  HAS_SNAPSHOTS: { retry: false, help: 'The volume has snapshots. Delete them first, or with it: --with-snapshots (`withSnapshots`).' },
  WOULD_SHRINK: { retry: false, help: 'The volume would lose its end. Give --force (`force`) if that is meant.' },
  TOO_MANY: { retry: false, help: 'There are as many as there can be: 4096 volumes, and 64 snapshots of a volume.' },
  CORRUPT: {
    retry: false,
    help: 'The catalog of volumes does not check. Restore the index from a backup, or make it again from the drives.',
  },
});
