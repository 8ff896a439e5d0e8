/** Programs of other projects that tests hold our storage against: from PATH and the system's folders, else from Debian packages in our cache. */
import { execFile } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { describeError } from '../errors.ts';
import { hasApt } from '../servers/apt.ts';
import { ServerError } from '../servers/errors.ts';
import { fetchIntoCache, findInCache, isExecutable } from '../servers/package-cache.ts';
import { cacheDirOf } from '../servers/provision.ts';

export type StorageClientName = 'nbdinfo' | 'nbdcopy' | 'qemu-io' | 'qemu-img' | 'fio' | 'nbdkit' | 'mkfs.ext4' | 'e2fsck' | 'debugfs';

export interface StorageClient {
  readonly path: string;
  /** A whole environment to run it with. That of nbdkit also has NBDKIT_PLUGINDIR and NBDKIT_FILTERDIR, see `nbdkitModule`. */
  readonly env: NodeJS.ProcessEnv;
}

export interface StorageClientInput {
  /** False refuses to download anything. */
  readonly install: boolean;
  /** Told, one line each, what takes time and what was passed over. */
  readonly log: (line: string) => void;
  readonly env: NodeJS.ProcessEnv;
  /** Folders searched after those of PATH, which an ordinary user's PATH may lack. */
  readonly systemDirs?: readonly string[];
}

/** The Debian package of each, and how it is asked whether it runs. The libraries that a package needs are added by apt's own resolution. */
const clients: Readonly<Record<StorageClientName, { package: string; versionFlag: string }>> = {
  nbdinfo: { package: 'libnbd-bin', versionFlag: '--version' },
  nbdcopy: { package: 'libnbd-bin', versionFlag: '--version' },
  'qemu-io': { package: 'qemu-utils', versionFlag: '--version' },
  'qemu-img': { package: 'qemu-utils', versionFlag: '--version' },
  fio: { package: 'fio', versionFlag: '--version' },
  nbdkit: { package: 'nbdkit', versionFlag: '--version' },
  'mkfs.ext4': { package: 'e2fsprogs', versionFlag: '-V' },
  e2fsck: { package: 'e2fsprogs', versionFlag: '-V' },
  debugfs: { package: 'e2fsprogs', versionFlag: '-V' },
};
export const storageClientNames = Object.keys(clients) as StorageClientName[];

const systemBinDirs = ['/usr/local/bin', '/usr/bin', '/usr/sbin', '/bin', '/sbin'];
const versionTimeoutMs = 10_000;

/** Throws ServerError NOT_FOUND, saying what to install, where there is none to be had: a test without its client fails, it does not skip. */
export async function storageClient(name: StorageClientName): Promise<StorageClient> {
  const { env } = process;
  const log = (line: string): void => void process.stderr.write(`${name}: ${line}\n`);
  return await provisionStorageClient(name, { install: env['COUCHESTOR_NO_INSTALL'] !== '1', log, env });
}

/** As `storageClient`, with the world as arguments. */
export async function provisionStorageClient(name: StorageClientName, o: StorageClientInput): Promise<StorageClient> {
  const installed = await findInstalled(name, o);
  if (installed !== undefined) {
    return await withModules(name, { path: installed, env: o.env }, '/');
  }
  const cacheDir = cacheDirOf(o.env);
  const packaged = {
    program: name,
    packages: [clients[name].package],
    tree: join(cacheDir, 'storage-clients', clients[name].package),
    check: async (command: { path: string; env: NodeJS.ProcessEnv }) =>
      await versionOf(name, { path: command.path, env: { ...o.env, ...command.env } }),
  };
  let cached = await findInCache(packaged, o);
  if (cached === undefined) {
    if (!o.install) {
      throw notFound(name, 'downloads are refused (COUCHESTOR_NO_INSTALL)');
    }
    if (!(await hasApt())) {
      throw notFound(name, 'there is no apt-get here to fetch it with');
    }
    try {
      cached = await fetchIntoCache(packaged, { cacheDir, log: o.log });
    } catch (cause) {
      throw notFound(name, describeError(cause), cause);
    }
  }
  return await withModules(name, { path: cached.path, env: { ...o.env, ...cached.env } }, packaged.tree);
}

/** A plugin or filter for the command line of nbdkit, which knows names only of what is installed where it was built for. */
export function nbdkitModule(nbdkit: StorageClient, o: { kind: 'plugin' | 'filter'; name: string }): string {
  const dir = nbdkit.env[o.kind === 'plugin' ? 'NBDKIT_PLUGINDIR' : 'NBDKIT_FILTERDIR'] ?? '';
  return join(dir, `nbdkit-${o.name}-${o.kind}.so`);
}

async function findInstalled(name: StorageClientName, o: StorageClientInput): Promise<string | undefined> {
  const dirs = new Set([...(o.env['PATH'] ?? '').split(delimiter).filter((dir) => dir !== ''), ...(o.systemDirs ?? systemBinDirs)]);
  for (const dir of dirs) {
    const path = join(dir, name);
    if (await isExecutable(path)) {
      try {
        await versionOf(name, { path, env: o.env });
        return path;
      } catch (error) {
        o.log(`passing over ${path}: ${describeError(error)}`);
      }
    }
  }
  return undefined;
}

/** What else the program reads that its package brings: `root` is where the package was unpacked. */
async function withModules(name: StorageClientName, client: StorageClient, root: string): Promise<StorageClient> {
  if (name === 'nbdkit') {
    const { stdout } = await promisify(execFile)(client.path, ['--dump-config'], { env: client.env, timeout: versionTimeoutMs });
    const dirOf = (key: string): string => join(root, new RegExp(`^${key}=(.*)$`, 'm').exec(stdout)?.[1] ?? '');
    return { ...client, env: { ...client.env, NBDKIT_PLUGINDIR: dirOf('plugindir'), NBDKIT_FILTERDIR: dirOf('filterdir') } };
  }
  if (name === 'mkfs.ext4' && root !== '/') {
    // Without its settings it warns and makes a file system of fewer features than elsewhere.
    return { ...client, env: { ...client.env, MKE2FS_CONFIG: join(root, 'etc', 'mke2fs.conf') } };
  }
  return client;
}

/** Shows that the program and all its libraries load. */
async function versionOf(name: StorageClientName, client: { path: string; env: NodeJS.ProcessEnv }): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(client.path, [clients[name].versionFlag], {
      env: client.env,
      timeout: versionTimeoutMs,
    });
    return /\d+\.\d+(\.\d+)?/.exec(`${stdout}\n${stderr}`)?.[0] ?? 'of unknown version';
  } catch (cause) {
    throw new ServerError('BROKEN', { server: name, path: client.path }, { cause });
  }
}

function notFound(name: StorageClientName, reason: string, cause?: unknown): Error {
  return new ServerError('NOT_FOUND', { server: name, install: `apt-get install ${clients[name].package}`, reason }, { cause });
}
