import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { type RequestOptions, request } from 'node:https';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CoreV1Api, KubeConfig, RbacAuthorizationV1Api } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitUntil } from '../wait-until.ts';
import { type KubeApiServer, startKubeApiServer } from './api-server.ts';
import { openExistingCluster } from './existing-cluster.ts';

const startTimeoutMs = 240_000;
let server: KubeApiServer;

beforeAll(async () => {
  server = await startKubeApiServer({ own: true });
}, startTimeoutMs);
afterAll(async () => await server.stop());

function configOf(kubeconfig: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  return config;
}

const core = (kubeconfig = server.kubeconfig): CoreV1Api => configOf(kubeconfig).makeApiClient(CoreV1Api);

/** The whole answer to a GET: status and text. Rejects where nothing comes for `silenceMs`. */
async function get(kubeconfig: string, path: string, silenceMs = 30_000): Promise<{ status: number | undefined; text: string }> {
  const config = configOf(kubeconfig);
  const options: RequestOptions = { agent: false, timeout: silenceMs };
  await config.applyToHTTPSOptions(options);
  return await new Promise((resolve, reject) => {
    const asking = request(`${config.getCurrentCluster()?.server}${path}`, options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve({ status: answer.statusCode, text: Buffer.concat(chunks).toString() }));
      answer.on('error', reject);
    });
    asking.on('timeout', () => asking.destroy(new Error('silence')));
    asking.on('error', reject);
    asking.end();
  });
}

async function newConfigMap(o: { of: KubeApiServer; namespace: string; name: string }): Promise<string> {
  const api = core(o.of.kubeconfig);
  await api.createNamespace({ body: { metadata: { name: o.namespace } } });
  const made = await api.createNamespacedConfigMap({ namespace: o.namespace, body: { metadata: { name: o.name }, data: { tier: 'hot' } } });
  return made.metadata?.resourceVersion ?? '';
}

async function changeConfigMap(o: { of: KubeApiServer; namespace: string; name: string; tier: string }): Promise<string> {
  const changed = await core(o.of.kubeconfig).replaceNamespacedConfigMap({
    namespace: o.namespace,
    name: o.name,
    body: { metadata: { name: o.name }, data: { tier: o.tier } },
  });
  return changed.metadata?.resourceVersion ?? '';
}

const watchFrom = (o: { of: KubeApiServer; namespace: string; resourceVersion: string }) =>
  get(
    o.of.kubeconfig,
    `/api/v1/namespaces/${o.namespace}/configmaps?watch=true&timeoutSeconds=2&resourceVersion=${encodeURIComponent(o.resourceVersion)}`,
  );

