import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type KubeApiServer, startKubeApiServer } from '../testing/kube/api-server.ts';
import { quietLogger } from '../testing/quiet-logger.ts';
import { waitUntil } from '../testing/wait-until.ts';
import { KubeApi } from './api.ts';
import { type PersistentVolume, persistentVolumes } from './objects.ts';
import { Reflector, type ReflectorTimings } from './reflector.ts';
import type { Resource } from './resource.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.fixture.ts';

let server: KubeApiServer;
let folder: string;
/** Straight to the API server, to change things behind the reflector's back. */
let admin: KubeApi;
let proxy: TcpProxy;
let api: KubeApi;
let registry: Registry;
let told: string[];
let reflector: Reflector<PersistentVolume>;

beforeAll(async () => {
  server = await startKubeApiServer({ own: true });
  folder = mkdtempSync(join(tmpdir(), 'reflector-'));
  admin = KubeApi.load({ kubeconfig: server.kubeconfig });
}, 900_000);
afterAll(async () => {
  await admin.close();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  proxy = await startTcpProxy({ host: '127.0.0.1', port: Number(new URL(server.url).port) });
  const kubeconfig = join(folder, 'through-proxy');
  writeFileSync(kubeconfig, readFileSync(server.kubeconfig, 'utf8').replaceAll(server.url, `https://127.0.0.1:${proxy.port}`));
  registry = new Registry();
  api = KubeApi.load({ kubeconfig, registry, requestTimeoutMs: 5_000 });
  told = [];
});
afterEach(async () => {
  await reflector.stop();
  await api.close();
  await proxy.close();
});

/** Quicker than in a real cluster, so that what takes minutes there takes seconds here. */
const quick: Partial<ReflectorTimings> = { firstMs: 100, longestMs: 1_000, healthyMs: 500 };

async function follow(timings: Partial<ReflectorTimings> = {}, resource: Resource<PersistentVolume> = persistentVolumes): Promise<void> {
  reflector = new Reflector({
    api,
    resource,
    logger: quietLogger(),
    registry,
    onChange: (key) => void told.push(key),
    timings: { ...quick, ...timings },
  });
  reflector.start();
  await reflector.synced;
  await waitUntil(() => reflector.problem === undefined);
}

async function create(name: string): Promise<void> {
  await admin.create(persistentVolumes, {
    metadata: { name },
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/nowhere' }, storageClassName: 'test' },
  });
}

async function relabel(name: string, value: string): Promise<void> {
  await admin.mergePatch(persistentVolumes, { name }, { metadata: { labels: { value } } });
}

/** There is no controller that lets go of a protected volume. */
async function remove(name: string): Promise<void> {
  await admin.mergePatch(persistentVolumes, { name }, { metadata: { finalizers: null } });
  await admin.remove(persistentVolumes, { name });
}

async function inSync(): Promise<boolean> {
  const { items } = await admin.list(persistentVolumes);
  return (
    items.length === reflector.store.size &&
    items.every(({ metadata }) => reflector.store.get(metadata.name)?.metadata.resourceVersion === metadata.resourceVersion)
  );
}

async function count(metric: string, labels: Record<string, string>): Promise<number> {
  const { values } = (await registry.getSingleMetric(metric)?.get()) ?? { values: [] };
  return values
    .filter((value) => Object.entries(labels).every(([name, wanted]) => String(value.labels[name as never]) === wanted))
    .reduce((sum, value) => sum + value.value, 0);
}

const lists = (reason: string): Promise<number> => count('couchestor_kubernetes_lists_total', { reason });
const watches = (ended: string): Promise<number> => count('couchestor_kubernetes_watches_total', { ended });
const requests = (verb: string): Promise<number> => count('couchestor_kubernetes_requests_total', { verb });

