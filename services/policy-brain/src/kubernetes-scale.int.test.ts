/** A hundred policies and two thousand volumes: how often the API server is asked, and how often a status is written. */
import { type Bus, connectBus } from '@couchestor/shared/bus/connect';
import { volumeSampled } from '@couchestor/shared/contracts/volume-sampled';
import { storagePolicies } from '@couchestor/shared/crds/resources';
import { persistentVolumes } from '@couchestor/shared/kubernetes/objects';
import { type KubeApiServer, startKubeApiServer } from '@couchestor/shared/testing/kube/api-server';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { startTestNats, type TestServer } from '@couchestor/shared/testing/servers';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type FakeMayastor, startFakeMayastor } from './testing/fake-mayastor.ts';
import { measured, volumeId, volumeOf } from './testing/fixtures.ts';
import { KubeWorld } from './testing/kube-world.ts';
import { type RunningBrain, startBrain } from './testing/start-brain.ts';

const policyCount = 100;
const volumeCount = 2_000;
const quietRounds = 12;
const setUpMs = 300_000;

let server: KubeApiServer;
let world: KubeWorld;
let nats: TestServer;
let mayastor: FakeMayastor;
let others: Bus;
let brain: RunningBrain | undefined;
let round = 0;

const ids = Array.from({ length: volumeCount }, (_, index) => volumeId(0x100000 + index));
const classOf = (index: number) => `class-${index % policyCount}`;

beforeAll(async () => {
  server = await startKubeApiServer();
  world = new KubeWorld(server.kubeconfig);
  await world.installCrds();
  nats = await startTestNats();
  mayastor = await startFakeMayastor();
  mayastor.volumes.push(...ids.map((id) => volumeOf({ id })));
  others = await connectBus({ url: nats.url, name: 'cli', logger: quietLogger() });
  await inParallel(ids, (id, index) => createVolume(id, classOf(index)));
  await inParallel(
    Array.from({ length: policyCount }, (_, index) => index),
    (index) => world.createPolicy(`policy-${index}`, { storageClassName: classOf(index) }),
  );
}, setUpMs);

afterAll(async () => {
  await brain?.stop();
  await others.close();
  await mayastor.stop();
  await nats.stop();
  await world.api.close();
  await server.stop();
});

async function createVolume(volumeHandle: string, storageClassName: string): Promise<void> {
  const csi = { driver: 'io.openebs.csi-mayastor', volumeHandle };
  const spec = { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], storageClassName, csi };
  await world.api.create(persistentVolumes, { metadata: { name: `pvc-${volumeHandle}` }, spec });
}

async function inParallel<T>(items: readonly T[], work: (item: T, index: number) => Promise<void>): Promise<void> {
  const rest = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of rest) {
      await work(item, index);
    }
  };
  await Promise.all(Array.from({ length: 10 }, worker));
}

/** One round of the watcher, and of the brain by it. */
async function decideOnce(): Promise<void> {
  const before = await decided();
  round += 1;
  const samples = ids.map((id) => measured(100, { id }));
  const observedAt = new Date(round).toISOString();
  await others.publish(volumeSampled, { windowSeconds: 60, round, roundIntervalMs: 60_000, observedAt, batch: 0, batches: 1, samples });
  await waitUntil(async () => (await decided()) > before, { what: 'a round' });
}

async function metricValue(metric: string, labels: Record<string, string> = {}): Promise<number> {
  const found = await brain?.registry.getSingleMetric(metric)?.get();
  return (found?.values ?? [])
    .filter((value) => Object.entries(labels).every(([name, wanted]) => String(value.labels[name]) === wanted))
    .reduce((sum, { value }) => sum + value, 0);
}

const decided = () => metricValue('couchestor_reconcile_total', { result: 'decided' });
const patches = () => metricValue('couchestor_kubernetes_requests_total', { verb: 'patch' });
const requests = () => metricValue('couchestor_kubernetes_requests_total');

async function settled(): Promise<boolean> {
  const { items } = await world.api.list(storagePolicies);
  return items.every(
    ({ status }) => status?.phase === 'Active' && status.watchedVolumes === volumeCount / policyCount && status.coldVolumes === 20,
  );
}

it(
  'asks for each kind once, writes each status a few times, and then nothing at all while nothing changes',
  async () => {
    const flags = ['--policy-source', 'kubernetes', '--kubeconfig', server.kubeconfig];
    brain = await startBrain({ natsUrl: nats.url, mayastorUrl: mayastor.url, policyDir: '/nonexistent', flags });
    await waitUntil(async () => (await decided()) > 0, { what: 'the first round', timeoutMs: 60_000 });
    await decideOnce();
    await waitUntil(settled, { what: 'every status', timeoutMs: 60_000, intervalMs: 500 });
    // What is on its way is written before the next round is over.
    await decideOnce();
    const ready = async () => {
      const { items } = await world.api.list(storagePolicies);
      return items.every(({ status }) => status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'));
    };
    await waitUntil(ready, { what: 'every policy to be Ready', timeoutMs: 60_000, intervalMs: 500 });

    const settledAfter = { requests: await requests(), patches: await patches(), rounds: await decided() };
    expect(settledAfter.patches).toBeGreaterThanOrEqual(policyCount);
    // The first round without samples, the first with them, and what changed between.
    expect(settledAfter.patches).toBeLessThanOrEqual(4 * policyCount);
    // Lists by pages, watches and the version of DiskPools: nothing is asked for each volume or policy.
    expect(settledAfter.requests - settledAfter.patches).toBeLessThan(30);
    // Our own patches come back as changes of policies, and start no round.
    expect(settledAfter.rounds).toBeLessThan(12);

    for (let n = 0; n < quietRounds; n += 1) {
      await decideOnce();
    }
    expect(await patches()).toBe(settledAfter.patches);
    expect((await requests()) - settledAfter.requests).toBeLessThan(5);
    expect((await decided()) - settledAfter.rounds).toBeLessThan(2 * quietRounds);
  },
  setUpMs,
);