test('objects are kept by a real API server that says which it is', async () => {
  expect(server.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
  const version = JSON.parse((await get(server.kubeconfig, '/version')).text) as { gitVersion: string };
  expect(version.gitVersion).toMatch(/^v1\.\d+\.\d+/);
  expect(version.gitVersion).not.toContain('v0.0.0');
  await newConfigMap({ of: server, namespace: 'kept', name: 'one' });
  expect((await core().readNamespacedConfigMap({ namespace: 'kept', name: 'one' })).data).toEqual({ tier: 'hot' });
});

test('its schema of the built-in types is whole, so that kubectl and server-side apply work', async () => {
  const { definitions } = JSON.parse((await get(server.kubeconfig, '/openapi/v2')).text) as { definitions: Record<string, unknown> };
  expect(Object.keys(definitions)).toEqual(
    expect.arrayContaining(['io.k8s.api.core.v1.PersistentVolume', 'io.k8s.api.coordination.v1.Lease', 'io.k8s.api.events.v1.Event']),
  );
});

test('an account has the rights that were given to it and no others', async () => {
  const account = { namespace: 'accounts', name: 'reader' };
  const own = core(await server.kubeconfigFor(account));
  const list = () => own.listNamespacedConfigMap({ namespace: 'accounts' });
  await expect(list()).rejects.toMatchObject({ code: 403, body: expect.stringContaining('system:serviceaccount:accounts:reader') });

  const rbac = configOf(server.kubeconfig).makeApiClient(RbacAuthorizationV1Api);
  const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list'] }];
  await rbac.createNamespacedRole({ namespace: 'accounts', body: { metadata: { name: 'reader' }, rules } });
  await rbac.createNamespacedRoleBinding({
    namespace: 'accounts',
    body: {
      metadata: { name: 'reader' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
      subjects: [{ kind: 'ServiceAccount', ...account }],
    },
  });
  await waitUntil(async () => Array.isArray((await list()).items), { what: 'the account may list config maps' });
  await expect(own.listNamespacedSecret({ namespace: 'accounts' })).rejects.toMatchObject({ code: 403 });
});

test('asking for the same account again gives another file that works', async () => {
  const account = { namespace: 'accounts', name: 'twice' };
  await server.kubeconfigFor(account);
  const answer = await get(await server.kubeconfigFor(account), '/version');
  expect(answer.status).toBe(200);
});

test("somebody's cluster is used, and neither disturbed nor stopped", async () => {
  const existing = await openExistingCluster({ KUBECONFIG: server.kubeconfig });
  expect(existing.url).toBe(server.url);
  const account = await existing.kubeconfigFor({ namespace: 'accounts', name: 'guest' });
  await expect(core(account).listNode()).rejects.toMatchObject({ code: 403 });
  await expect(existing.kill()).rejects.toThrow('not ours');
  expect(() => existing.pause()).toThrow('not ours');
  await existing.stop();
  expect(existsSync(account)).toBe(false);
  expect((await get(server.kubeconfig, '/version')).status).toBe(200);
});

test.each(['kill', 'terminate'] as const)(
  'after %s and start it has the same address, data and tokens',
  async (how) => {
    const namespace = `after-${how}`;
    await newConfigMap({ of: server, namespace, name: 'one' });
    const account = await server.kubeconfigFor({ namespace, name: 'same' });
    await server[how]();
    await expect(get(server.kubeconfig, '/version')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await server.start();
    expect((await core().readNamespacedConfigMap({ namespace, name: 'one' })).data).toEqual({ tier: 'hot' });
    await expect(core(account).listNode()).rejects.toMatchObject({ code: 403 });
  },
  startTimeoutMs,
);

test('a paused server takes connections and is silent, and answers again once it goes on', async () => {
  server.pause();
  await expect(get(server.kubeconfig, '/version', 1_000)).rejects.toThrow('silence');
  server.resume();
  expect((await get(server.kubeconfig, '/version')).status).toBe(200);
});

test('after a compaction a list at an old resource version is Gone', async () => {
  const of = server;
  const first = await newConfigMap({ of, namespace: 'compacted', name: 'one' });
  await changeConfigMap({ of, namespace: 'compacted', name: 'one', tier: 'cold' });
  const path = `/api/v1/namespaces/compacted/configmaps?resourceVersionMatch=Exact&limit=1&resourceVersion=${first}`;
  expect(await get(of.kubeconfig, path)).toMatchObject({ status: 200, text: expect.stringContaining('hot') });
  await of.compact();
  expect(await get(of.kubeconfig, path)).toMatchObject({ status: 410, text: expect.stringContaining('"Expired"') });
});

test(
  'a watch from before the last start is Gone, in its stream, where there is a watch cache',
  async () => {
    const of = server;
    const first = await newConfigMap({ of, namespace: 'restarted', name: 'one' });
    await changeConfigMap({ of, namespace: 'restarted', name: 'one', tier: 'cold' });
    expect((await watchFrom({ of, namespace: 'restarted', resourceVersion: first })).text).toContain('"MODIFIED"');
    await of.kill();
    await of.start();
    await expectGone(await watchFrom({ of, namespace: 'restarted', resourceVersion: first }));
  },
  startTimeoutMs,
);

test(
  'without a watch cache a watch from before a compaction is Gone at once, in its stream',
  async () => {
    const of = await startKubeApiServer({ own: true, watchCache: false });
    try {
      const first = await newConfigMap({ of, namespace: 'compacted', name: 'one' });
      await changeConfigMap({ of, namespace: 'compacted', name: 'one', tier: 'cold' });
      expect((await watchFrom({ of, namespace: 'compacted', resourceVersion: first })).text).toContain('"MODIFIED"');
      await of.compact();
      await expectGone(await watchFrom({ of, namespace: 'compacted', resourceVersion: first }));
    } finally {
      await of.stop();
    }
    expect(existsSync(dirname(of.kubeconfig))).toBe(false);
    await expect(get(server.kubeconfig, '/version')).resolves.toMatchObject({ status: 200 });
  },
  startTimeoutMs,
);

async function expectGone(answer: { status: number | undefined; text: string }): Promise<void> {
  expect(answer.status).toBe(200);
  expect(JSON.parse(answer.text.split('\n')[0] ?? '')).toMatchObject({
    type: 'ERROR',
    object: { kind: 'Status', code: 410, reason: 'Expired' },
  });
}

test(
  'even a paused server ends with the process that started it, however that ended',
  async () => {
    const fixture = fileURLToPath(new URL('start-api-server.fixture.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', '--conditions=source', fixture], { stdio: ['ignore', 'pipe', 'inherit'] });
    const line = await new Promise<string>((resolve, reject) => {
      child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()));
      child.once('exit', () => reject(new Error('it ended before it had started a server')));
    });
    const [url = '', kubeconfig = ''] = line.split(' ');
    expect(await accepts(url)).toBe(true);
    child.kill('SIGKILL');
    await waitUntil(async () => !(await accepts(url)), { what: 'nothing listens any more' });
    await rm(dirname(kubeconfig), { recursive: true });
  },
  startTimeoutMs,
);

function accepts(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
