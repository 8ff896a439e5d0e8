/** The brain as its process runs it, with its policies in a real API server. */

import { type Bus, connectBus, type Received } from '@couchestor/shared/bus/connect';
import { listPolicies } from '@couchestor/shared/contracts/brain';
import {
  type MoveOutcome,
  type MoveRequest,
  migrationAdvanced,
  migrationFinished,
  migrationRequested,
} from '@couchestor/shared/contracts/migration';
import { type VaultRecord, vaultsBucket } from '@couchestor/shared/contracts/vault-events';
import { type VolumeSample, volumeSampled } from '@couchestor/shared/contracts/volume-sampled';
import { erasureCodingPolicies, storagePolicies } from '@couchestor/shared/crds/resources';
import { type KubeApiServer, startKubeApiServer } from '@couchestor/shared/testing/kube/api-server';
import { createBoundVolume, createNamespace } from '@couchestor/shared/testing/kube/cluster-objects';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { startTestNats, type TestServer } from '@couchestor/shared/testing/servers';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type FakeMayastor, startFakeMayastor } from './testing/fake-mayastor.ts';
import { finishedMove, measured, volumeId, volumeOf } from './testing/fixtures.ts';
import { KubeWorld } from './testing/kube-world.ts';
import { type RunningBrain, startBrain } from './testing/start-brain.ts';

let server: KubeApiServer;
/** Of the brain: with its own account and no further rights. */
let kubeconfig: string;
let world: KubeWorld;
let nats: TestServer;
let mayastor: FakeMayastor;
let others: Bus;
let requests: Received<MoveRequest>[];
let brain: RunningBrain;
let round = 0;
let volumes = 0;

beforeAll(async () => {
  server = await startKubeApiServer();
  world = new KubeWorld(server.kubeconfig);
  await world.installCrds();
  await createNamespace(world.api, 'shop');
  kubeconfig = await server.kubeconfigFor(await world.applyRbac());
}, 120_000);

afterAll(async () => {
  await world.api.close();
  await server.stop();
});

beforeEach(async () => {
  nats = await startTestNats();
  mayastor = await startFakeMayastor();
  others = await connectBus({ url: nats.url, name: 'cli', logger: quietLogger() });
  requests = [];
  await others.watchEvent(migrationRequested, (message) => requests.push(message));
});

afterEach(async () => {
  await brain.stop();
  await others.close();
  await mayastor.stop();
  await nats.stop();
  for (const resource of [storagePolicies, erasureCodingPolicies]) {
    const { items } = await world.api.list<{ metadata: { name: string } }>(resource);
    await Promise.all(items.map(({ metadata: { name } }) => world.api.remove(resource, { name })));
  }
});

async function start(): Promise<void> {
  const flags = ['--policy-source', 'kubernetes', '--kubeconfig', kubeconfig];
  brain = await startBrain({ natsUrl: nats.url, mayastorUrl: mayastor.url, policyDir: '/nonexistent', flags });
}

/** A volume in Mayastor and in Kubernetes. */
async function addVolume(labels: Record<string, string> = {}): Promise<{ id: string; claim: string }> {
  volumes += 1;
  const id = volumeId(0x1000 + volumes);
  const claim = `orders-${volumes}`;
  await createBoundVolume(world.api, { uuid: id, storageClassName: 'mayastor', claim: { namespace: 'shop', name: claim, labels } });
  mayastor.volumes.push(volumeOf({ id }));
  return { id, claim };
}

async function sample(...samples: VolumeSample[]): Promise<void> {
  round += 1;
  const observedAt = new Date(round).toISOString();
  await others.publish(volumeSampled, { windowSeconds: 60, round, roundIntervalMs: 60_000, observedAt, batch: 0, batches: 1, samples });
}

async function requested(id: string): Promise<MoveRequest> {
  const found = () => requests.find(({ payload }) => payload.volumeId === id)?.payload;
  await waitUntil(() => found() !== undefined, { what: `a request for ${id}` });
  return found() as MoveRequest;
}

function accept({ moveId, volumeId: moved }: MoveRequest): Promise<void> {
  return others.publish(migrationAdvanced, { moveId, volumeId: moved, step: 'analyze', replica: 1, replicas: 2, message: 'Accepted.' });
}

