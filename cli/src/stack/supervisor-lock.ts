/** One supervisor per data folder: two would start two servers on the same files. */
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { CliError } from '../errors.ts';
import { identify, isRunning, type ProcessIdentity, processIdentitySchema } from './process-identity.ts';

/** Each round either ends or has met another supervisor that began at the same moment. */
const roundsMax = 10;

/** Throws CLI_ALREADY_RUNNING where a live supervisor holds it. One that was killed holds nothing. */
export async function takeSupervisorLock(path: string): Promise<{ release(): Promise<void> }> {
  const self = identify(process.pid);
  if (self === undefined) {
    throw new Error('this process cannot be identified: neither /proc nor ps tells about it');
  }
  const own = `${path}.${process.pid}`;
  await writeFile(own, JSON.stringify(self));
  try {
    for (let round = 0; round < roundsMax; round += 1) {
      // Unlike a rename, a link never replaces what is there.
      if (await succeeds(link(own, path), 'EEXIST')) {
        return { release: () => rm(path, { force: true }) };
      }
      const holder = await readHolder(path);
      if (holder !== undefined && isRunning(holder)) {
        throw new CliError('ALREADY_RUNNING', { pid: holder.pid, lock: path });
      }
      await succeeds(rename(path, `${own}.stale`), 'ENOENT');
      // Between reading and renaming another supervisor may have replaced the stale lock by its own: then that goes back.
      const moved = await readHolder(`${own}.stale`);
      if (moved !== undefined && isRunning(moved)) {
        await succeeds(link(`${own}.stale`, path), 'EEXIST');
        throw new CliError('ALREADY_RUNNING', { pid: moved.pid, lock: path });
      }
    }
    throw new CliError('ALREADY_RUNNING', { lock: path });
  } finally {
    await rm(own, { force: true });
    await rm(`${own}.stale`, { force: true });
  }
}

async function readHolder(path: string): Promise<ProcessIdentity | undefined> {
  try {
    return processIdentitySchema.safeParse(JSON.parse(await readFile(path, 'utf8'))).data;
  } catch {
    return undefined;
  }
}

/** False where it fails with `code`; throws any other failure. */
async function succeeds(attempt: Promise<unknown>, code: string): Promise<boolean> {
  try {
    await attempt;
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== code) {
      throw error;
    }
    return false;
  }
}
