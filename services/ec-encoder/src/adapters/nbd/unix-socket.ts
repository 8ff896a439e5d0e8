/** The file of a unix socket. One whose process is dead stays behind and must go; one that is served must not be taken away from under it. */
import { lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { NbdError } from './errors.ts';

const pathBytesMax = 107;

/** Makes the path free for a new socket. Throws NbdError PATH_TOO_LONG, NOT_A_SOCKET, ADDRESS_IN_USE. */
export async function clearSocketPath(path: string): Promise<void> {
  if (Buffer.byteLength(path) > pathBytesMax) {
    throw new NbdError('PATH_TOO_LONG', { path });
  }
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') {
      return undefined;
    }
    throw new NbdError('CANNOT_LISTEN', { path }, { cause: error });
  });
  if (found === undefined) {
    return;
  }
  if (!found.isSocket()) {
    throw new NbdError('NOT_A_SOCKET', { path });
  }
  if (await isServed(path)) {
    throw new NbdError('ADDRESS_IN_USE', { path });
  }
  await unlink(path);
}

/** Only a refusal shows that nobody is there; anything else might be somebody who is busy, or whom we may not talk to. */
async function isServed(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
}
