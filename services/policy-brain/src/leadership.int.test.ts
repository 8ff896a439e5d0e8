/** Several brains as processes on real servers: one leads at each moment, whatever becomes of it, and nothing is requested twice. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, connectBus, type Received } from '@couchestor/shared/bus/connect';
import { ledgerBucket, listPolicies } from '@couchestor/shared/contracts/brain';
import { type MoveRequest, migrationRequested } from '@couchestor/shared/contracts/migration';
import { volumeSampled } from '@couchestor/shared/contracts/volume-sampled';
import { type KubeApiServer, startKubeApiServer } from '@couchestor/shared/testing/kube/api-server';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { startTestNats, type TestServer } from '@couchestor/shared/testing/servers';
import { type ServiceProcess, startServiceProcess } from '@couchestor/shared/testing/service-process';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { moveIdOf } from './domain/ledger.ts';
import { type FakeMayastor, startFakeMayastor } from './testing/fake-mayastor.ts';
import { measured, volumeId, volumeOf } from './testing/fixtures.ts';

const crashBudgetMs = 20_000;
const stopBudgetMs = 3_000;
const testTimeoutMs = 120_000;
const sampleIntervalMs = 300;

let kube: KubeApiServer;
let nats: TestServer;
let mayastor: FakeMayastor;
let policyDir: string;
let others: Bus;
let requests: Received<MoveRequest>[];
let brains: ServiceProcess[];
let watcher: NodeJS.Timeout;

beforeAll(async () => {
  kube = await startKubeApiServer();
});
afterAll(async () => {
  await kube?.stop();
});

beforeEach(async () => {
  nats = await startTestNats();
  mayastor = await startFakeMayastor();
  policyDir = await mkdtemp(join(tmpdir(), 'couchestor-policies-'));
  const selectors = Object.fromEntries(
    ['hot', 'warm', 'cold'].map((tier) => [`${tier}PoolSelector`, { matchLabels: { 'storage-tier': tier } }]),
  );
  const spec = { ...selectors, samplingWindow: '60s', maxConcurrentMigrations: 20 };
  const policy = { apiVersion: 'storage.billyronks.io/v1', kind: 'StoragePolicy', metadata: { name: 'gold' }, spec };
  await writeFile(join(policyDir, 'gold.yaml'), JSON.stringify(policy));
  others = await connectBus({ url: nats.url, name: 'cli', logger: quietLogger() });
  requests = [];
  await others.watchEvent(migrationRequested, (message) => requests.push(message));
  brains = [];
  let round = 0;
  watcher = setInterval(() => {
    round += 1;
    void others.publish(volumeSampled, {
      windowSeconds: 60,
      round,
      roundIntervalMs: 60_000,
      observedAt: new Date(round).toISOString(),
      batch: 0,
      batches: 1,
      samples: mayastor.volumes.map(({ spec: { uuid } }) => measured(6_000, { id: uuid })),
    });
  }, sampleIntervalMs);
});
afterEach(async () => {
  clearInterval(watcher);
  await Promise.all(brains.map((brain) => brain.end('SIGKILL')));
  await others?.close();
  await mayastor?.stop();
  await nats?.stop();
  await rm(policyDir, { recursive: true, force: true });
});

async function start(coordination: readonly string[]): Promise<ServiceProcess> {
  const servers = ['--nats-url', nats.url, '--mayastor-url', mayastor.url];
  const brain = await startServiceProcess(new URL('main.ts', import.meta.url), [
    ...servers,
    ...['--policy-dir', policyDir, '--max-concurrent-migrations', '20'],
    ...coordination,
  ]);
  brains.push(brain);
  return brain;
}

/** A volume that has to be moved, so that a decision is due: it waits for its first request, and gives the epoch of that. */
async function decideAnew(n: number): Promise<number> {
  mayastor.volumes.push(volumeOf({ id: volumeId(n) }));
  await waitUntil(() => requestsOf(n).length > 0, { timeoutMs: crashBudgetMs, what: `a request for volume ${n}` }).catch(
    (error: unknown) => {
      throw new Error(brains.map((brain) => brain.output()).join('\n----\n'), { cause: error });
    },
  );
  return requestsOf(n)[0]?.payload.epoch ?? 0;
}

