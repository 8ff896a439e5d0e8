import { defineErrors } from '@couchestor/shared/errors';

/** What can be wrong with a drive. */
export const DriveError = defineErrors('DRIVE', {
  NO_SPACE: {
    retry: false,
    help: 'The drive has no room left besides what is kept for rebuilds and compaction. Delete or trim data, or add a drive.',
  },
  IO: { retry: true, help: 'The drive answered with an error. The fact `errno` tells which; the kernel log tells more.' },
  SYNC_FAILED: {
    retry: false,
    help: 'The drive could not make written data durable. What it holds since then cannot be known, so it is not written to again: replace it.',
  },
  LATE: { retry: true, help: 'The drive did not answer in time. It is suspected and probed until it answers.' },
  GONE: {
    retry: true,
    help: 'The folder of the drive is not there: it was unmounted, moved or removed. Bring it back, or replace the drive.',
  },
  READ_ONLY: { retry: true, help: 'The drive may only be read. Look for errors of its file system, and at the rights of the folder.' },
  WRONG_DRIVE: { retry: true, help: 'In the place of the drive there is another one. Put the right one back, or replace the drive.' },
  OTHER_VAULT: { retry: false, help: 'The drive belongs to another vault. Give a folder that is empty, or the data of that vault.' },
  NEWER_FORMAT: { retry: false, help: 'The drive was written by a newer version of CoucheStor. Run that version, or a newer one.' },
  BAD_IDENTITY: {
    retry: false,
    help: 'The file couchestor-drive.json of the drive cannot be read. Restore it from a backup, or replace the drive.',
  },
  NOT_EMPTY: { retry: false, help: 'A new drive needs an empty folder, and this one holds something else.' },
  NO_SEGMENT: { retry: false, help: 'The drive holds no such segment, or it ends before what was to be read.' },
  FAILED: { retry: false, help: 'The drive was taken out of service by the operator. Replace it, or let it serve again.' },
  CLOSED: { retry: false, help: 'The drive was closed.' },
});
