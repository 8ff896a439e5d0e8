/**
 * The whole tiering loop by custom resources: every service in a process of its own with the rights of its own account, a real API server,
 * real brokers, and a Mayastor with real bytes. Leader and API server are killed in the middle of a move. The tests follow one another.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Bus, connectBus } from '@couchestor/shared/bus/connect';
import { listMoves, type MoveView } from '@couchestor/shared/contracts/migrator';
import { erasureCodingPolicies, storagePolicies } from '@couchestor/shared/crds/resources';
import { KubeApi } from '@couchestor/shared/kubernetes/api';
import { KubeError } from '@couchestor/shared/kubernetes/errors';
import { events, type KubernetesEvent, leases } from '@couchestor/shared/kubernetes/objects';
import { serviceAccounts, systemNamespace } from '@couchestor/shared/kubernetes/permissions';
import { MayastorClient } from '@couchestor/shared/mayastor/client';
import { nodeCordonLabels, poolCordonedForReplicas, poolLabels, volumeReplicas } from '@couchestor/shared/mayastor/read';
import { gateMarkKey, isVolumeMarkKey } from '@couchestor/shared/placement/marks';
import { freePort } from '@couchestor/shared/servers/free-port';
import type { StoragePolicyStatus } from '@couchestor/shared/storage-policy';
import { type KubeApiServer, startKubeApiServer } from '@couchestor/shared/testing/kube/api-server';
import {
  createBoundVolume,
  createDiskPool,
  createFrom,
  createNamespace,
  createStorageClass,
  installDiskPools,
} from '@couchestor/shared/testing/kube/cluster-objects';
import { installCrds } from '@couchestor/shared/testing/kube/install-crds';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { startTestNats, startTestPrometheus, startTestRedis, type TestServer } from '@couchestor/shared/testing/servers';
import { type ServiceProcess, startServiceProcess } from '@couchestor/shared/testing/service-process';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { couchestor } from './couchestor.ts';

interface Scenario {
  readonly pools: readonly { readonly id: string; readonly node: string; readonly labels: Readonly<Record<string, string>> }[];
  readonly volumes: readonly { readonly name: string; readonly uuid: string }[];
}

const scenarioFile = fileURLToPath(new URL('fixtures/kubernetes.yaml', import.meta.url));
const scenario = parse(readFileSync(scenarioFile, 'utf8')) as Scenario;
const setUpTimeoutMs = 180_000;
const moveTimeoutMs = 90_000;
const testTimeoutMs = 180_000;
/** From the kill of a leader to the next one: its lease of 15 seconds, and a moment. */
const handOverMs = 20_000;

const { pools, volumes } = scenario;
const claims = { namespace: 'shop' };
const tierLabel = 'storage-tier';
const tieredClass = 'mayastor';

let folder: string;
let servers: TestServer[] = [];
let kube: KubeApiServer;
let admin: KubeApi;
let mayastor: MayastorClient;
let bus: Bus;
let simulatorUrl: string;
let simulator: ServiceProcess;
let watcher: ServiceProcess;
let brains: ServiceProcess[] = [];
let migrator: ServiceProcess;
/** Of `couchestor doctor` and `couchestor uninstall`. */
let places: string[];
let forbiddenAtStart: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'couchestor-e2e-'));
  const address = async (): Promise<string> => `127.0.0.1:${await freePort()}`;
  const [rest, exporter, adminPort] = [await address(), await address(), await address()];
  simulatorUrl = `http://${adminPort}`;
  const ports = ['--listen', rest, '--exporter-addr', exporter, '--admin-addr', adminPort];
  const simulated = startService('mayastor-simulator', ['--data-dir', folder, '--scenario', scenarioFile, ...ports]).then((started) => {
    simulator = started;
  });
  const [nats, redis, prometheus] = await Promise.all([
    startTestNats(),
    startTestRedis(),
    startTestPrometheus({ targets: [{ job: 'mayastor', address: exporter }], scrapeIntervalMs: 1_000 }),
    startKubeApiServer({ own: true }).then(async (started) => {
      kube = started;
      admin = KubeApi.load({ kubeconfig: kube.kubeconfig });
      await furnish();
    }),
    simulated,
  ]);
  servers = [nats, redis, prometheus];
  const mayastorUrl = `http://${rest}`;
  mayastor = new MayastorClient({ url: mayastorUrl, requestTimeoutMs: 5_000 });
  bus = await connectBus({ url: nats.url, name: 'cli', logger: quietLogger() });

  const common = ['--nats-url', nats.url, '--mayastor-url', mayastorUrl];
  const withAccount = async (name: string): Promise<string[]> => {
    const kubeconfig = await kube.kubeconfigFor({ namespace: systemNamespace, name });
    return [...common, '--coordination', 'kubernetes', '--kubeconfig', kubeconfig];
  };
  places = [...common, '--coordination', 'kubernetes', '--kubeconfig', kube.kubeconfig, '--data-dir', join(folder, 'none'), '--json'];
  places.push('--timeout', '15s');
  const brain = [...(await withAccount('policy-brain')), '--policy-source', 'kubernetes'];
  const measuring = ['--prometheus-url', prometheus.url, '--sample-interval', '2s', '--rate-interval', '5s', '--scrape-interval', '1s'];
  const moving = ['--redis-url', redis.url, '--sync-poll-interval-seconds', '0.5', '--synced-hold-seconds', '1'];
  const quick = [
    '--mayastor-timeout-seconds',
    '2',
    '--gate-lease-seconds',
    '5',
    '--job-lock-seconds',
    '3',
    '--sweep-interval-seconds',
    '2',
  ];
  [watcher, migrator, ...brains] = await Promise.all([
    startService('metrics-watcher', [...common, ...measuring]),
    startService('migrator', [...(await withAccount('migrator')), ...moving, ...quick, '--simulator']),
    startService('policy-brain', brain),
    startService('policy-brain', brain),
  ]);
}, setUpTimeoutMs);

