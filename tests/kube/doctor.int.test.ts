/**
 * The doctor and the uninstaller with a real API server: what they say of Kubernetes as administrator and as somebody who has the doctor's role
 * alone, while nothing is installed, half of it, and all.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { doctor } from '@couchestor/cli/commands/doctor';
import { uninstall } from '@couchestor/cli/commands/uninstall';
import { scenarioWith } from '@couchestor/mayastor-simulator/domain/cluster.fixture';
import { createRestApi } from '@couchestor/mayastor-simulator/handlers/rest-api';
import { openWithFiles } from '@couchestor/mayastor-simulator/simulator.fixture';
import { erasureCodingPolicies, storagePolicies } from '@couchestor/shared/crds/resources';
import { KubeApi } from '@couchestor/shared/kubernetes/api';
import { doctorRole, serviceAccounts, systemNamespace } from '@couchestor/shared/kubernetes/permissions';
import { type KubeApiServer, startKubeApiServer } from '@couchestor/shared/testing/kube/api-server';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';

const setupTimeoutMs = 180_000;
const root = join(import.meta.dirname, '../..');
const rbacVersion = 'rbac.authorization.k8s.io/v1';

interface Judged {
  readonly id: string;
  readonly verdict: string;
  readonly finding: string;
  readonly details?: readonly string[];
}

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
}

let server: KubeApiServer;
let api: KubeApi;
let simulator: ReturnType<typeof openWithFiles>;
let rest: ReturnType<typeof createRestApi>;
let url: string;

beforeAll(async () => {
  simulator = openWithFiles(scenarioWith());
  rest = createRestApi({ call: (request) => simulator.engine.call(request) });
  [server, url] = await Promise.all([startKubeApiServer({ own: true }), rest.listen({ host: '127.0.0.1', port: 0 })]);
  api = KubeApi.load({ kubeconfig: server.kubeconfig });
}, setupTimeoutMs);

afterAll(async () => {
  await api?.close();
  await Promise.all([server?.stop(), rest?.close()]);
  simulator?.close();
}, setupTimeoutMs);

async function run(command: typeof doctor, kubeconfig: string, ...argv: string[]): Promise<{ code: number; answer: unknown }> {
  const out: string[] = [];
  const print = (line: string): void => void out.push(line);
  const output = { paint: (text: string) => text, columns: undefined, print, note: () => undefined };
  const places = ['--mayastor-url', url, '--nats-url', 'nats://127.0.0.1:1', '--data-dir', '/nonexistent', '--kubeconfig', kubeconfig];
  const code = await command.run({ argv: ['--json', ...places, ...argv], env: {}, output });
  return { code, answer: JSON.parse(out.join('\n')) };
}

/** What each check about Kubernetes says. */
async function checksAs(kubeconfig: string): Promise<{ code: number; of: (id: string) => Judged }> {
  const { code, answer } = await run(doctor, kubeconfig);
  const { checks } = answer as { checks: Judged[] };
  return {
    code,
    of: (id) => {
      const found = checks.find((judged) => judged.id === id);
      if (found === undefined) {
        throw new Error(`no check ${id}`);
      }
      return found;
    },
  };
}

