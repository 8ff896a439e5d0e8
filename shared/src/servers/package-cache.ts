/**
 * Programs of Debian packages that nobody installed: each set of packages is unpacked into a tree of its own in our cache and run from there.
 * A tree is put into its place by one rename, so what stands there is whole.
 */
import { constants } from 'node:fs';
import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { basename, delimiter, dirname, join } from 'node:path';
import { describeError } from '../errors.ts';
import { unpackPackages } from './apt.ts';
import { withCacheLock } from './cache-lock.ts';
import { ServerError } from './errors.ts';

export interface PackagedProgram {
  readonly program: string;
  /** Where its tree stands. */
  readonly tree: string;
  readonly packages: readonly string[];
  /** Runs the program. Answers its version; throws where it is of no use. */
  readonly check: (command: TreeCommand) => Promise<string>;
}

export interface TreeCommand {
  readonly path: string;
  /** To be added to the environment: where the program finds libraries that were fetched with it. */
  readonly env: Readonly<Record<string, string>>;
  readonly source: 'cache';
}

interface CachePlace {
  readonly cacheDir: string;
  readonly log: (line: string) => void;
}

/** Where Debian packages put programs and libraries, below the root of the tree. */
const treeBinDirs = ['usr/bin', 'usr/sbin', 'bin', 'sbin'];
const treeLibDirs = ['usr/lib', 'lib'];
/** `usr/lib`, `usr/lib/x86_64-linux-gnu`, `usr/lib/x86_64-linux-gnu/ceph`. */
const libraryDepthMax = 2;

/** The program in its tree, where that is there. A tree whose program does not run any more is removed. */
export async function findInCache(wanted: PackagedProgram, o: Pick<CachePlace, 'log'>): Promise<TreeCommand | undefined> {
  const command = await commandInTree(wanted.program, wanted.tree);
  if (command === undefined) {
    return undefined;
  }
  try {
    await wanted.check(command);
    return command;
  } catch (error) {
    o.log(`the cached ${wanted.program} is of no use any more: ${describeError(error)}`);
    await rm(wanted.tree, { recursive: true, force: true });
    return undefined;
  }
}

/** Downloads and unpacks with apt. Throws ServerError DOWNLOAD_FAILED or BROKEN, or what `check` throws. */
export async function fetchIntoCache(wanted: PackagedProgram, o: CachePlace): Promise<TreeCommand> {
  const { cacheDir, log } = o;
  const lock = {
    file: join(cacheDir, 'provision.lock'),
    onWait: (pid: string) => log(`waiting for process ${pid}, which is downloading into ${cacheDir}`),
  };
  return await withCacheLock(lock.file, lock, async () => {
    const meanwhile = await findInCache(wanted, o);
    if (meanwhile !== undefined) {
      return meanwhile;
    }
    const shelf = dirname(wanted.tree);
    await mkdir(shelf, { recursive: true });
    const unfinished = await mkdtemp(join(shelf, `.${basename(wanted.tree)}-`));
    try {
      await unpackPackages(wanted.packages, { targetDir: unfinished, aptDir: join(cacheDir, 'apt'), log });
      const unpacked = await commandInTree(wanted.program, unfinished);
      if (unpacked === undefined) {
        throw new ServerError('BROKEN', { server: wanted.program, reason: 'its packages hold no such program' });
      }
      const version = await wanted.check(unpacked);
      await rm(join(unfinished, '.download'), { recursive: true, force: true });
      await moveIntoPlace(unfinished, wanted);
      log(`${wanted.program} ${version} is ready in ${wanted.tree}`);
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
    const command = await commandInTree(wanted.program, wanted.tree);
    if (command === undefined) {
      throw new ServerError('BROKEN', { server: wanted.program, reason: 'it vanished from the cache while it was put there' });
    }
    return command;
  });
}

async function moveIntoPlace(from: string, { program, tree }: PackagedProgram): Promise<void> {
  if ((await commandInTree(program, tree)) === undefined) {
    await rm(tree, { recursive: true, force: true });
  }
  try {
    await rename(from, tree);
  } catch (error) {
    // Another process was quicker; its tree is as good as ours.
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      throw error;
    }
  }
}

async function commandInTree(program: string, tree: string): Promise<TreeCommand | undefined> {
  for (const dir of treeBinDirs) {
    const path = join(tree, dir, program);
    if (await isExecutable(path)) {
      const libraryDirs = await libraryDirsOf(tree);
      return { path, env: libraryDirs.length === 0 ? {} : { LD_LIBRARY_PATH: libraryDirs.join(delimiter) }, source: 'cache' };
    }
  }
  return undefined;
}

/** Folders with shared libraries: `usr/lib`, its per-architecture folders, and what packages keep to themselves below those. */
async function libraryDirsOf(tree: string): Promise<string[]> {
  const found: string[] = [];
  for (const dir of treeLibDirs) {
    await collectLibraryDirs(join(tree, dir), libraryDepthMax, found);
  }
  return found;
}

async function collectLibraryDirs(dir: string, depth: number, found: string[]): Promise<void> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  // Plugins and Python's modules end in .so too; what programs are linked with begins with lib.
  if (entries.some(({ name }) => /^lib.*\.so(\.|$)/.test(name))) {
    found.push(dir);
  }
  for (const child of entries.filter((entry) => depth > 0 && entry.isDirectory())) {
    await collectLibraryDirs(join(dir, child.name), depth - 1, found);
  }
}

export async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