afterAll(async () => {
  await Promise.all([watcher, migrator, ...brains, simulator].map((process) => process?.end('SIGTERM')));
  await Promise.all([bus?.close(), mayastor?.close(), admin?.close()]);
  await Promise.all([kube?.stop(), ...servers.map((server) => server.stop())]);
  await rm(folder, { recursive: true, force: true });
}, setUpTimeoutMs);

/** All that is there before CoucheStor. */
async function furnish(): Promise<void> {
  const root = new URL('../../', import.meta.url);
  await Promise.all([
    createNamespace(admin, systemNamespace),
    createNamespace(admin, claims.namespace),
    createNamespace(admin, 'mayastor'),
  ]);
  for (const { name } of serviceAccounts) {
    await createFrom(admin, new URL(`deploy/base/${name}/rbac.yaml`, root));
  }
  await Promise.all([installCrds(admin), installDiskPools(admin)]);
  await Promise.all([tieredClass, 'untiered'].map((name) => createStorageClass(admin, name)));
  for (const { name, uuid } of volumes) {
    const storageClassName = name === 'scratch' ? 'untiered' : tieredClass;
    await createBoundVolume(admin, { uuid, storageClassName, claim: { ...claims, name } });
  }
  for (const { id, node } of pools) {
    await createDiskPool(admin, { namespace: 'mayastor', id, node, labels: { [tierLabel]: id.split('-')[0] ?? '' } });
  }
}

function startService(name: 'mayastor-simulator' | 'metrics-watcher' | 'policy-brain' | 'migrator', flags: readonly string[]) {
  return startServiceProcess(new URL(`../../services/${name}/src/main.ts`, import.meta.url), flags);
}

const uuidOf = (name: string): string => volumes.find((volume) => volume.name === name)?.uuid ?? '';

async function createPolicy(name: string, spec: object = {}): Promise<void> {
  const tiers = { hotPoolSelector: { matchLabels: { [tierLabel]: 'hot' } }, coldPoolSelector: { matchLabels: { [tierLabel]: 'cold' } } };
  const rule = { highWatermarkIOPS: 200, warmWatermarkIOPS: 0, lowWatermarkIOPS: 50, samplingWindow: '8s', cooldownPeriod: '3s' };
  await admin.create(storagePolicies, { metadata: { name }, spec: { storageClassName: tieredClass, ...rule, ...tiers, ...spec } });
}

const patchPolicy = (spec: object) => admin.mergePatch(storagePolicies, { name: 'tiering' }, { spec });

async function statusOf(name: string): Promise<StoragePolicyStatus> {
  return (await admin.get(storagePolicies, { name }))?.status ?? {};
}

async function untilStatus(name: string, holds: (status: StoragePolicyStatus) => boolean, what: string): Promise<StoragePolicyStatus> {
  let seen: StoragePolicyStatus = {};
  await waitUntil(
    async () => {
      seen = await statusOf(name);
      return holds(seen);
    },
    { timeoutMs: moveTimeoutMs, intervalMs: 200, what: `${what} in the status of ${name}` },
  );
  return seen;
}

const conditionOf = ({ conditions = [] }: StoragePolicyStatus, type: string) => conditions.find((condition) => condition.type === type);

