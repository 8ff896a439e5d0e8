/**
 * Finds the program of a server, or fetches it: from PATH and the system's folders, else from our cache, else with apt into our cache.
 *
 * The cache is `${XDG_CACHE_HOME:-~/.cache}/couchestor`; `servers/<name>` in it is a package's tree, put there by one rename.
 */
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { describeError } from '../errors.ts';
import { hasApt } from './apt.ts';
import { isAtLeast, type ServerName, serverCatalog } from './catalog.ts';
import { ServerError } from './errors.ts';
import { fetchIntoCache, findInCache, isExecutable, type PackagedProgram } from './package-cache.ts';
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

/** Throws ServerError NOT_FOUND, saying what to install, where there is none to be had. */
export async function provisionServer(name: ServerName, o: ProvisionInput): Promise<ServerCommand> {
  const env = o.env ?? process.env;
  const cacheDir = cacheDirOf(env);
  const packaged = packagedServer(name, cacheDir);
  const found =
    (await findOnPath(name, { env, systemDirs: o.systemDirs ?? systemBinDirs, log: o.log })) ?? (await findInCache(packaged, o));
  if (found !== undefined) {
    return found;
  }
  if (!o.install) {
    throw notFound(name, { reason: 'downloads are refused (--no-install)' });
  }
  if (!(await hasApt())) {
    throw notFound(name, { reason: 'there is no apt-get here to fetch it with' });
  }
  try {
    return await fetchIntoCache(packaged, { cacheDir, log: o.log });
  } catch (cause) {
    throw notFound(name, { reason: describeError(cause) }, cause);
  }
}

export function cacheDirOf(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_CACHE_HOME'] || join(env['HOME'] || homedir(), '.cache'), 'couchestor');
}

function packagedServer(name: ServerName, cacheDir: string): PackagedProgram {
  return {
    program: name,
    tree: join(cacheDir, 'servers', name),
    packages: serverCatalog[name].packages,
    check: async (command) => await usableVersion(name, command),
  };
}

async function findOnPath(name: ServerName, o: Required<Omit<ProvisionInput, 'install'>>): Promise<ServerCommand | undefined> {
  const dirs = new Set([...(o.env['PATH'] ?? '').split(delimiter).filter((dir) => dir !== ''), ...o.systemDirs]);
  for (const dir of dirs) {
    const path = join(dir, name);
    if (await isExecutable(path)) {
      const command = { path, env: {}, source: 'path' } as const;
      try {
        await usableVersion(name, command);
        return command;
      } catch (error) {
        o.log(`passing over ${path}: ${describeError(error)}`);
      }
    }
  }
  return undefined;
}

/** Throws, saying why, where the program cannot be used. */
async function usableVersion(name: ServerName, command: Pick<ServerCommand, 'path' | 'env'>): Promise<string> {
  const version = await askVersion(name, command);
  const { versionMin } = serverCatalog[name];
  if (!isAtLeast(version, versionMin)) {
    throw new Error(`it is version ${version}, and at least ${versionMin} is needed`);
  }
  return version;
}

function notFound(name: ServerName, facts: { reason: string }, cause?: unknown): Error {
  const { urlVariable } = serverCatalog[name];
  return new ServerError('NOT_FOUND', { server: name, install: `apt-get install ${name}`, variable: urlVariable, ...facts }, { cause });
}
