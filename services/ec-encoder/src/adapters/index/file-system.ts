/** LMDB needs memory maps and locks that mean what they say. */
import { statfs } from 'node:fs/promises';
import { IndexError } from './errors.ts';

/** The magic numbers of statfs(2). */
const refused: ReadonlyMap<number, string> = new Map([
  [0x6969, 'nfs'],
  [0x794c7630, 'overlayfs'],
  [0x517b, 'smb'],
  [0xfe534d42, 'smb2'],
  [0xff534d42, 'cifs'],
]);

/** Throws IndexError BAD_FILE_SYSTEM. `typeOf` is for tests. */
export async function checkFileSystem(dir: string, typeOf: (dir: string) => Promise<number> = readType): Promise<void> {
  const name = refused.get((await typeOf(dir)) >>> 0);
  if (name !== undefined) {
    throw new IndexError('BAD_FILE_SYSTEM', { dir, fileSystem: name });
  }
}

async function readType(dir: string): Promise<number> {
  return (await statfs(dir)).type;
}
