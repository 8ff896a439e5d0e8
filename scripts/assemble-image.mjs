/**
 * What the image of one service holds, copied into a folder: `node scripts/assemble-image.mjs <service> <folder>`. Run by the Dockerfile
 * after the build and `npm prune`.
 *
 * - app/: the compiled packages that the service is made of, what they load, and main.mjs, which starts it;
 * - bin/: this very Node, alone, as nothing in the image installs anything; and in the operator's, the `couchestor` command;
 * - data/: empty, for the owner of the volume that is mounted there.
 */
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const scope = '@couchestor';
/** The operator is watcher, brain and migrator in one process, and the command line. */
const operator = 'operator';

/** Read by compilers, debuggers and people, never by Node. */
const notRun = /\.(d\.[cm]?ts|[cm]?ts|map|md|markdown|tsbuildinfo|flow)$/i;
/** Of ours, what only tests run. */
const ofTests = /\.(test|fixture|conformance)\.js$/;

/**
 * @param {{ service: string, target: string }} o
 */
export function assembleImage({ service, target }) {
  const services = readdirSync(join(root, 'services'));
  if (service !== operator && !services.includes(service)) {
    throw new Error(`there is no service "${service}". SERVICE is ${operator} or one of: ${services.join(', ')}`);
  }
  const start = service === operator ? 'cli' : `services/${service}`;
  const app = join(target, 'app');
  mkdirSync(join(target, 'data'), { recursive: true });
  for (const folder of packagesOf(start)) {
    copyPackage(folder, app);
  }
  copyDependencies(app);
  // The scenarios that a simulator can begin with.
  if (service === 'mayastor-simulator') {
    cpSync(join(root, 'deploy/local'), join(app, 'deploy/local'), { recursive: true });
  }
  cpSync(join(root, 'scripts/probe-health.mjs'), join(app, 'probe-health.mjs'));
  writeFileSync(join(app, 'main.mjs'), mainOf(service, start));
  mkdirSync(join(target, 'bin'), { recursive: true });
  cpSync(realpathSync(process.execPath), join(target, 'bin/node'));
  if (service === operator) {
    symlinkSync('/app/cli/bin/couchestor.mjs', join(target, 'bin/couchestor'));
  }
}

/**
 * The packages of ours that one needs, itself included.
 * @param {string} start
 */
function packagesOf(start) {
  const folders = new Map(
    ['shared', 'cli', ...readdirSync(join(root, 'services')).map((name) => `services/${name}`)].map((path) => [
      manifestOf(path).name,
      path,
    ]),
  );
  const found = new Set([start]);
  for (const folder of found) {
    for (const name of Object.keys(manifestOf(folder).dependencies ?? {})) {
      const own = folders.get(name);
      if (own !== undefined) {
        found.add(own);
      }
    }
  }
  return found;
}

/**
 * @param {string} folder
 * @returns {{ name: string, dependencies?: Record<string, string> }}
 */
function manifestOf(folder) {
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
}

/**
 * @param {string} folder
 * @param {string} app
 */
function copyPackage(folder, app) {
  const keep = (/** @type {string} */ path) => !notRun.test(path) && !ofTests.test(path) && basename(path) !== 'testing';
  for (const part of ['package.json', 'bin', 'dist', 'native', 'node_modules']) {
    if (existsSync(join(root, folder, part))) {
      cpSync(join(root, folder, part), join(app, folder, part), { recursive: true, filter: keep });
    }
  }
  const link = join(app, 'node_modules', manifestOf(folder).name);
  mkdirSync(join(app, 'node_modules', scope), { recursive: true });
  symlinkSync(relative(join(link, '..'), join(app, folder)), link);
}

/** @param {string} app */
function copyDependencies(app) {
  const from = join(root, 'node_modules');
  cpSync(from, join(app, 'node_modules'), {
    recursive: true,
    filter: (path) => {
      const name = relative(from, path);
      // What begins with bare- is for another runtime than Node.
      if (name.startsWith('.') || name === scope || name === '@types' || name.startsWith('bare-')) {
        return false;
      }
      return !(notRun.test(path) && lstatSync(path).isFile());
    },
  });
}

/**
 * @param {string} service
 * @param {string} start
 */
function mainOf(service, start) {
  return service === operator
    ? `if (process.argv.length === 2) {\n  process.argv.push('operator');\n}\nawait import('./${start}/dist/main.js');\n`
    : `await import('./${start}/dist/main.js');\n`;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [service = '', target = ''] = process.argv.slice(2);
  assembleImage({ service, target });
}
