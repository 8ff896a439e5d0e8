/**
 * Where the sources of the add-ons are, and where what is built of them belongs: `<hash>/<name>.node` in `native` of the cache, or of the folder
 * that COUCHESTOR_NATIVE_DIR names, which an image has. The hash is over all that decides what comes out, so nothing there gets stale.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirOf } from '@couchestor/shared/servers/provision';
import { NativeError } from './errors.ts';

const sourceDir = fileURLToPath(new URL('../../../native', import.meta.url));

/** No -march: kernels say themselves what they need, and are chosen when they run. */
const commonFlags = ['-O3', '-g0', '-fPIC', '-shared', '-fvisibility=hidden', '-pthread'];
/** Of Node-API, whose versions are compatible from then on; native/addon.c asks for the same. */
const nodeApiVersion = 8;

export interface NativePlace {
  readonly env: NodeJS.ProcessEnv;
  /** Default: the folder native/ of this package. */
  readonly sourceDir?: string;
}

/** One add-on to build. */
export interface NativeFiles {
  readonly name: 'codec' | 'ronomon';
  /** Whole paths of .c files. */
  readonly sources: readonly string[];
  readonly flags: readonly string[];
  /** What is built, which need not exist. */
  readonly path: string;
}

/** Our add-on, of exactly this source for this kind of machine. */
export async function codecFiles(o: NativePlace): Promise<NativeFiles> {
  const dir = o.sourceDir ?? sourceDir;
  const names = (await readdir(dir)).filter((name) => /\.[ch]$/.test(name)).sort();
  return await filesOf('codec', { env: o.env, dir, names, flags: ['-std=gnu11', ...commonFlags] });
}

/**
 * The add-on of @ronomon/reed-solomon, whose install script is not run. Its assertions must not be compiled out: they do work. Throws
 * NativeError NO_RONOMON where that package is not installed.
 */
export async function ronomonFiles(o: { env: NodeJS.ProcessEnv }): Promise<NativeFiles> {
  const flags = ['-std=gnu11', ...commonFlags, '-UNDEBUG', '-DNODE_GYP_MODULE_NAME=binding'];
  try {
    const dir = dirname(createRequire(import.meta.url).resolve('@ronomon/reed-solomon/package.json'));
    return await filesOf('ronomon', { env: o.env, dir, names: ['binding.c'], flags });
  } catch (cause) {
    throw new NativeError('NO_RONOMON', undefined, { cause });
  }
}

async function filesOf(
  name: NativeFiles['name'],
  o: { env: NodeJS.ProcessEnv; dir: string; names: readonly string[]; flags: readonly string[] },
): Promise<NativeFiles> {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([process.platform, process.arch, nodeApiVersion, name, o.flags]));
  for (const file of o.names) {
    const text = await readFile(join(o.dir, file));
    hash.update(JSON.stringify([file, text.length])).update(text);
  }
  return {
    name,
    sources: o.names.filter((file) => file.endsWith('.c')).map((file) => join(o.dir, file)),
    flags: o.flags,
    path: join(nativeDirOf(o.env), hash.digest('hex').slice(0, 32), `${name}.node`),
  };
}

function nativeDirOf(env: NodeJS.ProcessEnv): string {
  return env['COUCHESTOR_NATIVE_DIR'] || join(cacheDirOf(env), 'native');
}
