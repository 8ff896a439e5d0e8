import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type KubeApiServer, startKubeApiServer } from '../testing/kube/api-server.ts';
import { quietLogger } from '../testing/quiet-logger.ts';
import { waitUntil } from '../testing/wait-until.ts';
import { KubeApi } from './api.ts';
import { KubeError } from './errors.ts';
import { EventRecorder, referenceTo } from './event-recorder.ts';
import {
  diskPools,
  events,
  findDiskPools,
  leases,
  microTimeOf,
  type PersistentVolume,
  persistentVolumeClaims,
  persistentVolumes,
  services,
  storageClasses,
} from './objects.ts';

let server: KubeApiServer;
let api: KubeApi;

beforeAll(async () => {
  server = await startKubeApiServer();
  api = KubeApi.load({ kubeconfig: server.kubeconfig });
}, 900_000);
afterAll(async () => {
  await api.close();
  await server.stop();
});

const unique = `t${Date.now().toString(36)}`;
const claim = {
  metadata: { name: 'data', namespace: unique },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
};

async function createVolume(name: string): Promise<PersistentVolume> {
  const csi = { driver: 'io.openebs.csi-mayastor', volumeHandle: '0b1e5b0a', volumeAttributes: { repl: '2' } };
  return await api.create(persistentVolumes, {
    metadata: { name, labels: { app: 'db' } },
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], storageClassName: 'mayastor', csi },
  });
}

type Refusal = 'CONFLICT' | 'ALREADY_EXISTS' | 'INVALID' | 'NOT_FOUND' | 'FORBIDDEN';

async function failsWith(work: Promise<unknown>, code: Refusal): Promise<void> {
  await expect(work).rejects.toSatisfy((error) => KubeError.is(error, code));
}

