import { describe, expect, it } from 'vitest';
import { checkFileSystem } from './file-system.ts';

describe('the file system of an index', () => {
  it.each([
    ['nfs', 0x6969],
    ['overlayfs', 0x794c7630],
    ['cifs', 0xff534d42],
  ])('must not be %s', async (fileSystem, type) => {
    await expect(checkFileSystem('/d', () => Promise.resolve(type))).rejects.toMatchObject({
      code: 'INDEX_BAD_FILE_SYSTEM',
      facts: { fileSystem },
    });
    // Some systems give it as a signed number.
    await expect(checkFileSystem('/d', () => Promise.resolve(type | 0))).rejects.toMatchObject({ code: 'INDEX_BAD_FILE_SYSTEM' });
  });

  it('may be ext4, xfs or tmpfs', async () => {
    for (const type of [0xef53, 0x58465342, 0x01021994]) {
      await expect(checkFileSystem('/d', () => Promise.resolve(type))).resolves.toBeUndefined();
    }
  });
});