async function untilEcPhase(name: string, phase: string) {
  const seen = async () => (await admin.get(erasureCodingPolicies, { name }))?.status;
  await waitUntil(async () => (await seen())?.phase === phase, { timeoutMs: 30_000, intervalMs: 100, what: `${name} to be ${phase}` });
  return await seen();
}

async function poolsOf(name: string): Promise<string[]> {
  const volume = await mayastor.getVolume(uuidOf(name));
  return volume === undefined
    ? []
    : volumeReplicas(volume)
        .map(({ pool }) => pool ?? '')
        .sort();
}

async function eventsOn(kind: string, name: string, namespace: string): Promise<KubernetesEvent[]> {
  const { items } = await admin.list(events, { namespace });
  return items.filter(({ involvedObject }) => involvedObject.kind === kind && involvedObject.name === name);
}

const moves = () => bus.call(listMoves, { finishedLimit: 100 }, { timeoutMs: 5_000 });

async function openMoveOf(name: string): Promise<MoveView | undefined> {
  return (await moves()).open.find(({ volumeId }) => volumeId === uuidOf(name));
}

async function untilOpenMove(name: string, holds: (move: MoveView) => boolean, what: string): Promise<MoveView> {
  let seen: MoveView | undefined;
  await waitUntil(
    async () => {
      seen = await openMoveOf(name);
      return seen !== undefined && holds(seen);
    },
    { timeoutMs: moveTimeoutMs, intervalMs: 100, what: `the move of ${name} ${what}` },
  );
  return seen as MoveView;
}

const leads = async (brain: ServiceProcess): Promise<boolean> => /^couchestor_brain_leader 1$/m.test(await brain.metrics());

async function isUpToDate(brain: ServiceProcess): Promise<boolean> {
  const kinds = (await brain.metrics()).match(/^couchestor_kubernetes_up_to_date{.*/gm) ?? [];
  return kinds.length >= 5 && kinds.every((line) => line.endsWith(' 1'));
}

async function theLeader(): Promise<ServiceProcess> {
  let leader: ServiceProcess | undefined;
  await waitUntil(
    async () => {
      const found = await Promise.all(brains.map(async (brain) => ({ brain, is: await leads(brain) })));
      leader = found.find(({ is }) => is)?.brain;
      return leader !== undefined;
    },
    { timeoutMs: 60_000, intervalMs: 200, what: 'a brain to lead' },
  );
  return leader as ServiceProcess;
}

async function verify(): Promise<{ bytesVerified: number }> {
  const answer = await fetch(`${simulatorUrl}/verify`, { method: 'POST' });
  const found = (await answer.json()) as { bytesVerified: number };
  expect(found).toMatchObject({ corrupt: 0, corruptReads: 0, underReplicatedMs: 0 });
  return found;
}

/** Lines of their logs, and answers that they have counted. */
async function forbiddenOf(...processes: readonly ServiceProcess[]): Promise<string[]> {
  const found = processes.map(async (process) => [
    ...(process.output().match(/.*forbidden.*/gi) ?? []),
    ...((await process.metrics()).match(/^couchestor_kubernetes_requests_total{.*status="40[13]".*/gm) ?? []),
  ]);
  return (await Promise.all(found)).flat();
}

it(
  'a StoragePolicy makes its volumes move, and tells what became of them',
  async () => {
    await admin.create(erasureCodingPolicies, { metadata: { name: 'wide' }, spec: { dataShards: 8, parityShards: 2 } });
    await admin.create(erasureCodingPolicies, { metadata: { name: 'spare' }, spec: {} });
    await createPolicy('mistaken', {
      storageClassName: 'untiered',
      volumeSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: [] }] },
    });
    expect(await poolsOf('cart')).toEqual(['cold-3']);
    await createPolicy('tiering', { ecPolicyRef: 'wide' });

    const before = await untilStatus('tiering', ({ phase, watchedVolumes }) => phase === 'Active' && watchedVolumes === 2, 'two volumes');
    expect(before).toMatchObject({ observedGeneration: 1, totalMigrations: 0, coldVolumes: 2 });
    const after = await untilStatus('tiering', ({ totalMigrations, hotVolumes }) => totalMigrations === 1 && hotVolumes === 1, 'the move');
    expect((await poolsOf('cart'))[0]).toMatch(/^hot-/);
    expect(await poolsOf('orders')).toEqual(['cold-3', 'cold-4']);
    expect(await poolsOf('scratch')).toEqual(['cold-4']);
    expect(after).toMatchObject({ watchedVolumes: 2, coldVolumes: 1, failedMigrations: 0 });
    expect(after.migrationHistory).toMatchObject([
      { volumeName: `pvc-${uuidOf('cart')}`, fromTier: 'cold', toTier: 'hot', success: true, duration: expect.stringMatching(/s$|m$/) },
    ]);
    // Above the watermark, and not the IOPS of one moment.
    expect(after.migrationHistory?.[0]?.triggerIOPS).toBeGreaterThanOrEqual(200);
    expect(after.migrationHistory?.[0]?.triggerIOPS).toBeLessThan(600);
    expect(conditionOf(after, 'Ready')).toMatchObject({ status: 'True', reason: 'Deciding', observedGeneration: 1 });
    expect(conditionOf(after, 'MayastorUnavailable')).toMatchObject({ status: 'False' });
    expect(conditionOf(after, 'EcNotSupported')).toMatchObject({ status: 'True' });

    const told = ['MigrationStarted', 'MigrationSucceeded'];
    for (const [kind, name, namespace] of [
      ['StoragePolicy', 'tiering', 'default'],
      ['PersistentVolumeClaim', 'cart', claims.namespace],
    ] as const) {
      const reasons = async () => (await eventsOn(kind, name, namespace)).map(({ reason }) => reason).sort();
      await waitUntil(async () => (await reasons()).length >= 2, { timeoutMs: 30_000, what: `Events on ${kind}` });
      expect(await reasons()).toEqual(told);
    }
    expect((await verify()).bytesVerified).toBeGreaterThan(1024 * 1024);
  },
  testTimeoutMs,
);

