/**
 * Keeps two processes from downloading the same thing at once. A courtesy, not a safeguard: what is put into the cache is put there by one
 * atomic rename, so holders that overlap (a lock taken from a process that seemed dead) do double work and no harm.
 */
import { mkdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sleep } from '../time.ts';

/** A holder silent for so long is taken for dead, whatever its process id says: ids are used again, and differ between containers. */
const staleAfterMs = 10 * 60_000;
/** How often a holder shows that it lives: work may take longer than silence may. */
const heartbeatMs = 60_000;
const pollMs = 200;

export async function withCacheLock<T>(file: string, o: { onWait: (holder: string) => void }, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(file), { recursive: true });
  let hasTold = false;
  while (!(await tryAcquire(file))) {
    const holder = await liveHolder(file);
    if (holder === undefined) {
      await rm(file, { force: true });
      continue;
    }
    if (!hasTold) {
      o.onWait(holder);
      hasTold = true;
    }
    await sleep(pollMs);
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    // A lock that was taken from us is not ours to keep alive; what follows from that is above.
    void utimes(file, now, now).catch(() => undefined);
  }, heartbeatMs);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    await rm(file, { force: true });
  }
}

async function tryAcquire(file: string): Promise<boolean> {
  try {
    await writeFile(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      return false;
    }
    throw error;
  }
}

async function liveHolder(file: string): Promise<string | undefined> {
  try {
    const [pid, { mtimeMs }] = await Promise.all([readFile(file, 'utf8'), stat(file)]);
    return Date.now() - mtimeMs < staleAfterMs && (pid === '' || isAlive(Number(pid))) ? pid : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
