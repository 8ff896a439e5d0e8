/**
 * `npm run codec-asan [-- vitest's options]`: the tests of the native codec, with its add-on built for the sanitizers of addresses and of undefined
 * behaviour. By hand, after a change of its C: it takes a minute or two. Memory of JavaScript is the system's there, so a byte too far is seen.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildNative } from '@couchestor/ec-encoder/adapters/codec/build-native';
import { cacheDirOf } from '@couchestor/shared/servers/provision';
import { cCompiler } from '@couchestor/shared/testing/c-compiler';

const root = fileURLToPath(new URL('..', import.meta.url));
const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer', '-g'];
const tests = ['native-addon', 'native-engine', 'read-now'].map((name) => `services/ec-encoder/src/adapters/codec/${name}`);

async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  // Apart from the others: flags are no part of the name that an add-on is found by.
  const own = { ...env, COUCHESTOR_NATIVE_DIR: join(cacheDirOf(env), 'native-asan') };
  const compiler = await cCompiler(env);
  const log = (line: string) => void process.stderr.write(`${line}\n`);
  await buildNative({ env: own, compiler: async () => compiler, flags: sanitizers, log });
  const libraries = await Promise.all(['libasan.so', 'libubsan.so'].map((name) => libraryOf(name, compiler)));
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const child = spawn(process.execPath, [vitest, 'run', ...tests, ...argv], {
    cwd: root,
    stdio: 'inherit',
    // Node frees little of what it has when it ends, and handles some faults itself.
    env: { ...own, LD_PRELOAD: libraries.join(' '), ASAN_OPTIONS: 'detect_leaks=0:handle_segv=0', UBSAN_OPTIONS: 'print_stacktrace=1' },
  });
  const [status] = await once(child, 'exit');
  return typeof status === 'number' ? status : 1;
}

async function libraryOf(name: string, compiler: { path: string; args: readonly string[]; env: NodeJS.ProcessEnv }): Promise<string> {
  const { stdout } = await promisify(execFile)(compiler.path, [...compiler.args, `-print-file-name=${name}`], { env: compiler.env });
  return stdout.trim();
}

process.exitCode = await main(process.argv.slice(2), process.env);
