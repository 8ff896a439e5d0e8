import { defineErrors } from '@couchestor/shared/errors';

/** What can be wrong with the journal of a vault. */
export const JournalError = defineErrors('JOURNAL', {
  CORRUPT: {
    retry: false,
    help: 'Records that were acknowledged are damaged or missing in every copy of the journal. Bring back the copy that has them, or accept their loss.',
  },
  MISSING: {
    retry: false,
    help: 'No copy of the journal is there, though the index says that there was one. Bring back its folders, or accept the loss of what was not destaged.',
  },
  STALE: {
    retry: false,
    help: 'Only copies of the journal are there that had been dropped: newer writes are in the others. Bring those back, or accept the loss.',
  },
  WRONG_VAULT: { retry: false, help: 'The folder holds the journal of another vault. Check which disk is mounted where.' },
  NEWER_VERSION: { retry: false, help: 'The journal was written by a newer version of CoucheStor. Start that version, or a newer one.' },
  BAD_FORMAT: { retry: false, help: 'The file journal.json of a copy of the journal cannot be read. Restore it, or empty the folder.' },
  BAD_REQUEST: {
    retry: false,
    help: 'A write does not fit the journal: whole blocks of 4 KiB, block numbers below 2^32, layers below 2^21.',
  },
  LATE: { retry: true, help: 'No disk that the journal is on answered in time. Check the disks; what was written is still there.' },
  NO_COPY: { retry: false, help: 'No place for the journal can be written to. Check the disks that it is on.' },
  FAILED: {
    retry: false,
    help: 'The last copy of the journal failed. Nothing more can be written until the disk is replaced and the process started again.',
  },
  CLOSED: { retry: false, help: 'The journal was closed.' },
});
