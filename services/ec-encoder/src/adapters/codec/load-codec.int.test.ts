import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { cCompiler } from '@couchestor/shared/testing/c-compiler';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { referenceChecksums } from '../../domain/codec/crc32c.ts';
import { referenceEngine } from '../../domain/codec/reference-engine.ts';
import { buildNative, buildRonomon } from './build-native.ts';
import { checkEngines, enginesOf, loadCodecEngines } from './load-codec.ts';
import { builtAddon, strictFlags } from './native.fixture.ts';
import { codecFiles } from './native-files.ts';
import { openCodec } from './open-codec.ts';
import { provisionNativeCodec } from './provision-native.ts';

let dir: string;
let env: NodeJS.ProcessEnv;
const log = () => undefined;
const compiler = () => cCompiler(process.env);

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'couchestor-codec-'));
  env = { ...process.env, XDG_CACHE_HOME: dir };
});

afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

describe('the native codec', () => {
  it('is built once, without a warning, by two who want it at once, and serves then', async () => {
    const lines: string[] = [];
    const build = () => buildNative({ env, compiler, flags: strictFlags, log: (line) => lines.push(line) });
    const [path, other] = await Promise.all([build(), build()]);
    expect(other).toBe(path);
    expect(lines.filter((line) => line.startsWith('building'))).toHaveLength(1);
    expect(await readdir(dirname(dirname(path)))).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/)]);
    // By everybody: who builds it into an image is not who runs that.
    expect([(await stat(path)).mode & 0o777, (await stat(dirname(path))).mode & 0o777]).toEqual([0o755, 0o755]);
    const engines = await loadCodecEngines({ env });
    expect(engines.slowBecause).toBeUndefined();
    expect([engines.matrix.name, engines.checksums.name]).toEqual([expect.stringMatching(/^native /), expect.stringMatching(/^native /)]);
  });

  it('is another for another source', async () => {
    const sourceDir = join(dir, 'source');
    await mkdir(sourceDir);
    await writeFile(join(sourceDir, 'addon.c'), 'int one;');
    const before = (await codecFiles({ env, sourceDir })).path;
    await writeFile(join(sourceDir, 'addon.c'), 'int two;');
    const after = (await codecFiles({ env, sourceDir })).path;
    expect(new Set([before, after, (await codecFiles({ env })).path]).size).toBe(3);
  });

  it('leaves nothing behind where the compiler refuses it, and tells what that said', async () => {
    const sourceDir = join(dir, 'source');
    await mkdir(sourceDir);
    await writeFile(join(sourceDir, 'addon.c'), 'this is not C');
    await expect(buildNative({ env, compiler, sourceDir, log })).rejects.toMatchObject({
      code: 'NATIVE_COMPILE_FAILED',
      facts: { said: expect.stringContaining('error') },
    });
    expect(await readdir(join(dir, 'couchestor', 'native'))).toEqual([]);
  });

  it('asks for a compiler where there is none', async () => {
    const bare = { ...env, PATH: dir, CC: '' };
    await expect(buildNative({ env: bare, log })).rejects.toMatchObject({ code: 'NATIVE_NO_COMPILER' });
  });
});

describe('versions of the native codec in the cache', () => {
  const sourceDirOf = async (version: number) => {
    const sourceDir = join(dir, `source-${version}`);
    await mkdir(sourceDir, { recursive: true });
    await writeFile(join(sourceDir, 'addon.c'), `int version = ${version};`);
    return sourceDir;
  };
  const build = async (version: number) => await buildNative({ env, compiler, log, sourceDir: await sourceDirOf(version) });
  const built = async () => (await readdir(join(dir, 'couchestor', 'native'))).sort();
  const hashOf = (path: string) => basename(dirname(path));

  it('are the last two that were wanted; what others keep there stays', async () => {
    const ronomon = hashOf(await buildRonomon({ env, compiler, log }));
    const [first, second] = [await build(1), await build(2)];
    const anHourAgo = new Date(Date.now() - 3_600_000);
    await Promise.all([first, second].map((path) => utimes(dirname(path), anHourAgo, anHourAgo)));
    expect(await build(1)).toBe(first);
    const third = await build(3);
    expect(await built()).toEqual([ronomon, hashOf(first), hashOf(third)].sort());
  });

  it('leave nothing of a build that was killed', async () => {
    const shelf = join(dir, 'couchestor', 'native');
    const [old, recent] = [join(shelf, 'abc-old'), join(shelf, 'abc-recent')];
    await Promise.all([old, recent].map((path) => mkdir(path, { recursive: true })));
    const twoHoursAgo = new Date(Date.now() - 7_200_000);
    await utimes(old, twoHoursAgo, twoHoursAgo);
    const path = await build(1);
    expect(await built()).toEqual([hashOf(path), 'abc-recent'].sort());
  });
});

