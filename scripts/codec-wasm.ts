/**
 * `npm run codec-wasm`: builds services/ec-encoder/native/wasm/codec.wasm, which is checked in, with Debian 12's clang and lld from the cache or the archive.
 * `--check`: writes nothing; fails where the file is not what would be written.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ServerError } from '../shared/src/servers/errors.ts';
import { fetchIntoCache, findInCache, type PackagedProgram, type TreeCommand } from '../shared/src/servers/package-cache.ts';
import { cacheDirOf } from '../shared/src/servers/provision.ts';

const run = promisify(execFile);
const native = fileURLToPath(new URL('../services/ec-encoder/native/', import.meta.url));
export const wasmPath = join(native, 'wasm', 'codec.wasm');
/** One version, so that the same source gives the same bytes. */
const clang = 'clang-14';
const packages = [clang, 'lld-14', 'libclang-common-14-dev'];
const compileArgs = [
  '--target=wasm32',
  '-std=gnu11',
  '-O3',
  '-msimd128',
  '-mbulk-memory',
  '-ffreestanding',
  '-nostdlib',
  '-Wall',
  '-Wextra',
  '-Werror',
];
const linkArgs = ['--no-entry', '--strip-all', '-z,stack-size=131072'].map((option) => `-Wl,${option}`);

interface ToolchainInput {
  readonly env: NodeJS.ProcessEnv;
  /** False refuses to download anything. */
  readonly install: boolean;
  readonly log: (line: string) => void;
}

/** The compiler, fetched where it is not in the cache. Throws ServerError NOT_FOUND or what keeps it from being fetched. */
export async function wasmToolchain({ env, install, log }: ToolchainInput): Promise<TreeCommand> {
  const cacheDir = cacheDirOf(env);
  const wanted: PackagedProgram = {
    program: clang,
    tree: join(cacheDir, 'compilers', clang),
    packages,
    check: async (command) => {
      const { stdout } = await run(command.path, ['--version'], { env: environmentOf(command, env) });
      await run(join(dirname(command.path), 'wasm-ld-14'), ['--version'], { env: environmentOf(command, env) });
      return /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? 'of unknown version';
    },
  };
  const cached = await findInCache(wanted, { log });
  if (cached === undefined && !install) {
    throw new ServerError('NOT_FOUND', {
      server: clang,
      install: 'npm run codec-wasm',
      reason: 'downloads are refused (COUCHESTOR_NO_INSTALL)',
    });
  }
  return cached ?? (await fetchIntoCache(wanted, { cacheDir, log }));
}

/** What the file should hold. */
export async function buildWasm(toolchain: TreeCommand, env: NodeJS.ProcessEnv): Promise<Buffer> {
  const dir = await mkdtemp(join(tmpdir(), 'couchestor-wasm-'));
  try {
    const output = join(dir, 'codec.wasm');
    const sources = [join('wasm', 'codec.c'), 'galois-tables.c'];
    const linker = `-fuse-ld=${join(dirname(toolchain.path), 'wasm-ld-14')}`;
    await run(toolchain.path, [...compileArgs, linker, ...linkArgs, ...sources, '-o', output], {
      cwd: native,
      env: environmentOf(toolchain, env),
    });
    return await readFile(output);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function environmentOf(command: TreeCommand, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...env, ...command.env, PATH: [dirname(command.path), env['PATH'] ?? ''].join(delimiter) };
}

async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const unknown = argv.find((word) => word !== '--check');
  if (unknown !== undefined) {
    process.stderr.write(`codec-wasm: "${unknown}" is not understood; the only option is --check\n`);
    return 2;
  }
  const toolchain = await wasmToolchain({ env, install: true, log: (line) => void process.stderr.write(`${line}\n`) });
  const built = await buildWasm(toolchain, env);
  const before = await readFile(wasmPath).catch(() => Buffer.alloc(0));
  if (built.equals(before)) {
    return 0;
  }
  if (argv.includes('--check')) {
    process.stdout.write(`${wasmPath} is not what its source gives: run npm run codec-wasm\n`);
    return 1;
  }
  await writeFile(wasmPath, built);
  process.stdout.write(`${wasmPath} written\n`);
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2), process.env);
}
