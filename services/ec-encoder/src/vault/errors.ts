/** Errors of the vault: what a client of a volume or a blob can be told, and what an operator can do about it. */
import { defineErrors } from '@couchestor/shared/errors';

export const VaultError = defineErrors('VAULT', {
  BAD_RANGE: { retry: false, help: 'The range does not lie within the volume.' },
  READ_ONLY: { retry: false, help: 'The volume is read-only: it is a snapshot. Clone it to write.' },
  NO_SPACE: {
    retry: true,
    help: 'The drives are full up to their reserve. Delete or trim something, or add drives with `couchestor ec drive add`; both go on working.',
  },
  TOO_FEW_DRIVES: {
    retry: true,
    help: 'Fewer drives can be written to than minHealthyShards asks for, so no new stripe is written. Reads go on. `couchestor ec drive list` shows them.',
  },
  LOST: {
    retry: true,
    help: 'More shards of a stripe are missing or corrupt than its parity makes good. The rest stays readable; these ranges come back with their drives. `couchestor ec volume show` draws them.',
  },
  STOPPING: { retry: true, help: 'The vault is stopping.' },
  FAILED: {
    retry: false,
    help: 'The journal or the index failed a sync, so nothing further can be promised. Restart the vault once the disk is sound.',
  },
  NO_SUCH_VOLUME: { retry: false, help: 'There is no volume or snapshot of this name. `couchestor ec volume list` shows them.' },
  NO_SUCH_BLOB: { retry: false, help: 'There is no blob of this key: it was never put, or was released.' },
  RELEASED_MEANWHILE: { retry: true, help: 'The blob was there when its body came, and was released before the answer. Put it again.' },
  NO_SUCH_DRIVE: { retry: false, help: 'There is no such drive. `couchestor ec drive list` shows them.' },
  IN_USE: { retry: true, help: 'A client is connected to the volume. Disconnect it first.' },
  POLICY_CHANGED: {
    retry: false,
    help: 'A vault belongs to one ErasureCodingPolicy for ever, because its stripes are written by it. Restore the policy, or make another vault.',
  },
  NO_POLICY: { retry: false, help: 'A new vault needs an ErasureCodingPolicy: name it with --ec-policy (EC_POLICY).' },
  BAD_POLICY_FILE: {
    retry: false,
    help: 'policy.json of the vault cannot be read. Restore it from a backup, or give the vault its policy anew with --ec-policy after removing it.',
  },
  NO_DRIVES: {
    retry: false,
    help: 'A new vault needs drives, at least as many as dataShards + parityShards or it cannot keep them apart: give --drive for each.',
  },
  DRIVE_THERE: { retry: false, help: 'The folder is a drive of this vault already.' },
  NOT_A_DRIVE: { retry: false, help: 'The folder has no readable couchestor-drive.json, so it is no drive of a vault.' },
  MIXED_DRIVES: {
    retry: false,
    help: 'The drives given belong to different vaults, or none was given. Give all drives of one vault with --drive.',
  },
  INDEX_THERE: {
    retry: false,
    help: 'The data folder has an index. Give --replace to put the backup in its place; the old one is kept beside it.',
  },
  DRIVE_NEEDED: {
    retry: false,
    help: 'Without this drive fewer shards would be left than are needed. Add a drive first, or wait for the rebuild.',
  },
});
