import { defineErrors } from '@couchestor/shared/errors';
import { describe, expect, it } from 'vitest';
import { failureOf, openRefusalOf } from './nbd-errors.ts';
import type { NbdErrorName, OptionError } from './nbd-protocol.ts';

const help = 'What an operator reads.';
const errors = {
  VAULT: defineErrors('VAULT', {
    NO_SPACE: { retry: true, help },
    READ_ONLY: { retry: false, help },
    BAD_RANGE: { retry: false, help },
    STOPPING: { retry: true, help },
    LOST: { retry: true, help },
    TOO_FEW_DRIVES: { retry: true, help },
    FAILED: { retry: false, help },
    NO_SUCH_VOLUME: { retry: false, help },
  }),
  CATALOG: defineErrors('CATALOG', {
    NO_VOLUME: { retry: false, help },
    NO_SNAPSHOT: { retry: false, help },
    CORRUPT: { retry: false, help },
  }),
  DRIVE: defineErrors('DRIVE', { NO_SPACE: { retry: true, help } }),
};
const ofVault = new errors.VAULT('LOST', { offsetBytes: 8_192, volume: 'v' });

const table: { made: Error; read: NbdErrorName; write: NbdErrorName; open: OptionError }[] = [
  { made: new errors.VAULT('NO_SPACE'), read: 'ENOSPC', write: 'ENOSPC', open: 'policy' },
  { made: new errors.VAULT('READ_ONLY'), read: 'EPERM', write: 'EPERM', open: 'policy' },
  { made: new errors.VAULT('BAD_RANGE'), read: 'EINVAL', write: 'ENOSPC', open: 'policy' },
  { made: new errors.VAULT('STOPPING'), read: 'ESHUTDOWN', write: 'ESHUTDOWN', open: 'shutdown' },
  { made: new errors.VAULT('LOST'), read: 'EIO', write: 'EIO', open: 'policy' },
  { made: new errors.VAULT('TOO_FEW_DRIVES'), read: 'EIO', write: 'EIO', open: 'policy' },
  { made: new errors.VAULT('FAILED'), read: 'EIO', write: 'EIO', open: 'policy' },
  { made: new errors.VAULT('NO_SUCH_VOLUME'), read: 'EIO', write: 'EIO', open: 'unknown' },
  { made: new errors.CATALOG('NO_VOLUME'), read: 'EIO', write: 'EIO', open: 'unknown' },
  { made: new errors.CATALOG('NO_SNAPSHOT'), read: 'EIO', write: 'EIO', open: 'unknown' },
  { made: new errors.CATALOG('CORRUPT'), read: 'EIO', write: 'EIO', open: 'policy' },
  { made: new errors.DRIVE('NO_SPACE'), read: 'EIO', write: 'EIO', open: 'policy' },
  { made: Object.assign(new Error('no space left on /secret/path'), { code: 'ENOSPC' }), read: 'EIO', write: 'EIO', open: 'policy' },
];

describe('an error of the device', () => {
  it.each(table)(
    '$made.code is $read to one who reads, $write to one who writes, $open to one who opens',
    ({ made, read, write, open }) => {
      expect([failureOf(made, true).error, failureOf(made, false).error, openRefusalOf(made).error]).toEqual([read, write, open]);
    },
  );

  it('is explained where it is one of ours, and tells nothing of the machine where it is not', () => {
    expect([failureOf(ofVault, true).message, openRefusalOf(ofVault).message]).toEqual([help, help]);
    const foreign = new Error('EACCES: /secret/path');
    expect([failureOf(foreign, true).message, openRefusalOf(foreign).message]).toEqual(['the storage failed', 'the storage failed']);
  });

  it('says where it went wrong only where that is known', () => {
    expect(failureOf(ofVault, true).offsetBytes).toBe(8_192);
    expect(failureOf(new errors.VAULT('LOST', { offsetBytes: '8192' }), true)).not.toHaveProperty('offsetBytes');
    expect(failureOf(Object.assign(new Error('x'), { facts: { offsetBytes: 1 } }), true)).not.toHaveProperty('offsetBytes');
  });

  it.each([[undefined], [null], ['text'], [7], [{ code: 5 }]])('may be anything at all: %j is an I/O error', (thrown) => {
    expect(failureOf(thrown, false)).toEqual({ error: 'EIO', message: 'the storage failed' });
  });
});