describe('provisioning the native codecs', () => {
  it('builds both, and only where that is wanted', async () => {
    await provisionNativeCodec({ env, log, install: false, withRonomon: true });
    expect(await loadCodecEngines({ env })).toMatchObject({ slowBecause: expect.stringContaining('NATIVE_NOT_BUILT') });
    await provisionNativeCodec({ env, compiler, log, install: true, withRonomon: true });
    const engines = await loadCodecEngines({ env });
    expect(engines.slowBecause).toBeUndefined();
    expect((await openCodec('ronomon', { dataShards: 2, parityShards: 1 }, engines)).isByteLocal).toBe(false);
  });

  it('into the folder that is named for that, where they are found by the same name', async () => {
    const named = { ...env, COUCHESTOR_NATIVE_DIR: join(dir, 'named') };
    await provisionNativeCodec({ env: named, compiler, log, install: true });
    expect(await readdir(join(dir, 'named'))).toHaveLength(1);
    expect((await loadCodecEngines({ env: named })).slowBecause).toBeUndefined();
  });

  it('tells what is missing where there is no compiler, and goes on', async () => {
    const lines: string[] = [];
    await provisionNativeCodec({ env: { ...env, PATH: dir, CC: '' }, log: (line) => lines.push(line), install: true, withRonomon: true });
    expect(lines).toEqual([expect.stringContaining('NATIVE_NO_COMPILER'), expect.stringContaining('NATIVE_NO_COMPILER')]);
  });
});

describe('the engines', () => {
  it('are those in WebAssembly where the add-on was not built', async () => {
    const engines = await loadCodecEngines({ env });
    expect(engines).toMatchObject({ matrix: { name: 'wasm simd128' }, checksums: referenceChecksums });
    expect(engines.slowBecause).toContain('NATIVE_NOT_BUILT');
  });

  it('are those in WebAssembly where the add-on does not load', async () => {
    const path = (await codecFiles({ env })).path;
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, 'not a library');
    const engines = await loadCodecEngines({ env });
    expect(engines.matrix.name).toBe('wasm simd128');
    expect(engines.slowBecause).toContain('NATIVE_BROKEN');
  });

  it('are those in plain TypeScript where WebAssembly does not load either', async () => {
    const wasmPath = join(dir, 'codec.wasm');
    await writeFile(wasmPath, 'not a module');
    const engines = await loadCodecEngines({ env, wasmPath });
    expect(engines.matrix).toBe(referenceEngine);
    expect(engines.slowBecause).toMatch(/NATIVE_NOT_BUILT.*nor WebAssembly/);
  });

  it('take the vectors of WebAssembly where the add-on has none for this processor', async () => {
    const addon = await builtAddon();
    const engines = await enginesOf({ ...addon, levels: ['scalar', null, null, null, null] });
    expect([engines.matrix.name, engines.checksums.name]).toEqual(['wasm simd128', `native ${addon.crc32cEngines.at(-1)}`]);
  });

  it('are refused where they compute wrongly', async () => {
    await checkEngines(referenceEngine, referenceChecksums);
    const wrongMatrix = {
      ...referenceEngine,
      multiply: async (product: Parameters<typeof referenceEngine.multiply>[0]) => {
        await referenceEngine.multiply(product);
        product.targets[6]?.fill(0, 4_998);
      },
    };
    await expect(checkEngines(wrongMatrix, referenceChecksums)).rejects.toMatchObject({ code: 'NATIVE_BROKEN' });
    const wrongChecksums = { ...referenceChecksums, crc32c: () => 0 };
    await expect(checkEngines(referenceEngine, wrongChecksums)).rejects.toMatchObject({ code: 'NATIVE_BROKEN' });
  });
});
