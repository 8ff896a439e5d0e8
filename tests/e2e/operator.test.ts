/** Watcher, brain and migrator in one process, as one pod of a cluster runs them, with servers and a Mayastor that were there before. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listPolicies } from '@couchestor/shared/contracts/brain';
import { listMoves } from '@couchestor/shared/contracts/migrator';
import { freePort } from '@couchestor/shared/servers/free-port';
import { startTestNats, startTestPrometheus, startTestRedis, type TestServer } from '@couchestor/shared/testing/servers';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { json, type Running, start } from './couchestor.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

let folder: string;
let servers: TestServer[] = [];
let processes: Running[] = [];
let natsUrl: string;
let env: Record<string, string>;
let health: string;
let metrics: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'couchestor-e2e-'));
  const port = async (): Promise<string> => `127.0.0.1:${await freePort()}`;
  const [api, exporter, admin] = [await port(), await port(), await port()];
  const [nats, redis, prometheus] = await Promise.all([
    startTestNats(),
    startTestRedis(),
    startTestPrometheus({ targets: [{ job: 'mayastor', address: exporter }], scrapeIntervalMs: 1_000 }),
  ]);
  servers = [nats, redis, prometheus];
  natsUrl = nats.url;
  metrics = await port();
  health = await port();
  const own = await port();
  const simulator = ['--listen', api, '--exporter-addr', exporter, '--admin-addr', admin, '--metrics-addr', own, '--health-addr', own];
  processes = [start(['run', 'mayastor-simulator', '--data-dir', folder, '--scenario', fixture('stack.yaml'), ...simulator])];
  env = {
    PROMETHEUS_URL: prometheus.url,
    REDIS_URL: redis.url,
    MAYASTOR_URL: `http://${api}`,
    SAMPLE_INTERVAL: '2s',
    SCRAPE_INTERVAL: '1s',
    RATE_INTERVAL: '5s',
  };
});

afterAll(async () => {
  for (const { child, ended } of processes) {
    child.kill('SIGTERM');
    await ended;
  }
  await Promise.all(servers.map((server) => server.stop()));
  await rm(folder, { recursive: true, force: true });
});

it('decides but moves nothing with --dry-run, and moves without it, on one set of addresses and with metrics by their published names', async () => {
  const flags = ['--nats-url', natsUrl, '--policy-dir', fixture('policies'), '--metrics-addr', metrics, '--health-addr', health];
  const quick = [
    '--simulator',
    '--sync-poll-interval-seconds',
    '0.5',
    '--synced-hold-seconds',
    '1',
    '--mayastor-timeout-seconds',
    '2',
    '--gate-lease-seconds',
    '5',
  ];
  const from = ['--nats-url', natsUrl];

  // Options without a command mean the operator.
  const dry = start([...flags, ...quick, '--dry-run', '--log-json'], { env });
  processes.push(dry);
  await waitUntil(async () => (await fetch(`http://${health}/readyz`)).ok, { timeoutMs: 30_000, intervalMs: 200 });
  await waitUntil(async () => (await metric('couchestor_reconcile_total')) > 0, { timeoutMs: 60_000, intervalMs: 300 });
  await waitUntil(
    async () => listPolicies.response.parse(await json(['policies', ...from])).policies.some(({ coldVolumes }) => coldVolumes === 3),
    {
      timeoutMs: 60_000,
      intervalMs: 500,
    },
  );
  await waitUntil(async () => (await table(from)).includes('high watermark'), { timeoutMs: 60_000, intervalMs: 500 });
  expect(await metric('couchestor_active_migrations')).toBe(0);
  expect(listMoves.response.parse(await json(['migrations', ...from])).open).toEqual([]);
  dry.child.kill('SIGTERM');
  const ended = await dry.ended;
  expect(ended.code, ended.stdout).toBe(0);
  for (const line of ended.stdout.trim().split('\n')) {
    expect(JSON.parse(line)).toHaveProperty('message');
  }

  const operator = start(['operator', ...flags, ...quick, '--log-level', 'warn'], { env });
  processes.push(operator);
  await waitUntil(async () => (await metric('couchestor_migrations_total{status="success"}')) > 0, { timeoutMs: 120_000, intervalMs: 500 });
  operator.child.kill('SIGINT');
  expect((await operator.ended).code).toBe(0);
}, 240_000);

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`http://${metrics}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(name));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

async function table(from: readonly string[]): Promise<string> {
  return JSON.stringify(await json(['volumes', ...from]));
}
