/**
 * Builds an add-on into the cache: where a compiler is found, before it is first wanted. Nothing else of CoucheStor needs a compiler.
 *
 * It is compiled into a folder of its own, which one rename puts into its place: whoever finds an add-on finds a whole one. What a build that was
 * killed leaves behind has a dash in its name, is never looked into, and is removed by a later build.
 */
import { execFile } from 'node:child_process';
import { access, chmod, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { withCacheLock } from '@couchestor/shared/servers/cache-lock';
import { NativeError } from './errors.ts';
import { codecFiles, type NativeFiles, type NativePlace, ronomonFiles } from './native-files.ts';

const run = promisify(execFile);
/** It takes three seconds on a busy machine. */
const compileTimeoutMs = 120_000;
/** Of each add-on: this version of the source and the one before, between which somebody may go back and forth. */
const keptVersions = 2;
const abandonedAfterMs = 60 * 60_000;

export interface Compiler {
  readonly path: string;
  /** Given before all others. */
  readonly args: readonly string[];
  /** A whole environment to run it with. */
  readonly env: NodeJS.ProcessEnv;
}

export interface BuildInput {
  readonly env: NodeJS.ProcessEnv;
  readonly log: (line: string) => void;
  /** Asked only where something is to be built. Default: CC, gcc, cc or clang of the environment. */
  readonly compiler?: () => Promise<Compiler>;
}

interface BuildNativeInput extends BuildInput, NativePlace {
  /** Further flags, such as -Werror. They are no part of what the result is found by. */
  readonly flags?: readonly string[];
}

/** The path of our add-on, which is built only where it is not there. Throws NativeError NO_COMPILER, NO_HEADERS or COMPILE_FAILED. */
export async function buildNative(o: BuildNativeInput): Promise<string> {
  return await buildWhereMissing(await codecFiles(o), o);
}

/** As `buildNative`, of @ronomon/reed-solomon. Throws NativeError NO_RONOMON too. */
export async function buildRonomon(o: BuildInput): Promise<string> {
  return await buildWhereMissing(await ronomonFiles(o), o);
}

async function buildWhereMissing(files: NativeFiles, o: Omit<BuildNativeInput, 'sourceDir'>): Promise<string> {
  const dir = dirname(files.path);
  if (await exists(files.path)) {
    // What is wanted is not old, whenever it was built. In an image nobody may write that down, and nothing is removed.
    await utimes(dir, new Date(), new Date()).catch(() => undefined);
    return files.path;
  }
  const onWait = (holder: string) => o.log(`waiting for process ${holder}, which builds a native codec`);
  return await withCacheLock(join(dirname(dir), 'build.lock'), { onWait }, async () => {
    if (!(await exists(files.path))) {
      await build(files, o);
      await prune(files);
    }
    return files.path;
  });
}

async function build(files: NativeFiles, o: Omit<BuildNativeInput, 'sourceDir'>): Promise<void> {
  const dir = dirname(files.path);
  const compiler = await (o.compiler?.() ?? findCompiler(o.env));
  const headers = await findHeaders();
  const unfinished = await mkdtemp(`${dir}-`);
  try {
    const output = join(unfinished, basename(files.path));
    o.log(`building the native ${files.name} with ${compiler.path}`);
    await compile(compiler, [...files.flags, ...(o.flags ?? []), '-I', headers, ...files.sources, '-o', output]);
    // An image builds it as root, and runs as somebody else.
    await chmod(unfinished, 0o755);
    await chmod(output, 0o755);
    await rm(dir, { recursive: true, force: true });
    await rename(unfinished, dir);
    o.log(`the native ${files.name} is ready in ${dir}`);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Called with the lock, so that no other build is under way. */
async function prune(files: NativeFiles): Promise<void> {
  const shelf = dirname(dirname(files.path));
  const found: { path: string; modifiedAtMs: number }[] = [];
  for (const name of await readdir(shelf)) {
    const path = join(shelf, name);
    const { mtimeMs } = await stat(path);
    if (name.includes('-') && Date.now() - mtimeMs > abandonedAfterMs) {
      await rm(path, { recursive: true, force: true });
    } else if (!name.includes('-') && (await exists(join(path, basename(files.path))))) {
      found.push({ path, modifiedAtMs: mtimeMs });
    }
  }
  const isNew = ({ path }: { path: string }) => path === dirname(files.path);
  found.sort((a, b) => Number(isNew(b)) - Number(isNew(a)) || b.modifiedAtMs - a.modifiedAtMs);
  for (const { path } of found.slice(keptVersions)) {
    await rm(path, { recursive: true, force: true });
  }
}

async function compile({ path, args, env }: Compiler, further: readonly string[]): Promise<void> {
  try {
    await run(path, [...args, ...further], { env: { ...env, LC_ALL: 'C' }, timeout: compileTimeoutMs });
  } catch (cause) {
    const said = (cause as { stderr?: string }).stderr ?? '';
    throw new NativeError('COMPILE_FAILED', { compiler: path, said: said.trim().replaceAll('\n', ' | ').slice(0, 500) }, { cause });
  }
}

async function findCompiler(env: NodeJS.ProcessEnv): Promise<Compiler> {
  for (const path of [env['CC'], 'gcc', 'cc', 'clang']) {
    if (path !== undefined && path !== '') {
      const works = await run(path, ['--version'], { env }).then(
        () => true,
        () => false,
      );
      if (works) {
        return { path, args: [], env };
      }
    }
  }
  throw new NativeError('NO_COMPILER');
}

/** Of the package, which is the same everywhere; else those that came with this Node. */
async function findHeaders(): Promise<string> {
  const places = [join(dirname(process.execPath), '..', 'include', 'node')];
  try {
    places.unshift(join(dirname(createRequire(import.meta.url).resolve('node-api-headers/package.json')), 'include'));
  } catch {
    // The package is not installed.
  }
  for (const place of places) {
    if (await exists(join(place, 'node_api.h'))) {
      return place;
    }
  }
  throw new NativeError('NO_HEADERS', { searched: places.join(' ') });
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
