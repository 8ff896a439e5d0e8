/**
 * Whether the kernel lets `readNow` read at all: without the system call, or where a filter forbids it, there is no use in trying. What a file system
 * refuses, as an image's does (EOPNOTSUPP), says nothing of those that drives are on. Asked once, at start.
 */
import { open } from 'node:fs/promises';
import { constants } from 'node:os';
import type { NativeRead } from './native-addon.ts';

const { ENOSYS, EPERM } = constants.errno;

export async function canReadNow(readNow: NativeRead, path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const answer = readNow(file.fd, new Uint8Array(16), 0);
    return answer !== -ENOSYS && answer !== -EPERM;
  } finally {
    await file.close();
  }
}