describe('the client and a real API server', () => {
  it('tells its version', async () => {
    const version = await api.version();
    expect(version.gitVersion).toMatch(/^v1\.\d+/);
    expect(version).toMatchObject({ major: 1, minor: expect.any(Number) });
  });

  it('creates, reads, changes and removes objects', async () => {
    const name = `${unique}-pv`;
    const made = await createVolume(name);
    expect(made.spec.csi).toEqual({ driver: 'io.openebs.csi-mayastor', volumeHandle: '0b1e5b0a', volumeAttributes: { repl: '2' } });
    expect(await api.get(persistentVolumes, { name })).toEqual(made);
    await failsWith(createVolume(name), 'ALREADY_EXISTS');
    const changed = await api.mergePatch(persistentVolumes, { name, subresource: 'status' }, { status: { phase: 'Released' } });
    expect(changed.status).toEqual({ phase: 'Released' });
    const stale = { metadata: { resourceVersion: made.metadata.resourceVersion, labels: { app: 'web' } } };
    await failsWith(api.mergePatch(persistentVolumes, { name }, stale), 'CONFLICT');
    await failsWith(api.mergePatch(persistentVolumes, { name }, { spec: { capacity: { storage: 'much' } } }), 'INVALID');

    await api.mergePatch(persistentVolumes, { name }, { metadata: { finalizers: null } });
    expect(await api.remove(persistentVolumes, { name })).toBe(true);
    expect(await api.remove(persistentVolumes, { name })).toBe(false);
    expect(await api.get(persistentVolumes, { name })).toBeUndefined();
  });

  it('lists over all namespaces and in one', async () => {
    await api.raw({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: unique } } });
    await api.create(persistentVolumeClaims, claim);
    const names = async (namespace?: string): Promise<string[]> =>
      (await api.list(persistentVolumeClaims, { namespace })).items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
    expect(await names(unique)).toEqual([`${unique}/data`]);
    expect(await names()).toContain(`${unique}/data`);
    expect(await names('kube-public')).toEqual([]);
    const metadata = { name: `${unique}-class` };
    await api.create(storageClasses, { metadata, provisioner: 'io.openebs.csi-mayastor', parameters: { repl: '1' } });
    expect((await api.list(storageClasses)).items).toContainEqual(expect.objectContaining({ parameters: { repl: '1' } }));
    expect(await api.remove(storageClasses, metadata)).toBe(true);
    expect((await api.list(services, { namespace: 'default' })).items.map(({ metadata }) => metadata.name)).toContain('kubernetes');
  });

  it('tells a kind that it does not know from an object that is not there', async () => {
    expect(await api.get(leases, { name: 'none', namespace: unique })).toBeUndefined();
    for (const unknown of [
      { ...persistentVolumes, plural: 'nonsense' },
      { ...persistentVolumes, group: 'nonsense.example' },
    ]) {
      await failsWith(api.get(unknown, { name: 'x' }), 'NOT_FOUND');
    }
  });

  it('takes the times of a Lease with six digits, and the whole Lease only from who has read the last one', async () => {
    const at = { name: 'lock', namespace: unique };
    const renewTime = microTimeOf(Date.UTC(2026, 0, 2, 3, 4, 5, 678));
    const first = await api.create(leases, { metadata: { ...at, labels: { app: 'x' } }, spec: { holderIdentity: 'a', renewTime } });
    expect(first.spec?.renewTime).toBe('2026-01-02T03:04:05.678000Z');
    const second = await api.replace(leases, { ...first, spec: { ...first.spec, holderIdentity: 'b' } });
    expect(second).toMatchObject({ metadata: { labels: { app: 'x' } }, spec: { holderIdentity: 'b', renewTime } });
    await failsWith(api.replace(leases, first), 'CONFLICT');
  });

  it('finds the newest version of DiskPools that is served', async () => {
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
    const versionOf = (name: string, storage: boolean): object => ({ name, served: true, storage, schema });
    const names = { plural: diskPools.plural, singular: 'diskpool', kind: diskPools.kind };
    const crd = (versions: object[]): object => ({
      metadata: { name: 'diskpools.openebs.io' },
      spec: { group: 'openebs.io', scope: 'Namespaced', names, versions },
    });
    expect(await findDiskPools(api)).toBeUndefined();
    await api.raw({ method: 'POST', path, body: crd([versionOf('v1alpha1', true), versionOf('v1beta2', false)]) });
    try {
      await waitUntil(async () => (await findDiskPools(api))?.version === 'v1beta2');
      const patch = { method: 'PATCH', contentType: 'application/merge-patch+json', path: `${path}/diskpools.openebs.io` } as const;
      await api.raw({ ...patch, body: crd([versionOf('v1alpha1', true), versionOf('v1beta2', false), versionOf('v1beta3', false)]) });
      await waitUntil(async () => (await findDiskPools(api))?.version === 'v1beta3');
      await waitUntil(async () => (await api.list(diskPools)).items.length === 0);
      const spec = { node: 'n1', disks: ['/dev/sdb'], topology: { labelled: { tier: 'hot' } } };
      expect((await api.create(diskPools, { metadata: { name: 'p1', namespace: unique }, spec })).spec).toEqual({
        topology: spec.topology,
      });
    } finally {
      await api.raw({ method: 'DELETE', path: `${path}/diskpools.openebs.io` });
    }
  });

  it('writes events on objects with and without a namespace, and counts them', async () => {
    const registry = new Registry();
    const recorder = new EventRecorder({ api, component: 'policy-brain', logger: quietLogger(), registry });
    const volume = await createVolume(`${unique}-described`);
    const owner = await api.get(persistentVolumeClaims, claim.metadata);
    const seen = async (namespace: string, name: string): Promise<unknown[]> =>
      (await api.list(events, { namespace })).items
        .filter((event) => event.involvedObject.name === name)
        .map(({ type, reason, message, count }) => [type, reason, message, count]);
    recorder.emit({ regarding: referenceTo(persistentVolumes, volume), type: 'Normal', reason: 'MigrationStarted', message: 'to cold' });
    await waitUntil(async () => (await seen('default', volume.metadata.name)).length === 1);
    recorder.emit({ regarding: referenceTo(persistentVolumes, volume), type: 'Normal', reason: 'MigrationStarted', message: 'to cold' });
    recorder.emit({
      regarding: referenceTo(persistentVolumeClaims, owner ?? claim),
      type: 'Warning',
      reason: 'MigrationFailed',
      message: 'no pool',
    });
    await recorder.stop({ budgetMs: 10_000 });
    expect(await seen('default', volume.metadata.name)).toEqual([['Normal', 'MigrationStarted', 'to cold', 2]]);
    expect(await seen(unique, 'data')).toEqual([['Warning', 'MigrationFailed', 'no pool', 1]]);
    expect(await registry.getSingleMetricAsString('couchestor_kubernetes_events_total')).toContain('{result="sent"} 3');
    await api.mergePatch(persistentVolumes, volume.metadata, { metadata: { finalizers: null } });
    await api.remove(persistentVolumes, volume.metadata);
  });

  it('trusts nobody whom its authority has not signed, and looks for another authority when that fails', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kube-api-int-'));
    const config = parse(readFileSync(server.kubeconfig, 'utf8'));
    const cluster = config.clusters[0].cluster;
    const authority = Buffer.from(cluster['certificate-authority-data'], 'base64');
    cluster['certificate-authority-data'] = undefined;
    cluster['certificate-authority'] = 'ca.crt';
    writeFileSync(join(folder, 'config'), JSON.stringify(config));
    writeFileSync(join(folder, 'ca.crt'), rootCertificates[0] ?? '');
    const careful = KubeApi.load({ kubeconfig: join(folder, 'config') });
    await expect(careful.version()).rejects.toMatchObject({ code: 'KUBE_UNREACHABLE', facts: { sent: false } });
    writeFileSync(join(folder, 'ca.crt'), authority);
    expect((await careful.version()).major).toBe(1);
    await careful.close();
    rmSync(folder, { recursive: true });
  });

  it('says what an account may do, and refuses what it may not', async () => {
    const bare = KubeApi.load({ kubeconfig: await server.kubeconfigFor({ namespace: unique, name: 'bare' }) });
    const question = { verb: 'list', group: '', resource: 'persistentvolumes' };
    expect([await api.mayI(question), await bare.mayI(question)]).toEqual([true, false]);
    await failsWith(bare.list(persistentVolumes), 'FORBIDDEN');
    await bare.close();
  });
});
