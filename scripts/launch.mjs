#!/usr/bin/env node
/**
 * What every npm script runs: checks Node, installs what package-lock.json names and is missing, then runs the real thing from source.
 * Needs nothing but Node itself, as it runs before there is anything else.
 */
import { existsSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ensureDependencies } from './dependencies.mjs';
import { runChild } from './run-child.mjs';

const nodeMin = /** @type {const} */ ([20, 20]);
const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * @param {readonly string[]} argv What stands after the script: `install` (and nothing more), `test`, `bench`, `docs`, or a command of the
 *   couchestor cli.
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>} The exit code.
 */
export async function launch(argv, env) {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < nodeMin[0] || (major === nodeMin[0] && minor < nodeMin[1])) {
    return fail(`Node.js ${nodeMin.join('.')} or newer is needed; this is ${process.version}. See https://nodejs.org/en/download.`);
  }
  const install = !beforeDashes(argv).includes('--no-install');
  try {
    ensureDependencies({ root, install, env });
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
  const [command, ...rest] = argv;
  const own = rest.filter((word) => word !== '--no-install');
  const childEnv = install ? env : { ...env, COUCHESTOR_NO_INSTALL: '1' };
  switch (command) {
    case 'install':
      return 0;
    case 'test':
      return await runChild([`${root}node_modules/vitest/vitest.mjs`, 'run', ...own], { env: childEnv, cwd: root });
    case 'bench':
      return await runSource('bench/main.ts', own, childEnv);
    case 'docs':
      return await runSource('scripts/docs.ts', own, childEnv);
    default:
      return await runSource('cli/src/main.ts', argv, childEnv);
  }
}

/**
 * @param {string} file
 * @param {readonly string[]} argv
 * @param {NodeJS.ProcessEnv} env
 */
async function runSource(file, argv, env) {
  const path = `${root}${file}`;
  if (!existsSync(path)) {
    return fail(`${path} does not exist: this checkout is not complete.`);
  }
  // By its URL, because --import resolves names from the folder that the caller stands in.
  const loader = import.meta.resolve('tsx');
  return await runChild(['--import', loader, '--conditions=source', path, ...argv], { env });
}

/** @param {readonly string[]} argv */
function beforeDashes(argv) {
  const end = argv.indexOf('--');
  return end === -1 ? argv : argv.slice(0, end);
}

/** @param {string} message */
function fail(message) {
  process.stderr.write(`couchestor: ${message}\n`);
  return 1;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await launch(process.argv.slice(2), process.env);
}
