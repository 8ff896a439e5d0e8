/** Migrators whose gate is a Lease: real NATS, Redis and API server, and the simulator of Mayastor. */

import { randomBytes } from 'node:crypto';
import { type Bus, connectBus } from '@couchestor/shared/bus/connect';
import { moveStanding } from '@couchestor/shared/contracts/brain';
import { type FinishedMove, migrationAdvanced, migrationFinished, migrationRequested } from '@couchestor/shared/contracts/migration';
import { gateLockName, lockBucket } from '@couchestor/shared/contracts/migrator';
import { KubeApi } from '@couchestor/shared/kubernetes/api';
import { leases } from '@couchestor/shared/kubernetes/objects';
import { someMoveRequest } from '@couchestor/shared/testing/facts';
import { type KubeApiServer, startKubeApiServer } from '@couchestor/shared/testing/kube/api-server';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { startTestNats, startTestRedis, type TestServer } from '@couchestor/shared/testing/servers';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ServiceProcess, type SimulatorProcess, startMigrator, startSimulator } from './testing/processes.ts';

const mebibyte = 1024 * 1024;
const volumeId = '11111111-2222-4333-8444-555555555555';
const moveId = `m${randomBytes(8).toString('hex')}`;
const testTimeoutMs = 120_000;

let kube: KubeApiServer;
let api: KubeApi;
let nats: TestServer;
let redis: TestServer;
let simulator: SimulatorProcess;
let others: Bus;
const migrators: ServiceProcess[] = [];
const ends: FinishedMove[] = [];
const steps: string[] = [];

beforeAll(async () => {
  kube = await startKubeApiServer();
  api = KubeApi.load({ kubeconfig: kube.kubeconfig });
  const scenario = {
    rebuildBytesPerSecond: 4 * mebibyte,
    cacheLagMs: 100,
    operationMs: 30,
    nodes: [{ id: 'node-1' }, { id: 'node-2' }],
    pools: ['hot', 'cold'].map((tier, index) => ({
      id: `pool-${tier}`,
      node: `node-${index + 1}`,
      capacityBytes: 1024 * mebibyte,
      labels: { 'storage-tier': tier, 'couchestor-managed': 'true' },
    })),
    volumes: [
      {
        name: 'moved',
        uuid: volumeId,
        sizeBytes: 12 * mebibyte,
        replicas: 1,
        pools: ['pool-cold'],
        thin: false,
        filledPercent: 50,
        topology: { presence: ['couchestor-managed'] },
        load: [{ forSeconds: 600, iops: 50 }],
      },
    ],
  };
  [nats, redis, simulator] = await Promise.all([startTestNats(), startTestRedis(), startSimulator(scenario)]);
  others = await connectBus({ url: nats.url, name: 'policy-brain', logger: quietLogger() });
  await others.serve(moveStanding, async () => ({ stands: true, reason: 'it stands' }));
  await others.watchEvent(migrationFinished, ({ payload }) => ends.push(payload));
  await others.watchEvent(migrationAdvanced, ({ payload }) => steps.push(payload.step));
}, testTimeoutMs);
afterAll(async () => {
  await Promise.all(migrators.map((migrator) => migrator.end('SIGKILL')));
  await others?.close();
  await api?.close();
  await Promise.all([simulator?.end('SIGKILL'), redis?.stop(), nats?.stop(), kube?.stop()]);
});

async function start(): Promise<ServiceProcess> {
  const flags = ['--coordination', 'kubernetes', '--kubeconfig', kube.kubeconfig, '--namespace', 'default'];
  const migrator = await startMigrator({ natsUrl: nats.url, redisUrl: redis.url, mayastorUrl: simulator.url, flags });
  migrators.push(migrator);
  return migrator;
}

const holder = async () => (await api.get(leases, { namespace: 'default', name: 'couchestor-gate' }))?.spec?.holderIdentity;

it(
  'a move goes on under a Lease that its dead holder has left, and gives it back',
  async () => {
    const killed = await start();
    await others.publish(migrationRequested, someMoveRequest({ moveId, volumeId }));
    await waitUntil(async () => /^migrator /.test((await holder()) ?? ''), { timeoutMs: 40_000, what: 'the Lease to be held' });
    await killed.end('SIGKILL');
    const left = await holder();
    expect(left).toMatch(/^migrator /);
    await start();
    await waitUntil(() => ends.length > 0, { timeoutMs: 60_000, what: 'the end of the move' });
    expect(ends[0]).toMatchObject({ moveId, result: { outcome: 'success', replicasMoved: 1 } });
    await waitUntil(async () => (await holder()) === '');
    expect((await api.get(leases, { namespace: 'default', name: 'couchestor-gate' }))?.spec?.leaseTransitions).toBeGreaterThan(0);
    // Nowhere else is there a lock of that name.
    expect(await others.bucket(lockBucket).get(gateLockName)).toBeUndefined();
  },
  testTimeoutMs,
);