it('an ErasureCodingPolicy says whether it is in use, and what is wrong with it', async () => {
  expect(await untilEcPhase('wide', 'Active')).toMatchObject({ activeVolumes: 2, storageEfficiency: 0.8, acceptedSpec: { dataShards: 8 } });
  expect(await untilEcPhase('spare', 'Ready')).toMatchObject({ activeVolumes: 0, acceptedSpec: { dataShards: 4, parityShards: 2 } });
  const change = admin.mergePatch(erasureCodingPolicies, { name: 'spare' }, { spec: { dataShards: 6 } });
  const refusal = await change.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (refusal !== undefined) {
    // A server with CEL does not let it through.
    expect(KubeError.is(refusal, 'INVALID')).toBe(true);
    expect(String(refusal)).toContain('cannot be changed');
    return;
  }
  const invalid = await untilEcPhase('spare', 'Invalid');
  expect(invalid).toMatchObject({
    message: expect.stringContaining('spec.dataShards: cannot be changed'),
    acceptedSpec: { dataShards: 4 },
  });
  expect(invalid?.conditions).toContainEqual(expect.objectContaining({ type: 'Ready', status: 'False', reason: 'Invalid' }));
});

it('a policy that is not valid says which field, decides nothing, and decides once it is corrected', async () => {
  const wrong = await untilStatus('mistaken', ({ phase }) => phase === 'Error', 'phase Error');
  expect(conditionOf(wrong, 'Ready')).toMatchObject({
    status: 'False',
    reason: 'Invalid',
    message: expect.stringContaining('spec.volumeSelector.matchExpressions.0: In and NotIn need values'),
  });
  // Watches nothing either: a volume that moved would be under way for the rest of the tests.
  const volumeSelector = { matchExpressions: [{ key: 'app', operator: 'Exists', values: null }] };
  await admin.mergePatch(storagePolicies, { name: 'mistaken' }, { spec: { volumeSelector } });
  const right = await untilStatus('mistaken', ({ phase, observedGeneration }) => phase === 'Active' && observedGeneration === 2, 'Active');
  expect(right).toMatchObject({ watchedVolumes: 0 });
});

