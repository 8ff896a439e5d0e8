/** A C compiler for what tests build: the one on PATH, else gcc of Debian packages unpacked into our cache, which needs no root. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describeError } from '../errors.ts';
import { hasApt } from '../servers/apt.ts';
import { ServerError } from '../servers/errors.ts';
import { fetchIntoCache, findInCache, type PackagedProgram } from '../servers/package-cache.ts';
import { cacheDirOf } from '../servers/provision.ts';

export interface CCompiler {
  readonly path: string;
  /** To be given before all others: where its headers and libraries are. */
  readonly args: string[];
  /** A whole environment to run it with. */
  readonly env: NodeJS.ProcessEnv;
}

/** Of each release of Debian its gcc. Packages are named with their version, because the tree is used where others may be installed. */
const gccOfRelease: Readonly<Record<string, string>> = { '11': '10', '12': '12', '13': '14' };
const gccDefault = '12';
const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const triple = `${machine}-linux-gnu`;
/** Headers, the C library, threads and shared objects: all that may be missing. */
const sample =
  '#include <stdio.h>\n#include <pthread.h>\n#include <linux/types.h>\nint sample(void) { return puts("x") + (int)pthread_self(); }\n';
const sampleArgs = ['-x', 'c', '-shared', '-fPIC', '-pthread', '-', '-o', '/dev/null'];
const sampleTimeoutMs = 60_000;

/** Throws ServerError NOT_FOUND, saying what to install, where there is none to be had. `install` false refuses to download. */
export async function cCompiler(
  env: NodeJS.ProcessEnv,
  o: { install: boolean; log: (line: string) => void } = { install: env['COUCHESTOR_NO_INSTALL'] !== '1', log: logToStderr },
): Promise<CCompiler> {
  for (const path of [env['CC'], 'gcc', 'cc', 'clang']) {
    if (path !== undefined && path !== '' && (await faultOf({ path, args: [], env })) === undefined) {
      return { path, args: [], env };
    }
  }
  const cacheDir = cacheDirOf(env);
  const gcc = await gccVersion();
  const packaged = packagedGcc(gcc, cacheDir, env);
  let cached = await findInCache(packaged, o);
  if (cached === undefined) {
    if (!o.install) {
      throw notFound('downloads are refused (COUCHESTOR_NO_INSTALL)');
    }
    if (!(await hasApt())) {
      throw notFound('there is no apt-get here to fetch it with');
    }
    try {
      cached = await fetchIntoCache(packaged, { cacheDir, log: o.log });
    } catch (cause) {
      throw notFound(describeError(cause), cause);
    }
  }
  return inTree(cached, packaged.tree, env);
}

function packagedGcc(gcc: string, cacheDir: string, env: NodeJS.ProcessEnv): PackagedProgram {
  const program = `gcc-${gcc}`;
  return {
    program,
    tree: join(cacheDir, 'compilers', program),
    packages: [
      program,
      `cpp-${gcc}`,
      `libgcc-${gcc}-dev`,
      'binutils',
      'binutils-common',
      `binutils-${triple.replaceAll('_', '-')}`,
      'libbinutils',
      'libc6-dev',
      'libcrypt-dev',
      'linux-libc-dev',
    ],
    check: async (command) => {
      const tree = command.path.slice(0, -join('usr', 'bin', program).length - 1);
      await makeMovable(tree);
      const fault = await faultOf(inTree(command, tree, env));
      if (fault !== undefined) {
        throw new ServerError('BROKEN', { server: program, path: command.path, reason: fault });
      }
      return gcc;
    },
  };
}

/** gcc finds what is its own by where it is; the assembler, the linker and the C library's development files it looks for in the system. */
function inTree(command: { path: string; env: Readonly<Record<string, string>> }, tree: string, env: NodeJS.ProcessEnv): CCompiler {
  const libraries = join(tree, 'usr', 'lib', triple);
  const headers = join(tree, 'usr', 'include');
  return {
    path: command.path,
    args: ['-isystem', join(headers, triple), '-isystem', headers, '-B', libraries, '-B', join(tree, 'usr', 'bin'), '-L', libraries],
    env: { ...env, ...command.env, PATH: [join(tree, 'usr', 'bin'), env['PATH'] ?? ''].join(delimiter) },
  };
}

/** libc.so is a text that names one of its parts by the place where it would be installed. */
async function makeMovable(tree: string): Promise<void> {
  const path = join(tree, 'usr', 'lib', triple, 'libc.so');
  const script = await readFile(path, 'latin1');
  const movable = script.replaceAll(`/usr/lib/${triple}/libc_nonshared.a`, 'libc_nonshared.a');
  if (movable !== script) {
    await writeFile(path, movable, 'latin1');
  }
}

/** Why it does not compile, or undefined where it does. */
async function faultOf(compiler: CCompiler): Promise<string | undefined> {
  try {
    const child = spawn(compiler.path, [...compiler.args, ...sampleArgs], {
      env: { ...compiler.env, LC_ALL: 'C' },
      stdio: ['pipe', 'ignore', 'pipe'],
      timeout: sampleTimeoutMs,
    });
    // One that stops before it has read everything is judged by its status.
    child.stdin.on('error', () => undefined).end(sample);
    const [said, [status]] = await Promise.all([text(child.stderr), once(child, 'close')]);
    return status === 0 ? undefined : said.trim().replaceAll('\n', ' | ').slice(0, 500) || `status ${String(status)}`;
  } catch (error) {
    return describeError(error);
  }
}

async function gccVersion(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return gccOfRelease[/^VERSION_ID="?(\d+)/m.exec(release)?.[1] ?? ''] ?? gccDefault;
}

function logToStderr(line: string): void {
  process.stderr.write(`gcc: ${line}\n`);
}

function notFound(reason: string, cause?: unknown): Error {
  return new ServerError('NOT_FOUND', { server: 'gcc', install: 'apt-get install gcc libc6-dev', reason }, { cause });
}
