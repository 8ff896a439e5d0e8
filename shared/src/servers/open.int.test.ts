import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { natsAnswers } from './answers.ts';
import { openServer } from './open.ts';

let root = '';
const log = (): void => undefined;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'couchestor-open-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

test('a server that runs already is used as it is, and not stopped', async () => {
  const running = await openServer('nats-server', {
    env: { ...process.env, NATS_URL: '' },
    dataDir: join(root, 'running'),
    install: true,
    log,
  });
  const port = Number(new URL(running.url).port);
  const used = await openServer('nats-server', { env: { NATS_URL: running.url }, dataDir: join(root, 'used'), install: false, log });
  expect(used).toMatchObject({ url: running.url, source: 'environment', pid: undefined });
  await used.stop();
  expect(await natsAnswers({ host: '127.0.0.1', port })).toBe(true);
  await running.stop();
  await expect(natsAnswers({ host: '127.0.0.1', port })).rejects.toThrow('ECONNREFUSED');
});

test('where nothing may be downloaded the error tells all three cures', async () => {
  const env = { PATH: '', HOME: root, XDG_CACHE_HOME: join(root, 'no-cache') };
  const opening = openServer('redis-server', { env, dataDir: root, install: false, log, systemDirs: [] });
  await expect(opening).rejects.toThrow(/install=apt-get install redis-server, variable=REDIS_URL/);
  await expect(opening).rejects.toThrow(/Docker/);
});