async function create(manifest: Manifest): Promise<void> {
  const { apiVersion, kind, metadata } = manifest;
  const plural = kind === 'StorageClass' ? 'storageclasses' : `${kind.toLowerCase()}s`;
  const version = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`;
  const within = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  const collection = `${version}${within}/${plural}`;
  // Not by apply: a server without CEL refuses that for a definition with rules, and drops the rules from one that is created.
  await api.raw({ method: 'POST', path: collection, body: manifest });
}

async function createFile(path: string): Promise<void> {
  for (const document of parseAllDocuments(readFileSync(join(root, path), 'utf8'))) {
    await create(document.toJS());
  }
}

it('tells what is missing while nothing is installed, which is a problem only for the accounts', async () => {
  const { of, code } = await checksAs(server.kubeconfig);
  expect(of('crds')).toMatchObject({ verdict: 'warning', finding: expect.stringContaining('none is installed') });
  expect(of('rights')).toMatchObject({ verdict: 'problem', finding: expect.stringContaining('no account') });
  expect(of('pinned-classes')).toMatchObject({ verdict: 'ok', finding: expect.stringContaining('none of 0') });
  expect(of('clocks')).toMatchObject({ verdict: 'ok', finding: expect.stringContaining('the API server') });
  expect(of('pools-in-tiers').verdict).toBe('not checked');
  expect(code).toBe(1);
});

it('finds all well once all of it is installed, policies read and classes right', async () => {
  await create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: systemNamespace } });
  for (const file of [...serviceAccounts.map(({ name }) => `deploy/base/${name}/rbac.yaml`), 'deploy/doctor-role.yaml']) {
    await createFile(file);
  }
  for (const name of readdirSync(join(root, 'deploy/crds'))) {
    await createFile(`deploy/crds/${name}`);
  }
  const gated = { poolHasTopologyKey: 'couchestor', repl: '2' };
  await create({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'tiered' },
    provisioner: 'io.openebs.csi-mayastor',
    parameters: gated,
  });
  await waitUntil(async () => (await checksAs(server.kubeconfig)).of('crds').verdict === 'ok');
  const tiers = { hotPoolSelector: { matchLabels: { tier: 'hot' } }, coldPoolSelector: { matchLabels: { tier: 'cold' } } };
  await api.create(storagePolicies, { metadata: { name: 'tiering' }, spec: { storageClassName: 'tiered', ...tiers } });
  const { of, code } = await checksAs(server.kubeconfig);
  expect(of('rights')).toMatchObject({ verdict: 'ok', finding: expect.stringContaining('policy-brain has its') });
  expect(of('pools-in-tiers')).toMatchObject({ verdict: 'ok', finding: expect.stringContaining('1 policy') });
  expect(of('pinned-classes').verdict).toBe('ok');
  expect(of('gate-labels')).toMatchObject({ verdict: 'ok', finding: 'every pool has couchestor' });
  expect(code).toBe(0);
});

it('finds a class of the policy that ties volumes to a tier, and an account that has lost a right', async () => {
  const pinned = { poolAffinityTopologyLabel: 'tier: hot' };
  await api.raw({ method: 'DELETE', path: '/apis/storage.k8s.io/v1/storageclasses/tiered' });
  await create({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'tiered' },
    provisioner: 'io.openebs.csi-mayastor',
    parameters: pinned,
  });
  await api.raw({ method: 'DELETE', path: `/apis/${rbacVersion}/namespaces/${systemNamespace}/rolebindings/couchestor-policy-brain` });
  const { of, code } = await checksAs(server.kubeconfig);
  expect(of('pinned-classes')).toMatchObject({
    verdict: 'problem',
    details: ['StorageClass tiered: its volumes never go to the cold tier of policy tiering (tier=hot)'],
  });
  expect(of('rights')).toMatchObject({ verdict: 'problem' });
  expect(of('rights').details).toContain(`policy-brain may not create leases of coordination.k8s.io in namespace ${systemNamespace}`);
  expect(code).toBe(1);
});

it('says the same to somebody who has the doctor’s role alone, and to somebody without any what it could not look at', async () => {
  const account = await server.kubeconfigFor({ namespace: systemNamespace, name: doctorRole.name });
  const without = await checksAs(account);
  expect(without.of('crds')).toMatchObject({ verdict: 'not checked', finding: expect.stringContaining('KUBE_FORBIDDEN') });
  expect(without.of('rights')).toMatchObject({ verdict: 'warning', finding: expect.stringContaining('of the account in use') });
  await create({
    apiVersion: rbacVersion,
    kind: 'ClusterRoleBinding',
    metadata: { name: 'test-doctor' },
    subjects: [{ kind: 'ServiceAccount', name: doctorRole.name, namespace: systemNamespace }],
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: `couchestor-${doctorRole.name}` },
  });
  const [mine, admins] = [await checksAs(account), await checksAs(server.kubeconfig)];
  for (const id of ['crds', 'rights', 'pinned-classes', 'pools-in-tiers', 'gate-labels']) {
    expect(mine.of(id)).toEqual(admins.of(id));
  }
});

// NATS is away, so that only `--force` takes the word of whoever says that no migrator runs.
it('uninstalls: no finalizer is there, those that are there are removed, and what was asked for is deleted', async () => {
  const first = await run(uninstall, server.kubeconfig, '--force');
  expect(first).toMatchObject({ code: 0, answer: { clean: true, finalizers: 0, done: [] } });
  const { remains } = first.answer as { remains: { commands: string[] }[] };
  expect(remains.flatMap(({ commands }) => commands)).toContain(
    'kubectl delete crd storagepolicies.storage.billyronks.io erasurecodingpolicies.storage.billyronks.io',
  );
  const finalizers = ['storage.billyronks.io/tidy', 'example.com/theirs'];
  await api.mergePatch(storagePolicies, { name: 'tiering' }, { metadata: { finalizers } });
  expect(await run(uninstall, server.kubeconfig, '--force', '--dry-run')).toMatchObject({ answer: { finalizers: 1 } });
  expect((await api.get(storagePolicies, { name: 'tiering' }))?.metadata.finalizers).toEqual(finalizers);
  await run(uninstall, server.kubeconfig, '--force');
  expect((await api.get(storagePolicies, { name: 'tiering' }))?.metadata.finalizers).toEqual(['example.com/theirs']);
  await api.mergePatch(storagePolicies, { name: 'tiering' }, { metadata: { finalizers: null } });

  await run(uninstall, server.kubeconfig, '--force', '--delete-policies');
  expect((await api.list(storagePolicies)).items).toEqual([]);
  expect((await api.list(erasureCodingPolicies)).items).toEqual([]);
  const last = await run(uninstall, server.kubeconfig, '--force', '--delete-crds');
  expect(last).toMatchObject({ code: 0, answer: { done: [{ ok: true }, { ok: true }] } });
  await waitUntil(async () => (await checksAs(server.kubeconfig)).of('crds').verdict === 'warning');
});

it('frees Mayastor also where Kubernetes does not answer, unless it was to delete something there', async () => {
  await server.kill();
  expect(await run(uninstall, server.kubeconfig, '--force')).toMatchObject({ code: 0, answer: { clean: true } });
  await expect(run(uninstall, server.kubeconfig, '--force', '--delete-crds')).rejects.toThrow(/KUBE_UNREACHABLE/);
});