describe('the reflector', () => {
  it('follows additions, changes and removals', async () => {
    await create('pv-a');
    await follow();
    await relabel('pv-a', '1');
    await create('pv-b');
    await remove('pv-a');
    await waitUntil(inSync);
    expect([...reflector.store.keys()]).toEqual(['pv-b']);
    expect(told).toContain('pv-b');
    expect(await lists('first')).toBe(1);
  });

  it('sets aside the objects that it does not understand, and takes them up once it does', async () => {
    const strict = persistentVolumes.schema.refine(({ metadata }) => metadata.labels?.['value'] !== undefined, {
      path: ['metadata', 'labels'],
      message: 'lacks value',
    });
    await create('pv-c');
    await relabel('pv-c', '1');
    await follow({}, { ...persistentVolumes, schema: strict });
    expect([...reflector.store.keys()]).toEqual(['pv-c']);
    expect(reflector.invalid.get('pv-b')).toContain('metadata.labels: lacks value');
    await relabel('pv-b', '2');
    await waitUntil(() => reflector.store.has('pv-b'));
    expect(reflector.invalid.size).toBe(0);
    await admin.mergePatch(persistentVolumes, { name: 'pv-c' }, { metadata: { labels: null } });
    await waitUntil(() => reflector.invalid.has('pv-c'));
    expect([...reflector.store.keys()]).toEqual(['pv-b']);
  });

  it.each(['terminate', 'kill'] as const)(
    'outlives an API server that ends by %s, and loses nothing that changed meanwhile',
    async (way) => {
      await follow();
      await server[way]();
      await waitUntil(() => reflector.problem !== undefined);
      await server.start();
      await create(`pv-${way}`);
      await waitUntil(inSync, { timeoutMs: 30_000 });
      expect(told).toContain(`pv-${way}`);
      expect(reflector.problem).toBeUndefined();
    },
  );

  it('finds out that an API server is silently dead, and goes on when it comes back', async () => {
    await follow({ inactivityMs: 1_500 });
    server.pause();
    try {
      await waitUntil(() => reflector.problem !== undefined, { timeoutMs: 20_000 });
      expect(reflector.problem).toContain('KUBE_TIMED_OUT');
      expect(await watches('silent')).toBeGreaterThan(0);
    } finally {
      server.resume();
    }
    await create('pv-resumed');
    await waitUntil(async () => (await inSync()) && reflector.problem === undefined, { timeoutMs: 20_000 });
    expect(await lists('first')).toBe(1);
  });

  it('goes on from where it was after a cut and after a silent connection', async () => {
    await follow({ inactivityMs: 2_000 });
    proxy.cut();
    await waitUntil(() => reflector.problem !== undefined);
    await relabel('pv-b', 'during-the-cut');
    proxy.heal();
    await waitUntil(inSync);
    proxy.silence();
    await relabel('pv-b', 'during-the-silence');
    await waitUntil(() => reflector.problem !== undefined);
    proxy.heal();
    await waitUntil(async () => (await inSync()) && reflector.problem === undefined);
    expect(await lists('first')).toBe(1);
    expect(await lists('gone')).toBe(0);
  });

  it('lists again when etcd was compacted while it was away, and tells of what was removed meanwhile', async () => {
    await create('pv-doomed');
    await follow();
    proxy.cut();
    await waitUntil(() => reflector.problem !== undefined);
    await remove('pv-doomed');
    await relabel('pv-b', 'compacted');
    await server.compact();
    // Its cache would still know what etcd does not.
    await server.kill();
    await server.start();
    told.length = 0;
    proxy.heal();
    await waitUntil(inSync, { timeoutMs: 30_000 });
    expect(told).toEqual(expect.arrayContaining(['pv-doomed', 'pv-b']));
    expect(await lists('gone')).toBe(1);
  });

  it('waits, with a word on why, until its account may list', async () => {
    const kubeconfig = await server.kubeconfigFor({ namespace: 'reflector', name: 'reader' });
    await api.close();
    api = KubeApi.load({ kubeconfig, registry });
    reflector = new Reflector({
      api,
      resource: persistentVolumes,
      logger: quietLogger(),
      registry,
      onChange: () => undefined,
      timings: quick,
    });
    reflector.start();
    await waitUntil(() => reflector.problem?.includes('KUBE_FORBIDDEN') === true);
    expect(await api.mayI({ verb: 'list', group: '', resource: 'persistentvolumes' })).toBe(false);
    const rbac = '/apis/rbac.authorization.k8s.io/v1';
    const rules = [{ apiGroups: [''], resources: ['persistentvolumes'], verbs: ['list', 'watch'] }];
    await admin.raw({ method: 'POST', path: `${rbac}/clusterroles`, body: { metadata: { name: 'reader' }, rules } });
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reader' };
    const subjects = [{ kind: 'ServiceAccount', namespace: 'reflector', name: 'reader' }];
    await admin.raw({ method: 'POST', path: `${rbac}/clusterrolebindings`, body: { metadata: { name: 'reader' }, roleRef, subjects } });
    await reflector.synced;
    await waitUntil(async () => (await inSync()) && reflector.problem === undefined);
  });

  it('takes 2,000 volumes in pages, and then asks for nothing but the next watch', async () => {
    const names = Array.from({ length: 2_000 - (await admin.list(persistentVolumes)).items.length }, (_, index) => `pv-${index}`);
    for (let from = 0; from < names.length; from += 100) {
      await Promise.all(names.slice(from, from + 100).map(create));
    }
    await follow({ watchSecondsMin: 1, watchSecondsMax: 1 });
    const startedAt = performance.now();
    expect(reflector.store.size).toBe(2_000);
    expect(told).toHaveLength(2_000);
    expect(await requests('get')).toBe(4);
    const watchesWanted = 6;
    await waitUntil(async () => (await watches('orderly')) >= watchesWanted, { timeoutMs: 30_000 });
    // Each watch lived for its second: there is no loop in between.
    expect(performance.now() - startedAt).toBeGreaterThan((watchesWanted - 1) * 1_000);
    expect(await requests('watch')).toBeLessThanOrEqual(watchesWanted + 2);
    expect(await requests('get')).toBe(4);
    expect(told).toHaveLength(2_000);
    expect(await watches('broken')).toBe(0);
  }, 120_000);
});
