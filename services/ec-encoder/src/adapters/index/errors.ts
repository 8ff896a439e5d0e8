/** What can go wrong with the index of a vault. */
import { defineErrors } from '@couchestor/shared/errors';

export const IndexError = defineErrors('INDEX', {
  LOCKED: { retry: false, help: 'Another process uses this data folder. Stop it first; a process that was killed holds nothing.' },
  NEWER_FORMAT: { retry: false, help: 'The data folder was written by a newer version of this program. Use that version.' },
  NOT_AN_INDEX: {
    retry: false,
    help: 'The data folder holds something else, or its file `format` is damaged. Restore that file from a backup if this is the right folder.',
  },
  NO_INDEX: {
    retry: false,
    help: 'The data folder had an index, and it is gone or empty: the folder `index`, or the file data.mdb in it. Restore it from a backup, or make it again from the drives with `couchestor ec reindex`.',
  },
  WRONG_VAULT: { retry: false, help: 'The data folder belongs to another vault.' },
  BAD_FILE_SYSTEM: {
    retry: false,
    help: 'The index cannot be kept on this file system: memory maps and locks are not reliable there. Use a local disk (ext4, xfs, ...).',
  },
  NO_SPACE: {
    retry: true,
    help: 'The disk of the index is full. What frees space still works; everything else waits until there is room again.',
  },
  COMMIT_FAILED: {
    retry: false,
    help: 'The index could not be written or synced. It is not tried again, because the state of the disk is unknown: check the disk, then restart.',
  },
  NO_STRIPE_IDS: { retry: true, help: 'The reserved stripe numbers are used up before the next ones were durable. Try again.' },
  BAD_CHANGE: { retry: false, help: 'A change of the index contradicts itself. Nothing of it was written. Report it.' },
  CORRUPT: {
    retry: false,
    help: 'A row of the index does not check. Restore the index from a backup, or make it again from the drives with `couchestor ec reindex`.',
  },
  CLOSED: { retry: false, help: 'The index is closed.' },
});
