import { storagePolicies } from '@couchestor/shared/crds/resources';
import { type KubeApiServer, startKubeApiServer } from '@couchestor/shared/testing/kube/api-server';
import { createBoundVolume, createDiskPool, createNamespace } from '@couchestor/shared/testing/kube/cluster-objects';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { poolOf, volumeId, volumeOf } from '../../testing/fixtures.ts';
import { KubeWorld } from '../../testing/kube-world.ts';
import type { PolicySet } from '../policy-source.ts';
import { KubernetesSource } from './kubernetes-source.ts';

let server: KubeApiServer;
let world: KubeWorld;
let source: KubernetesSource;
let sets: PolicySet[];

beforeAll(async () => {
  // Own: it is killed and stopped.
  server = await startKubeApiServer({ own: true });
  world = new KubeWorld(server.kubeconfig);
  await world.installCrds();
  await createNamespace(world.api, 'shop');
  await createNamespace(world.api, 'openebs');
}, 120_000);

afterAll(async () => {
  await world.api.close();
  await server.stop();
});

afterEach(async () => {
  await source.close();
});

async function open(o: { graceMs?: number } = {}): Promise<void> {
  source = new KubernetesSource({
    config: { kubeconfig: server.kubeconfig, mayastorNamespace: 'openebs' },
    env: {},
    logger: quietLogger(),
    registry: new Registry(),
    timings: { graceMs: o.graceMs ?? 2_000, lookIntervalMs: 50, diskPoolsIntervalMs: 500, reflector: { longestMs: 1_000 } },
  });
  sets = [];
  source.policies.onChange((set) => sets.push(set));
  await source.open();
}

const namesNow = () => sets.at(-1)?.policies.map(({ policy }) => policy.name) ?? [];
const readable = () => waitUntil(() => source.cache.problem === undefined, { what: 'everything to be read', timeoutMs: 60_000 });

describe('policies in a real API server', () => {
  it('reach the brain when they are made, changed and deleted, and not when only their status changes', async () => {
    await open();
    expect(source.cache.problem).toBeDefined();
    await readable();
    // Also that there are none is told.
    expect(sets).toEqual([{ policies: [], ecPolicies: [], problems: [] }]);

    await world.createPolicy('gold', { highWatermarkIOPS: 9_000 });
    await waitUntil(() => namesNow().includes('gold'), { what: 'the new policy' });
    const made = sets.at(-1)?.policies[0]?.policy;
    expect(made).toMatchObject({ generation: 1, spec: { highWatermarkIOPS: 9_000, lowWatermarkIOPS: 500 } });

    const told = sets.length;
    await world.api.mergePatch(storagePolicies, { name: 'gold', subresource: 'status' }, { status: { phase: 'Active' } });
    await world.api.mergePatch(storagePolicies, { name: 'gold' }, { metadata: { labels: { seen: 'yes' } } });
    await waitUntil(() => source.cache.storagePolicies.store.get('gold')?.metadata.labels?.['seen'] === 'yes', { what: 'the label' });
    expect(sets).toHaveLength(told);

    await world.patchPolicy('gold', { enabled: false });
    await waitUntil(() => sets.at(-1)?.policies[0]?.policy.generation === 2, { what: 'the change' });
    expect(sets.at(-1)?.policies[0]?.policy).toMatchObject({ uid: made?.uid, spec: { enabled: false } });

    await world.api.remove(storagePolicies, { name: 'gold' });
    await waitUntil(() => namesNow().length === 0, { what: 'the deletion' });
  });

  it('that are wrong are problems and take nothing else down', async () => {
    await open();
    await world.createPolicy('good');
    await world.createPolicy('bad', { highWatermarkIOPS: 100, lowWatermarkIOPS: 200, warmWatermarkIOPS: 0 });
    await waitUntil(() => sets.at(-1)?.problems.length === 1 && namesNow().includes('good'), { what: 'the problem' });
    expect(sets.at(-1)?.problems[0]).toMatchObject({ name: 'bad', object: { generation: 1 } });
    expect(sets.at(-1)?.problems[0]?.message).toMatch(/must be above lowWatermarkIOPS \(100 is not above 200\)/);
    await world.patchPolicy('bad', { highWatermarkIOPS: 300 });
    await waitUntil(() => sets.at(-1)?.problems.length === 0 && namesNow().includes('bad'), { what: 'the cure' });
  });
});

describe('volumes and pools in a real API server', () => {
  it('have class, labels and names, and follow changes', async () => {
    await open();
    await readable();
    const id = volumeId(1);
    await createBoundVolume(world.api, {
      uuid: id,
      storageClassName: 'mayastor',
      claim: { namespace: 'shop', name: 'orders', labels: { app: 'shop' } },
      labels: { team: 'a' },
    });
    const entry = () => source.catalog.entryOf(volumeOf({ id }));
    await waitUntil(() => entry().name === 'shop/orders' && entry().problem === undefined, { what: 'the volume' });
    expect(entry()).toMatchObject({ storageClass: 'mayastor', labels: { app: 'shop', team: 'a' } });

    await createDiskPool(world.api, { namespace: 'openebs', id: 'hot-1', node: 'node-1', labels: { rack: 'r1', 'storage-tier': 'cold' } });
    const labels = () => {
      source.catalog.prepare();
      return source.catalog.poolLabelsOf(poolOf('hot', 1));
    };
    await waitUntil(() => labels()['rack'] === 'r1', { what: 'the label of the pool' });
    expect(labels()['storage-tier']).toBe('hot');
  });
});

describe('an API server that goes away', () => {
  it('leaves what was read last in force for the grace, then nothing, until it is back', async () => {
    await open({ graceMs: 1_500 });
    await readable();
    const changes: (string | undefined)[] = [];
    source.cache.onReadable(() => changes.push(source.cache.problem));
    await server.kill();
    await waitUntil(() => source.cache.storagePolicies.problem !== undefined, { what: 'the reflector to notice' });
    expect(source.cache.problem).toBeUndefined();
    expect(source.catalog.entryOf(volumeOf({ id: volumeId(1) })).name).toBe('shop/orders');
    await waitUntil(() => source.cache.problem !== undefined, { what: 'the end of the grace' });
    expect(() => source.cache.assertReadable()).toThrow(/BRAIN_KUBERNETES_UNREADABLE.*cannot be followed any more/);
    await server.start();
    await readable();
    expect(changes.map((problem) => problem === undefined)).toEqual([false, true]);
  }, 120_000);

  it('is not there at the start: nothing may be decided, and the brain waits without failing', async () => {
    await server.kill();
    await open();
    await waitUntil(() => /have not been read yet/.test(source.cache.problem ?? ''), { what: 'the problem' });
    expect(sets).toEqual([]);
    await server.start();
    await readable();
    expect(namesNow()).toEqual(['bad', 'good']);
  }, 120_000);
});
