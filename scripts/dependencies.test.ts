import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { differencesOf, ensureDependencies } from './dependencies.mjs';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'couchestor-dependencies-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const lockOf = (packages: object): string => JSON.stringify({ lockfileVersion: 3, packages });
const wanted = lockOf({
  '': { name: 'workspace' },
  shared: { name: '@couchestor/shared' },
  'node_modules/@couchestor/shared': { resolved: 'shared', link: true },
  'node_modules/zod': { version: '4.0.0' },
  'node_modules/@esbuild/win32': { version: '1.0.0', optional: true },
});

async function install(packages: object): Promise<void> {
  await mkdir(join(root, 'node_modules'), { recursive: true });
  await writeFile(join(root, 'node_modules', '.package-lock.json'), lockOf(packages));
}

test('what npm installed by the lock file is taken as it is, and noted', async () => {
  await writeFile(join(root, 'package-lock.json'), wanted);
  await install({ 'node_modules/@couchestor/shared': { link: true }, 'node_modules/zod': { version: '4.0.0' } });
  ensureDependencies({ root, install: false, env: {} });
  const stamp = await readFile(join(root, 'node_modules', '.couchestor-lock'), 'utf8');
  expect(stamp).toMatch(/^[0-9a-f]{64}$/);
});

test('once noted, the installed packages are not looked at again until the lock file changes', async () => {
  await writeFile(join(root, 'package-lock.json'), wanted);
  await install({ 'node_modules/@couchestor/shared': { link: true }, 'node_modules/zod': { version: '4.0.0' } });
  ensureDependencies({ root, install: false, env: {} });
  await install({});
  ensureDependencies({ root, install: false, env: {} });
  await writeFile(join(root, 'package-lock.json'), wanted.replace('4.0.0', '4.1.0'));
  expect(() => ensureDependencies({ root, install: false, env: {} })).toThrow('node_modules/');
});

test.each([
  ['nothing is installed', undefined, 'nothing is installed yet'],
  ['a package is missing', { 'node_modules/@couchestor/shared': { link: true } }, 'node_modules/zod 4.0.0 is missing'],
  [
    'a package has another version',
    { 'node_modules/@couchestor/shared': { link: true }, 'node_modules/zod': { version: '3.0.0' } },
    'node_modules/zod 4.0.0 is missing',
  ],
])('where %s, that is the difference', async (_case, packages, difference) => {
  if (packages !== undefined) {
    await install(packages);
  }
  expect(differencesOf(root, wanted)).toEqual([difference]);
});

test('--no-install refuses, and says what to do', async () => {
  await writeFile(join(root, 'package-lock.json'), wanted);
  expect(() => ensureDependencies({ root, install: false, env: {} })).toThrow(`Run "npm ci" in ${root}, or leave out --no-install.`);
});
