/** Loopback ports for servers that we start. */
import { createServer } from 'node:net';

/** A loopback port that nothing listens on now. */
export async function freePort(): Promise<number> {
  const port = await listenOnce(0);
  if (port === undefined) {
    throw new TypeError('no loopback port is free');
  }
  return port;
}

/** True where `port` could be listened on now. */
export async function isFree(port: number): Promise<boolean> {
  return (await listenOnce(port)) !== undefined;
}

async function listenOnce(port: number): Promise<number | undefined> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') {
      return undefined;
    }
    throw error;
  }
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : undefined;
}
