/** Really downloads, with apt, into a cache of its own. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { nbdkitModule, provisionStorageClient, type StorageClient, storageClient, storageClientNames } from './storage-clients.ts';

const downloadTimeoutMs = 240_000;
let home = '';
let env: NodeJS.ProcessEnv;
const lines: string[] = [];
const log = (line: string): void => void lines.push(line);

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'couchestor-clients-'));
  env = { HOME: home, XDG_CACHE_HOME: join(home, 'cache'), PATH: join(home, 'bin') };
});
afterAll(() => rm(home, { recursive: true, force: true }));

test('every client is to be had here', async () => {
  for (const name of storageClientNames) {
    expect((await storageClient(name)).path).toMatch(new RegExp(`/${name}$`));
  }
});

test('one that may not be fetched fails, and the message says what to install', async () => {
  await expect(provisionStorageClient('qemu-io', { install: false, log, env, systemDirs: [] })).rejects.toThrow(
    /apt-get install qemu-utils/,
  );
});

test('one on PATH is used where it runs, and passed over, with the reason, where it does not', async () => {
  await mkdir(join(home, 'bin'));
  const path = join(home, 'bin', 'fio');
  await writeFile(path, '#!/bin/sh\necho fio-3.99\n');
  await chmod(path, 0o755);
  expect(await provisionStorageClient('fio', { install: false, log, env, systemDirs: [] })).toEqual({ path, env });
  await writeFile(path, '#!/bin/sh\nexit 3\n');
  await expect(provisionStorageClient('fio', { install: false, log, env, systemDirs: [] })).rejects.toThrow(/apt-get install fio/);
  expect(lines.join('\n')).toContain(`passing over ${path}`);
});

test(
  'clients are fetched into the cache and work there: nbdkit with a plugin and a filter, and mkfs.ext4 with its settings',
  async () => {
    const fetched = await provisionStorageClient('nbdkit', { install: true, log, env, systemDirs: [] });
    expect(fetched.path.startsWith(home)).toBe(true);
    const nbdkit = await provisionStorageClient('nbdkit', { install: false, log, env, systemDirs: [] });
    expect(nbdkit).toEqual(fetched);
    const plugin = nbdkitModule(nbdkit, { kind: 'plugin', name: 'memory' });
    const filter = nbdkitModule(nbdkit, { kind: 'filter', name: 'fua' });
    expect(plugin.startsWith(home)).toBe(true);
    expect(await outputOf(nbdkit, ['-U', '-', `--filter=${filter}`, plugin, '1M', '--run', 'echo served'])).toContain('served');

    const mkfs = await provisionStorageClient('mkfs.ext4', { install: true, log, env, systemDirs: [] });
    const image = join(home, 'image');
    await outputOf(mkfs, ['-q', '-F', image, '16M']);
    const debugfs = await provisionStorageClient('debugfs', { install: false, log, env, systemDirs: [] });
    // A feature that only the settings file asks for.
    expect(await outputOf(debugfs, ['-R', 'features', image])).toContain('metadata_csum');
  },
  downloadTimeoutMs,
);

async function outputOf(client: StorageClient, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(client.path, args, { env: client.env });
  return stdout + stderr;
}
