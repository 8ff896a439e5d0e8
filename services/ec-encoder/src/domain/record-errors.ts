import { defineErrors } from '@couchestor/shared/errors';

/** What can be wrong with the head of a shard's record, as it was read from a drive. */
export const RecordError = defineErrors('RECORD', {
  NOT_A_RECORD: { retry: false, help: 'No record of a shard begins here.' },
  CORRUPT: {
    retry: false,
    help: "The head of a shard's record is damaged or was torn by a crash. The shard is made again from the others of its stripe.",
  },
  NEWER_VERSION: { retry: false, help: 'The record was written by a newer version of CoucheStor. Run that version, or a newer one.' },
});