async function end(move: { moveId: string; volumeId: string }, outcome: MoveOutcome, policy: string): Promise<void> {
  const { moveId, volumeId: moved } = move;
  await others.publish(migrationFinished, { ...finishedMove(outcome, { moveId }), volumeId: moved, policy });
}

const status = (name: string, is: (found: NonNullable<Awaited<ReturnType<KubeWorld['statusOf']>>>) => boolean, what: string) =>
  waitUntil(async () => is((await world.statusOf(name)) ?? {}), { what, timeoutMs: 20_000 });

describe('a StoragePolicy in Kubernetes', () => {
  it('decides, and tells in its status and by Events what becomes of it', async () => {
    await world.createPolicy('gold', { volumeSelector: { matchLabels: { app: 'orders' } } });
    await start();
    const { id, claim } = await addVolume({ app: 'orders' });
    const other = await addVolume({ app: 'web' });
    await sample(measured(6_000, { id }), measured(6_000, { id: other.id }));
    const request = await requested(id);
    const object = await world.api.get(storagePolicies, { name: 'gold' });
    expect(request.policy).toEqual({ name: 'gold', uid: object?.metadata.uid, generation: 1 });
    expect(requests.every(({ payload }) => payload.volumeId === id)).toBe(true);

    await accept(request);
    await status('gold', ({ activeMigrations }) => activeMigrations === 0, 'the status before');
    await sample(measured(6_000, { id }));
    await status('gold', ({ activeMigrations }) => activeMigrations === 1, 'the open move');
    expect(await world.statusOf('gold')).toMatchObject({ phase: 'Active', observedGeneration: 1, watchedVolumes: 1, coldVolumes: 1 });
    expect(await world.conditionOf('gold', 'Ready')).toMatchObject({ status: 'True', reason: 'Deciding', observedGeneration: 1 });

    await end(request, 'success', 'gold');
    // Reported twice, as after a lost acknowledgement.
    await end(request, 'success', 'gold');
    await sample(measured(6_000, { id }));
    await status('gold', ({ totalMigrations }) => totalMigrations === 1, 'the count');
    const line = { volumeName: `pvc-${id}`, fromTier: 'cold', toTier: 'hot', triggerIOPS: 6_000, duration: '1.0m', success: true };
    expect(await world.statusOf('gold')).toMatchObject({ failedMigrations: 0, activeMigrations: 0, migrationHistory: [line] });

    const told = ['MigrationStarted', 'MigrationSucceeded'];
    await waitUntil(async () => (await world.eventsOn('StoragePolicy', 'gold', 'default')).length === 2, { what: 'Events on the policy' });
    expect(await world.eventsOn('StoragePolicy', 'gold', 'default')).toEqual(expect.arrayContaining(told));
    await waitUntil(async () => (await world.eventsOn('PersistentVolumeClaim', claim, 'shop')).length === 2, {
      what: 'Events on the claim',
    });
    expect(await world.eventsOn('PersistentVolumeClaim', claim, 'shop')).toEqual(expect.arrayContaining(told));

    await world.patchPolicy('gold', { enabled: false });
    await status('gold', ({ phase, observedGeneration }) => phase === 'Disabled' && observedGeneration === 2, 'the disabled policy');
    expect((await world.statusOf('gold'))?.totalMigrations).toBe(1);
  }, 60_000);

  it('that is wrong says so in its status, and decides once it is right', async () => {
    await world.createPolicy('wrong', { highWatermarkIOPS: 10, lowWatermarkIOPS: 20, warmWatermarkIOPS: 0 });
    await start();
    await status('wrong', ({ phase }) => phase === 'Error', 'phase Error');
    expect(await world.conditionOf('wrong', 'Ready')).toMatchObject({
      status: 'False',
      reason: 'Invalid',
      observedGeneration: 1,
      message: expect.stringContaining('spec.highWatermarkIOPS: must be above lowWatermarkIOPS'),
    });
    await world.patchPolicy('wrong', { highWatermarkIOPS: 30 });
    await status('wrong', ({ phase, observedGeneration }) => phase === 'Active' && observedGeneration === 2, 'phase Active');
    expect(await world.conditionOf('wrong', 'MeasurementUnavailable')).toMatchObject({ status: 'True' });
    expect(await world.conditionOf('wrong', 'PrometheusUnavailable')).toMatchObject({ status: 'Unknown' });
  });

  it('has its status while others write to it at the same time, and takes nothing from them', async () => {
    await world.createPolicy('busy');
    await start();
    const { id } = await addVolume();
    for (let n = 1; n <= 40; n += 1) {
      await world.api.mergePatch(storagePolicies, { name: 'busy' }, { metadata: { labels: { [`label-${n}`]: 'theirs' } } });
      if (n % 10 === 0) {
        await sample(measured(1_000 + n, { id }));
      }
    }
    const theirs = { type: 'Approved', status: 'True', reason: 'Theirs', lastTransitionTime: '2026-03-01T12:00:00Z' };
    const conditions = (await world.statusOf('busy'))?.conditions ?? [];
    await world.api.mergePatch(
      storagePolicies,
      { name: 'busy', subresource: 'status' },
      { status: { conditions: [...conditions, theirs] } },
    );
    await sample(measured(1_000, { id }));
    await status('busy', (found) => found.watchedVolumes === 1, 'the status');
    const object = await world.api.get(storagePolicies, { name: 'busy' });
    expect(Object.keys(object?.metadata.labels ?? {})).toHaveLength(40);
    expect(object?.status?.conditions).toContainEqual(expect.objectContaining({ type: 'Approved', reason: 'Theirs' }));
  }, 60_000);

  it('keeps its totals when NATS loses everything', async () => {
    await world.createPolicy('lasting');
    await start();
    const moves = [1, 2, 3, 4].map((n) => ({ moveId: `m${String(n).padStart(16, '0')}`, volumeId: volumeId(n) }));
    const [first, second, third, fourth] = moves as [(typeof moves)[0], (typeof moves)[0], (typeof moves)[0], (typeof moves)[0]];
    await end(first, 'success', 'lasting');
    await end(second, 'failed', 'lasting');
    await sample();
    await status('lasting', ({ totalMigrations, failedMigrations }) => totalMigrations === 2 && failedMigrations === 1, 'two moves');

    await brain.stop();
    await nats.wipe();
    await nats.restart();
    await start();
    // Without a sample, for which there would be a round: the end of a move is news by itself.
    await end(third, 'failed', 'lasting');
    await status('lasting', ({ totalMigrations, failedMigrations }) => totalMigrations === 3 && failedMigrations === 2, 'the third move');

    // And once more under a brain that runs on.
    await nats.wipe();
    await nats.restart();
    await end(fourth, 'success', 'lasting');
    await sample();
    await status('lasting', ({ totalMigrations, failedMigrations }) => totalMigrations === 4 && failedMigrations === 2, 'the fourth move');
    const history = (await world.statusOf('lasting'))?.migrationHistory ?? [];
    expect(history.map(({ success }) => success).sort()).toEqual([false, false, true, true]);
  }, 90_000);
});

