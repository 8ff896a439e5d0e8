import { chmod, cp, mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { provisionKubeAssets } from './assets.ts';

const programs = ['kube-apiserver', 'etcd', 'kubectl'];
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'couchestor-assets-'));
  for (const name of programs) {
    await writeFile(join(folder, name), '#!/bin/sh\n');
    await chmod(join(folder, name), 0o755);
  }
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

const provision = (env: NodeJS.ProcessEnv) =>
  provisionKubeAssets({
    env: { PATH: '', XDG_CACHE_HOME: join(folder, 'none'), ...env },
    install: false,
    systemDirs: [],
    log: () => undefined,
  });

test('the folder that KUBEBUILDER_ASSETS names comes first, and a program can be named apart', async () => {
  const named = { apiServer: join(folder, 'kube-apiserver'), etcd: join(folder, 'etcd'), kubectl: join(folder, 'kubectl') };
  expect(await provision({ KUBEBUILDER_ASSETS: folder, PATH: '/usr/bin' })).toEqual(named);
  expect(await provision({ KUBEBUILDER_ASSETS: folder, TEST_ASSET_ETCD: '/bin/true' })).toEqual({ ...named, etcd: '/bin/true' });
});

test('named programs that are not there are an error, not a reason to take others', async () => {
  await expect(provision({ KUBEBUILDER_ASSETS: join(folder, 'gone'), PATH: folder })).rejects.toThrow('KUBEBUILDER_ASSETS');
});

test('programs on PATH are taken where nothing is named', async () => {
  expect((await provision({ PATH: `/nowhere:${folder}` })).apiServer).toBe(join(folder, 'kube-apiserver'));
});

test('where there are none and downloads are refused, the error says what to do', async () => {
  await expect(provision({})).rejects.toThrow(/set KUBEBUILDER_ASSETS to a folder.*--no-install/);
});

test('programs in the cache are taken last, and what killed builds left there long ago is removed', async () => {
  const cache = join(folder, 'cache', 'couchestor');
  for (const name of programs) {
    await cp(join(folder, name), join(cache, 'kube', name));
  }
  for (const name of ['kube-build-old', 'kube-build-new', 'servers']) {
    await mkdir(join(cache, name));
  }
  const longAgo = new Date(Date.now() - 2 * 60 * 60_000);
  await utimes(join(cache, 'kube-build-old'), longAgo, longAgo);
  await utimes(join(cache, 'servers'), longAgo, longAgo);
  expect((await provision({ XDG_CACHE_HOME: join(folder, 'cache') })).etcd).toBe(join(cache, 'kube', 'etcd'));
  expect((await readdir(cache)).sort()).toEqual(['kube', 'kube-build-new', 'servers']);
});

test('programs in the cache that do not run are passed over, and the log says why', async () => {
  const cache = join(folder, 'broken', 'couchestor', 'kube');
  for (const name of programs) {
    await cp(join(folder, name), join(cache, name));
  }
  await writeFile(join(cache, 'kube-apiserver'), 'half of a program');
  const told: string[] = [];
  const env = { PATH: '', XDG_CACHE_HOME: join(folder, 'broken') };
  const provisioning = provisionKubeAssets({ env, install: false, systemDirs: [], log: (line) => void told.push(line) });
  await expect(provisioning).rejects.toThrow('KUBEBUILDER_ASSETS');
  expect(told.join()).toContain('of no use any more');
});
