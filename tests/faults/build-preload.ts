/** Compiles the library of faults and recordings into our cache, once for each version of its source. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cacheDirOf } from '@couchestor/shared/servers/provision';
import { cCompiler } from '@couchestor/shared/testing/c-compiler';

const sourceDir = fileURLToPath(new URL('.', import.meta.url));
const flags = ['-std=gnu11', '-O2', '-g', '-fPIC', '-shared', '-pthread', '-Wall', '-U_FORTIFY_SOURCE'];

/** The path of the library. Throws ServerError NOT_FOUND, saying what to install, where there is no C compiler to be had. */
export async function buildPreload(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const names = (await readdir(sourceDir)).filter((name) => /^preload.*\.[ch]$/.test(name)).sort();
  const hash = createHash('sha256').update(JSON.stringify([process.arch, flags]));
  for (const name of names) {
    hash.update(name).update(await readFile(join(sourceDir, name)));
  }
  const dir = join(cacheDirOf(env), 'faults');
  const path = join(dir, `preload-${hash.digest('hex').slice(0, 24)}.so`);
  if (await exists(path)) {
    return path;
  }
  const compiler = await cCompiler(env);
  await mkdir(dir, { recursive: true });
  const unfinished = await mkdtemp(join(dir, '.build-'));
  try {
    const built = join(unfinished, 'preload.so');
    const sources = names.filter((name) => name.endsWith('.c')).map((name) => join(sourceDir, name));
    await promisify(execFile)(compiler.path, [...compiler.args, ...flags, ...sources, '-o', built, '-ldl'], { env: compiler.env });
    await rename(built, path);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return path;
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