describe('a policy that was made anew under its name', () => {
  it('does not get the status of the one before', async () => {
    await world.createPolicy('anew');
    const before = await world.api.get(storagePolicies, { name: 'anew' });
    await world.api.remove(storagePolicies, { name: 'anew' });
    await world.createPolicy('anew');
    const { resourceVersion } = before?.metadata ?? {};
    const patch = { metadata: { resourceVersion }, status: { totalMigrations: 99 } };
    await expect(world.api.mergePatch(storagePolicies, { name: 'anew', subresource: 'status' }, patch)).rejects.toThrow(/KUBE_CONFLICT/);
    await start();
    await status('anew', ({ phase }) => phase === 'Active', 'its own status');
    expect((await world.statusOf('anew'))?.totalMigrations).toBe(0);
  });
});

describe('an ErasureCodingPolicy in Kubernetes', () => {
  it('is checked, counted, and not changed in what stripes depend on', async () => {
    await world.createEcPolicy('wide', { dataShards: 8, parityShards: 2 });
    await world.createPolicy('archive', { ecPolicyRef: 'wide' });
    await world.createPolicy('lost', { ecPolicyRef: 'nowhere', storageClassName: 'other' });
    await start();
    await addVolume();
    await sample();
    const ec = (is: (found: NonNullable<Awaited<ReturnType<KubeWorld['ecStatusOf']>>>) => boolean, what: string) =>
      waitUntil(async () => is((await world.ecStatusOf('wide')) ?? {}), { what, timeoutMs: 20_000 });
    await ec(({ phase, activeVolumes }) => phase === 'Active' && activeVolumes === 1, 'phase Active');
    expect(await world.ecStatusOf('wide')).toMatchObject({ storageEfficiency: 0.8, acceptedSpec: { dataShards: 8, parityShards: 2 } });
    expect(await world.conditionOf('archive', 'EcPolicyInvalid')).toMatchObject({ status: 'False' });
    expect((await others.call(listPolicies, {}, { timeoutMs: 5_000 })).ecPolicies).toMatchObject([
      { name: 'wide', source: 'erasurecodingpolicy/wide', phase: 'Active', activeVolumes: 1, storageEfficiency: 0.8 },
    ]);
    // A vault tells that it keeps volumes by the policy, and then that it has lost a drive.
    const vault: VaultRecord = {
      vaultId: 'v1',
      policy: { name: 'wide', dataShards: 8, parityShards: 2, stripeSizeBytes: 1_048_576, codec: 'isal-compatible' },
      phase: 'ready',
      volumes: 3,
      stripes: { total: 10, healthy: 10, degraded: 0, rebuilding: 0, lost: 0 },
      survives: { zones: 0, nodes: 0, pools: 0, disks: 0, drives: 2, sentence: 'survives any 2 of 10 drives' },
      conditions: [],
      at: new Date().toISOString(),
    };
    const vaults = others.bucket(vaultsBucket);
    const first = await vaults.create('v1', vault);
    await ec(({ activeVolumes, totalStripes }) => activeVolumes === 4 && totalStripes === 10, 'the counts of a vault');
    const degraded = { type: 'Degraded', status: 'True', reason: 'DriveFailed', message: 'Drive 3 has failed.' } as const;
    const stripes = { total: 10, healthy: 7, degraded: 3, rebuilding: 1, lost: 0 };
    await vaults.update('v1', { ...vault, phase: 'degraded', stripes, conditions: [degraded] }, first?.revision ?? 0);
    await ec(({ degradedStripes, rebuildingStripes }) => degradedStripes === 3 && rebuildingStripes === 1, 'degraded stripes');
    const { conditions = [] } = (await world.ecStatusOf('wide')) ?? {};
    expect(conditions.find(({ type }) => type === 'Degraded')).toMatchObject({
      status: 'True',
      reason: 'DriveFailed',
      message: 'Vault v1: Drive 3 has failed.',
    });
    await status('lost', ({ phase }) => phase === 'Active', 'the status');
    expect(await world.conditionOf('lost', 'EcPolicyInvalid')).toMatchObject({ status: 'True', reason: 'NotFound' });

    // A server without CEL lets this through.
    await world.api.mergePatch(erasureCodingPolicies, { name: 'wide' }, { spec: { dataShards: 6 } });
    await ec(({ phase }) => phase === 'Invalid', 'phase Invalid');
    expect(await world.ecStatusOf('wide')).toMatchObject({
      observedGeneration: 2,
      acceptedSpec: { dataShards: 8 },
      storageEfficiency: 0.8,
    });
    const condition = async () => (await world.conditionOf('archive', 'EcPolicyInvalid'))?.status;
    await waitUntil(async () => (await condition()) === 'True', { what: 'the condition', timeoutMs: 20_000 });
    const { policies } = await others.call(listPolicies, {}, { timeoutMs: 5_000 });
    expect(policies.find(({ source }) => source === 'erasurecodingpolicy/wide')).toMatchObject({ name: 'wide', phase: 'Error' });

    await world.api.mergePatch(erasureCodingPolicies, { name: 'wide' }, { spec: { dataShards: 8, scrubbingEnabled: true } });
    await ec(({ phase }) => phase === 'Active', 'phase Active again');
    expect(await world.ecStatusOf('wide')).toMatchObject({ acceptedSpec: { dataShards: 8, scrubbingEnabled: true } });
  }, 60_000);
});
