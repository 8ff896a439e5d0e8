/**
 * Finds the program of a server, or fetches it: from PATH and the system's folders, else from our cache, else with apt into our cache.
 *
 * The cache is `${XDG_CACHE_HOME:-~/.cache}/couchestor`; `servers/<name>` in it is a package's tree, put there by one rename.
 */
import { constants } from 'node:fs';
import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { describeError } from '../errors.ts';
import { hasApt, unpackPackages } from './apt.ts';
import { withCacheLock } from './cache-lock.ts';
import { isAtLeast, type ServerName, serverCatalog } from './catalog.ts';
import { ServerError } from './errors.ts';
import { askVersion } from './version.ts';

export type { ServerName } from './catalog.ts';

export interface ServerCommand {
  readonly path: string;
  /** To be added to the environment: where the program finds libraries that were fetched with it. */
  readonly env: Readonly<Record<string, string>>;
  readonly source: 'path' | 'cache';
}

export interface ProvisionInput {
  /** False refuses to download anything. */
  readonly install: boolean;
  /** Told, one line each, what takes time and what was passed over. */
  readonly log: (line: string) => void;
  /** Where PATH, XDG_CACHE_HOME and HOME are read. Default: this process's environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** Folders searched after those of PATH, which an ordinary user's PATH may lack. */
  readonly systemDirs?: readonly string[];
}

const systemBinDirs = ['/usr/local/bin', '/usr/bin', '/usr/sbin', '/usr/local/sbin'];
/** Where Debian packages put programs and libraries, below the root of the tree. */
const treeBinDirs = ['usr/bin', 'usr/sbin', 'bin', 'sbin'];
const treeLibDirs = ['usr/lib', 'lib'];

/** Throws ServerError NOT_FOUND, saying what to install, where there is none to be had. */
export async function provisionServer(name: ServerName, o: ProvisionInput): Promise<ServerCommand> {
  const env = o.env ?? process.env;
  const found =
    (await findOnPath(name, { env, systemDirs: o.systemDirs ?? systemBinDirs, log: o.log })) ??
    (await findInCache(name, cacheDirOf(env), o.log));
  if (found !== undefined) {
    return found;
  }
  if (!o.install) {
    throw notFound(name, { reason: 'downloads are refused (--no-install)' });
  }
  if (!(await hasApt())) {
    throw notFound(name, { reason: 'there is no apt-get here to fetch it with' });
  }
  return await fetchIntoCache(name, cacheDirOf(env), o.log);
}

export function cacheDirOf(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_CACHE_HOME'] || join(env['HOME'] || homedir(), '.cache'), 'couchestor');
}

async function findOnPath(name: ServerName, o: Required<Omit<ProvisionInput, 'install'>>): Promise<ServerCommand | undefined> {
  const dirs = new Set([...(o.env['PATH'] ?? '').split(delimiter).filter((dir) => dir !== ''), ...o.systemDirs]);
  for (const dir of dirs) {
    const path = join(dir, name);
    if (await isExecutable(path)) {
      const command = { path, env: {}, source: 'path' } as const;
      const fault = await faultOf(name, command);
      if (fault === undefined) {
        return command;
      }
      o.log(`passing over ${path}: ${fault}`);
    }
  }
  return undefined;
}

async function findInCache(name: ServerName, cacheDir: string, log: ProvisionInput['log']): Promise<ServerCommand | undefined> {
  const tree = join(cacheDir, 'servers', name);
  const command = await commandInTree(name, tree);
  const fault = command === undefined ? undefined : await faultOf(name, command);
  if (fault === undefined) {
    return command;
  }
  log(`the cached ${name} is of no use any more: ${fault}`);
  await rm(tree, { recursive: true, force: true });
  return undefined;
}

async function fetchIntoCache(name: ServerName, cacheDir: string, log: ProvisionInput['log']): Promise<ServerCommand> {
  const lock = {
    file: join(cacheDir, 'provision.lock'),
    onWait: (pid: string) => log(`waiting for process ${pid}, which is downloading into ${cacheDir}`),
  };
  return await withCacheLock(lock.file, lock, async () => {
    const meanwhile = await findInCache(name, cacheDir, log);
    if (meanwhile !== undefined) {
      return meanwhile;
    }
    const servers = join(cacheDir, 'servers');
    await mkdir(servers, { recursive: true });
    const unfinished = await mkdtemp(join(servers, `.${name}-`));
    try {
      await unpackPackages(serverCatalog[name].packages, { targetDir: unfinished, aptDir: join(cacheDir, 'apt'), log });
      const unpacked = await commandInTree(name, unfinished);
      if (unpacked === undefined) {
        throw new ServerError('BROKEN', { server: name, reason: 'its packages hold no such program' });
      }
      const version = await askVersion(name, unpacked);
      await rm(join(unfinished, '.download'), { recursive: true, force: true });
      await moveIntoPlace(unfinished, join(servers, name));
      log(`${name} ${version} is ready in ${join(servers, name)}`);
    } catch (cause) {
      throw notFound(name, { reason: describeError(cause) }, cause);
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
    const command = await commandInTree(name, join(servers, name));
    if (command === undefined) {
      throw notFound(name, { reason: 'it vanished from the cache while it was put there' });
    }
    return command;
  });
}

async function moveIntoPlace(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    // Another process was quicker; its tree is as good as ours.
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      throw error;
    }
  }
}

async function commandInTree(name: ServerName, tree: string): Promise<ServerCommand | undefined> {
  for (const dir of treeBinDirs) {
    const path = join(tree, dir, name);
    if (await isExecutable(path)) {
      const libraryDirs = await libraryDirsOf(tree);
      return { path, env: libraryDirs.length === 0 ? {} : { LD_LIBRARY_PATH: libraryDirs.join(delimiter) }, source: 'cache' };
    }
  }
  return undefined;
}

/** Folders with shared libraries: `usr/lib` and its per-architecture folders. */
async function libraryDirsOf(tree: string): Promise<string[]> {
  const found: string[] = [];
  for (const dir of treeLibDirs) {
    const top = join(tree, dir);
    const children = await readdir(top, { withFileTypes: true }).catch(() => []);
    for (const candidate of [top, ...children.filter((child) => child.isDirectory()).map((child) => join(top, child.name))]) {
      if ((await readdir(candidate).catch(() => [])).some((file) => /\.so(\.|$)/.test(file))) {
        found.push(candidate);
      }
    }
  }
  return found;
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Why a program that was found cannot be used, or undefined where it can. */
async function faultOf(name: ServerName, command: ServerCommand): Promise<string | undefined> {
  try {
    const version = await askVersion(name, command);
    const { versionMin } = serverCatalog[name];
    return isAtLeast(version, versionMin) ? undefined : `it is version ${version}, and at least ${versionMin} is needed`;
  } catch (error) {
    return describeError(error);
  }
}

function notFound(name: ServerName, facts: { reason: string }, cause?: unknown): Error {
  const { urlVariable } = serverCatalog[name];
  return new ServerError('NOT_FOUND', { server: name, install: `apt-get install ${name}`, variable: urlVariable, ...facts }, { cause });
}