it(
  'a move that an edited policy began ends well, though the leading brain and then the API server are killed in its middle',
  async () => {
    await patchPolicy({ highWatermarkIOPS: 60 });
    const { moveId } = await untilOpenMove('orders', ({ step }) => step === 'wait-sync', 'waits for its first replica');
    expect(await statusOf('tiering')).toMatchObject({ totalMigrations: 1 });

    const leader = await theLeader();
    expect(await forbiddenOf(watcher, migrator, ...brains)).toEqual([]);
    const heir = brains.find((brain) => brain !== leader) as ServiceProcess;
    expect(await leads(heir)).toBe(false);
    expect((await openMoveOf('orders'))?.moveId).toBe(moveId);
    await leader.end('SIGKILL');
    await waitUntil(() => leads(heir), { timeoutMs: handOverMs, intervalMs: 100, what: 'the other brain to lead' });
    const lease = await admin.get(leases, { namespace: systemNamespace, name: 'couchestor-brain' });
    expect(lease?.spec?.holderIdentity).toContain(String(heir.pid));
    brains = [heir];

    const second = await untilOpenMove('orders', ({ step, replicasMoved }) => step === 'wait-sync' && replicasMoved === 1, 'goes on');
    expect(second.moveId).toBe(moveId);
    await kube.kill();
    expect((await openMoveOf('orders'))?.moveId).toBe(moveId);
    await kube.start();
    await waitUntil(() => isUpToDate(heir), { timeoutMs: 60_000, intervalMs: 200, what: 'all kinds of objects to be watched again' });
    // An API server that starts answers 403 to anybody until it has read its roles.
    forbiddenAtStart = await forbiddenOf(migrator, heir);

    const after = await untilStatus('tiering', ({ totalMigrations, hotVolumes }) => totalMigrations === 2 && hotVolumes === 2, 'the move');
    expect(await poolsOf('orders')).toEqual(['hot-1', 'hot-2']);
    expect((await moves()).finished.find((move) => move.moveId === moveId)?.result).toMatchObject({ outcome: 'success', replicasMoved: 2 });
    expect(after).toMatchObject({ phase: 'Active', observedGeneration: 2, failedMigrations: 0, coldVolumes: 0 });
    // Newest first; what the dead leader wrote is still there.
    expect(after.migrationHistory?.map(({ volumeName }) => volumeName)).toEqual([`pvc-${uuidOf('orders')}`, `pvc-${uuidOf('cart')}`]);
    expect(after.migrationHistory?.[0]?.triggerIOPS).toBeLessThan(200);
    const succeeded = async () => (await eventsOn('PersistentVolumeClaim', 'orders', claims.namespace)).map(({ reason }) => reason);
    await waitUntil(async () => (await succeeded()).includes('MigrationSucceeded'), { timeoutMs: 30_000, what: 'the Event on the claim' });
    expect((await verify()).bytesVerified).toBeGreaterThan(1024 * 1024);
  },
  testTimeoutMs,
);

it('no service has asked Kubernetes for anything that its account may not, and the doctor finds all as it should be', async () => {
  expect(await forbiddenOf(watcher)).toEqual([]);
  expect(await forbiddenOf(migrator, ...brains)).toEqual(forbiddenAtStart);
  for (const brain of brains) {
    expect(await brain.metrics()).toMatch(/^couchestor_kubernetes_requests_total{.*status="20[01]"/m);
  }
  expect(await admin.get(leases, { namespace: systemNamespace, name: 'couchestor-gate' })).toBeDefined();
  const { code, stdout, stderr } = await couchestor(['doctor', ...places]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { checks, clean } = JSON.parse(stdout) as { checks: { id: string; verdict: string; finding: string }[]; clean: boolean };
  const verdicts = Object.fromEntries(checks.map(({ id, verdict }) => [id, verdict]));
  expect(clean).toBe(true);
  expect(verdicts).toMatchObject({ crds: 'ok', rights: 'ok', 'pinned-classes': 'ok', 'pools-in-tiers': 'ok', 'gate-labels': 'ok' });
  expect(checks.find(({ id }) => id === 'rights')?.finding).toContain('policy-brain has its');
}, 60_000);

it(
  'uninstalling cancels what is under way, deletes what it was told to, and leaves nothing in Mayastor',
  async () => {
    // All is idle by this, and on its way back to the cold tier.
    await patchPolicy({ highWatermarkIOPS: 2_000, lowWatermarkIOPS: 1_000 });
    await untilOpenMove('orders', ({ step }) => step === 'wait-sync', 'waits for a replica');
    const { code, stdout, stderr } = await couchestor(['uninstall', ...places, '--force', '--delete-policies', '--delete-crds']);
    expect(code, `${stdout}\n${stderr}`).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ clean: true, openMoves: [], finalizers: 0 });
    const [allPools, allNodes] = await Promise.all([mayastor.listPools(), mayastor.listNodes()]);
    const ours = allPools.flatMap((pool) => Object.keys(poolLabels(pool)).filter((key) => key === gateMarkKey || isVolumeMarkKey(key)));
    expect(ours).toEqual([]);
    expect(allPools.filter(poolCordonedForReplicas)).toEqual([]);
    expect(allNodes.flatMap(nodeCordonLabels)).toEqual([]);
    expect(Object.fromEntries(allPools.map((pool) => [pool.id, poolLabels(pool)[tierLabel]]))).toEqual(
      Object.fromEntries(pools.map(({ id, labels }) => [id, labels[tierLabel]])),
    );
    expect((await poolsOf('orders')).length).toBe(2);
    await expect(admin.list(storagePolicies)).rejects.toThrow(/KUBE_NOT_FOUND/);
    await verify();
  },
  testTimeoutMs,
);
