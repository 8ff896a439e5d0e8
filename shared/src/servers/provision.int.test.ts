/** Really downloads: the packages of the three servers, with apt, into a cache of its own. */
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isAtLeast, type ServerName, serverCatalog } from './catalog.ts';
import { provisionServer } from './provision.ts';
import { askVersion } from './version.ts';

const names: readonly ServerName[] = ['nats-server', 'redis-server', 'prometheus'];
const downloadTimeoutMs = 240_000;
let home = '';
let env: NodeJS.ProcessEnv;
const lines: string[] = [];
const log = (line: string): void => void lines.push(line);

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'couchestor-provision-'));
  env = { HOME: home, XDG_CACHE_HOME: join(home, 'cache'), PATH: join(home, 'bin') };
});
afterAll(() => rm(home, { recursive: true, force: true }));

test('a server is used from PATH where one is there that works', async () => {
  await mkdir(join(home, 'bin'));
  const path = join(home, 'bin', 'nats-server');
  await writeFile(path, '#!/bin/sh\necho nats-server: v2.10.99\n');
  await chmod(path, 0o755);
  expect(await provisionServer('nats-server', { install: false, log, env, systemDirs: [] })).toEqual({ path, env: {}, source: 'path' });
});

test(
  'a server on PATH that is too old or broken is passed over, and the message says why',
  async () => {
    const path = join(home, 'bin', 'nats-server');
    await writeFile(path, '#!/bin/sh\necho nats-server: v2.2.0\n');
    const command = await provisionServer('nats-server', { install: true, log, env, systemDirs: [] });
    expect(command.path).not.toBe(path);
    expect(lines).toContain(`passing over ${path}: it is version 2.2.0, and at least 2.9.0 is needed`);
    await rm(path);
  },
  downloadTimeoutMs,
);

test(
  'servers are fetched into the cache, run there, and are found again without the network',
  async () => {
    for (const name of names) {
      const fetched = await provisionServer(name, { install: true, log, env, systemDirs: [] });
      expect(isAtLeast(await askVersion(name, fetched), serverCatalog[name].versionMin)).toBe(true);
      expect(await provisionServer(name, { install: false, log, env, systemDirs: [] })).toEqual(fetched);
    }
  },
  downloadTimeoutMs,
);

test(
  'two that fetch at once end up with the same tree and leave nothing unfinished behind',
  async () => {
    const cache = join(home, 'cache-of-two');
    const two = { ...env, XDG_CACHE_HOME: cache };
    const commands = await Promise.all([1, 2].map(() => provisionServer('nats-server', { install: true, log, env: two, systemDirs: [] })));
    expect(commands[0]).toEqual(commands[1]);
    expect((await readdir(join(cache, 'couchestor'))).filter((name) => name.endsWith('.lock'))).toEqual([]);
    const left = await readdir(join(cache, 'couchestor', 'servers'));
    expect(left.filter((name) => name.startsWith('.'))).toEqual([]);
  },
  downloadTimeoutMs,
);

test('where nothing is found and downloads are refused, the error says what to install and which variable to set', async () => {
  const nowhere = { env: { ...env, XDG_CACHE_HOME: join(home, 'empty') }, systemDirs: [], install: false, log };
  await expect(provisionServer('prometheus', nowhere)).rejects.toMatchObject({
    code: 'SERVER_NOT_FOUND',
    facts: { install: 'apt-get install prometheus', variable: 'PROMETHEUS_URL', reason: 'downloads are refused (--no-install)' },
  });
});