const requestsOf = (n: number) => requests.filter(({ payload }) => payload.volumeId === volumeId(n));

/** Whether it says that it leads. False where it does not answer. */
async function leads(brain: ServiceProcess): Promise<boolean> {
  return /^couchestor_brain_leader 1$/m.test(await brain.metrics());
}

async function handedOver(to: ServiceProcess, withinMs: number): Promise<void> {
  await waitUntil(() => leads(to), { timeoutMs: withinMs, what: 'the hand-over' });
}

/** In the order of the stream. */
async function nothingTwice(volumes: number): Promise<void> {
  const epochs = requests.map(({ payload }) => payload.epoch);
  expect(epochs).toEqual([...epochs].sort((left, right) => left - right));
  for (let n = 1; n <= volumes; n += 1) {
    expect(new Set(requestsOf(n).map(({ payload }) => payload.moveId))).toEqual(new Set([moveIdOf(volumeId(n), 1)]));
    expect((await others.bucket(ledgerBucket).get(volumeId(n)))?.value).toMatchObject({ requests: 1, pending: { accepted: false } });
  }
}

describe.each([
  { coordination: 'nats', flags: () => ['--coordination', 'nats'] },
  { coordination: 'kubernetes', flags: () => ['--coordination', 'kubernetes', '--kubeconfig', kube.kubeconfig, '--namespace', 'default'] },
])('brains that share a lock in $coordination', ({ flags }) => {
  const short = () => [...flags(), '--leader-lease-seconds', '2'];

  it(
    'lead one at a time, through a kill, a pause and a stop, and request every move once',
    async () => {
      const first = await start(short());
      const second = await start(short());
      expect(await first.readiness()).toMatchObject({ ready: true, checks: { 'policy-brain': 'ok: leads, term 1' } });
      expect(await second.readiness()).toMatchObject({ ready: true, checks: { 'policy-brain': 'ok: stands by' } });
      expect([await leads(first), await leads(second)]).toEqual([true, false]);
      expect(await decideAnew(1)).toBe(1);

      await first.end('SIGKILL');
      await handedOver(second, crashBudgetMs);
      expect(await decideAnew(2)).toBe(2);

      const third = await start(short());
      expect([await leads(second), await leads(third)]).toEqual([true, false]);
      second.kill('SIGSTOP');
      await handedOver(third, crashBudgetMs);
      expect(await decideAnew(3)).toBe(3);
      second.kill('SIGCONT');
      expect(await leads(second)).toBe(false);
      await waitUntil(async () => (await second.readiness())?.checks['policy-brain'] === 'ok: stands by');
      expect(second.output()).toContain('it could not be renewed in time');
      expect(await decideAnew(4)).toBe(3);
      expect(await leads(third)).toBe(true);

      const stopped = third.end('SIGTERM');
      await handedOver(second, stopBudgetMs);
      await stopped;
      expect(third.exitCode()).toBe(0);
      expect(await decideAnew(5)).toBe(4);
      expect((await others.call(listPolicies, {}, { timeoutMs: 5_000 })).epoch).toBe(4);
      await nothingTwice(5);
    },
    testTimeoutMs,
  );

  it(
    'hand over within 3 s of a stop with the lease of production',
    async () => {
      const first = await start(flags());
      const second = await start(flags());
      const stopped = first.end('SIGTERM');
      await handedOver(second, stopBudgetMs);
      await stopped;
      expect(first.exitCode()).toBe(0);
      expect(await decideAnew(1)).toBe(2);
    },
    testTimeoutMs,
  );

  it(
    'hand over within 20 s of a crash with the lease of production',
    async () => {
      const first = await start(flags());
      const second = await start(flags());
      expect(await decideAnew(1)).toBe(1);
      await first.end('SIGKILL');
      await handedOver(second, crashBudgetMs);
      expect(await decideAnew(2)).toBe(2);
      await nothingTwice(2);
    },
    testTimeoutMs,
  );
});
