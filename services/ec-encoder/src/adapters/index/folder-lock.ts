/**
 * One process per data folder. Whoever wants it listens on a unix socket of its own in the folder, and has it once it looked through the folder
 * and found nobody else listening. Of two that come at the same moment, at least one sees the other, because each shows itself before it looks.
 *
 * A socket refuses as soon as its process is gone, however it went, and from whatever container one asks; no pid is trusted, since they are used
 * again and differ between containers. Names are never used twice, so the socket of a dead process can be removed by anybody at any time. A crash
 * leaves such a socket, and the next taker removes it.
 */
import { randomBytes } from 'node:crypto';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { createConnection, createServer, type Server } from 'node:net';
import { sleep } from '@couchestor/shared/time';
import { IndexError } from './errors.ts';

/** Takers that meet give way to each other and come back: this often, with pauses that grow. */
const roundsMax = 40;
const pauseMs = 5;
/** One that is busy may not get round to saying its pid. That it lives is known already. */
const answerTimeoutMs = 500;
/** A socket is given its name once it listens. One that never got so far is cleared away after so long. */
const unnamedAgeMs = 60_000;

export interface FolderLock {
  release(): Promise<void>;
}

interface Claim {
  readonly name: string;
  hold(): void;
  withdraw(): Promise<void>;
}

interface Other {
  readonly name: string;
  readonly pid: number | undefined;
  readonly isTaking: boolean;
}

/** Throws IndexError LOCKED, with the holder's pid where it tells. */
export async function takeFolderLock(dir: string): Promise<FolderLock> {
  // The path of a socket has at most 107 bytes, that of a folder more; so it goes by the folder's descriptor.
  const folder = await open(dir, 'r');
  const base = process.platform === 'linux' ? `/proc/self/fd/${folder.fd}` : dir;
  try {
    const claim = await win(base, dir);
    return {
      release: async () => {
        await claim.withdraw();
        await folder.close();
      },
    };
  } catch (error) {
    await folder.close();
    throw error;
  }
}

async function win(base: string, dir: string): Promise<Claim> {
  let claim: Claim | undefined;
  let others: Other[] = [];
  try {
    for (let round = 1; round <= roundsMax; round += 1) {
      claim ??= await show(base);
      others = await othersIn(base, claim.name);
      if (others.length === 0) {
        claim.hold();
        return claim;
      }
      const holder = others.find((other) => !other.isTaking);
      if (holder !== undefined) {
        throw new IndexError('LOCKED', { dir, pid: holder.pid });
      }
      // The first of them by name stays where it is; the others come back later.
      const { name } = claim;
      if (others.some((other) => other.name < name)) {
        await claim.withdraw();
        claim = undefined;
      }
      await sleep(pauseMs * (1 + Math.random() * round));
    }
    throw new IndexError('LOCKED', { dir, pid: others[0]?.pid });
  } catch (error) {
    await claim?.withdraw();
    throw error;
  }
}

/** Listens, and only then takes a name that others look for: one that does not listen yet would look dead. */
async function show(base: string): Promise<Claim> {
  const id = randomBytes(8).toString('hex');
  const name = `lock.${id}`;
  let isHeld = false;
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.end(`${isHeld ? 'held' : 'taking'} ${process.pid}`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(`${base}/lock-new.${id}`, resolve);
  });
  server.unref();
  await rename(`${base}/lock-new.${id}`, `${base}/${name}`);
  return {
    name,
    hold: () => {
      isHeld = true;
    },
    withdraw: async () => {
      await rm(`${base}/${name}`, { force: true });
      await closeServer(server);
    },
  };
}

/** Those that live. What the dead left is removed. */
async function othersIn(base: string, own: string): Promise<Other[]> {
  const others: Other[] = [];
  for (const name of await readdir(base)) {
    const path = `${base}/${name}`;
    if (name.startsWith('lock.') && name !== own) {
      const other = await ask(path);
      if (other === undefined) {
        await rm(path, { force: true });
      } else {
        others.push({ name, ...other });
      }
    } else if (name.startsWith('lock-new.') && (await ageMsOf(path)) > unnamedAgeMs && (await ask(path)) === undefined) {
      await rm(path, { force: true });
    }
  }
  return others;
}

/** Undefined where nobody listens. Any other failure than a refusal means that somebody may. */
function ask(path: string): Promise<{ pid: number | undefined; isTaking: boolean } | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    let said = '';
    const answer = (): void => {
      socket.destroy();
      const [, state, pid] = /^(held|taking) (\d+)$/.exec(said) ?? [];
      resolve({ pid: pid === undefined ? undefined : Number(pid), isTaking: state === 'taking' });
    };
    socket.setTimeout(answerTimeoutMs, answer);
    socket.on('data', (bytes) => {
      said += bytes.toString('latin1');
    });
    socket.on('end', answer);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      socket.destroy();
      resolve(error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? undefined : { pid: undefined, isTaking: false });
    });
  });
}

async function ageMsOf(path: string): Promise<number> {
  try {
    return Date.now() - (await stat(path)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return 0;
    }
    throw error;
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
