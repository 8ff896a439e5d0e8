/** Whether node_modules is what package-lock.json says, and making it so. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Runs `npm ci` where it is needed. Throws an error for people where it may not or does not succeed.
 * @param {{ root: string, install: boolean, env: NodeJS.ProcessEnv }} o
 */
export function ensureDependencies({ root, install, env }) {
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
  const stampFile = join(root, 'node_modules', '.couchestor-lock');
  const stamp = createHash('sha256').update(lock).digest('hex');
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) {
    return;
  }
  const differences = differencesOf(root, lock);
  if (differences.length > 0) {
    if (!install) {
      throw new Error(
        `the dependencies are not those of package-lock.json (${differences[0]}). Run "npm ci" in ${root}, or leave out --no-install.`,
      );
    }
    process.stderr.write(`couchestor: installing dependencies (npm ci): ${differences[0]}\n`);
    rmSync(stampFile, { force: true });
    runNpmCi(root, env);
  }
  writeFileSync(stampFile, stamp);
}

/**
 * What is installed, as npm itself noted it down, against the lock file. Empty where they agree.
 * @param {string} root
 * @param {string} lock
 * @returns {string[]}
 */
export function differencesOf(root, lock) {
  const installedFile = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installedFile)) {
    return ['nothing is installed yet'];
  }
  const wanted = JSON.parse(lock).packages;
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
  return Object.entries(wanted)
    .filter(([path]) => path.startsWith('node_modules/') || path.includes('/node_modules/'))
    .filter(([path, entry]) => !isSatisfied(entry, installed[path]))
    .map(([path, entry]) => `${path} ${entry.version ?? ''} is missing`);
}

/**
 * @param {{ version?: string, link?: boolean, optional?: boolean }} wanted
 * @param {{ version?: string } | undefined} installed
 */
function isSatisfied(wanted, installed) {
  // Optional packages are those of other platforms, too.
  return installed === undefined ? wanted.optional === true : wanted.link === true || installed.version === wanted.version;
}

/**
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 */
function runNpmCi(root, env) {
  const npmScript = env['npm_execpath'];
  const [file, args] = npmScript?.endsWith('.js') ? [process.execPath, [npmScript, 'ci']] : ['npm', ['ci']];
  // Its output goes to standard error: what we run may write JSON to standard output.
  const { status, error } = spawnSync(file, args, { cwd: root, stdio: ['ignore', 2, 2], env: { ...env, npm_config_loglevel: 'notice' } });
  if (status !== 0) {
    throw new Error(
      `"npm ci" did not succeed${error === undefined ? '' : ` (${error.message})`}. Check the network, run it in ${root} yourself, then start again.`,
    );
  }
}
