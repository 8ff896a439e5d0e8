/** What a cluster holds before CoucheStor starts: its manifests, and the StorageClasses, volumes, claims and DiskPools of a scenario. */
import { readFileSync } from 'node:fs';
import type { KubeApi } from '@couchestor/shared/kubernetes/api';
import { diskPools, persistentVolumeClaims, persistentVolumes } from '@couchestor/shared/kubernetes/objects';
import { collectionPath } from '@couchestor/shared/kubernetes/resource';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { parse, parseAllDocuments } from 'yaml';

export interface Scenario {
  readonly pools: readonly { readonly id: string; readonly node: string; readonly labels: Readonly<Record<string, string>> }[];
  readonly volumes: readonly { readonly name: string; readonly uuid: string }[];
}

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
}

const csiDriver = 'io.openebs.csi-mayastor';

export const readScenario = (file: string): Scenario => parse(readFileSync(file, 'utf8')) as Scenario;

/** Posts it: a server without CEL refuses to apply a definition that has rules. */
export async function create(api: KubeApi, { apiVersion, kind, metadata, ...rest }: Manifest): Promise<void> {
  const root = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`;
  const within = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  const path = `${root}${within}/${kind.toLowerCase()}${kind.endsWith('s') ? 'es' : 's'}`;
  await api.raw({ method: 'POST', path, body: { apiVersion, kind, metadata, ...rest } });
}

export async function createFrom(api: KubeApi, file: URL): Promise<void> {
  for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
    await create(api, document.toJS() as Manifest);
  }
}

export const createNamespace = (api: KubeApi, name: string): Promise<void> =>
  create(api, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });

export const createStorageClass = (api: KubeApi, name: string): Promise<void> =>
  create(api, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name },
    provisioner: csiDriver,
    parameters: { protocol: 'nvmf', repl: '2', poolHasTopologyKey: 'couchestor-managed' },
  });

/** A claim and its volume, bound, as the CSI provisioner and the controller manager leave them. */
export async function createBoundVolume(
  api: KubeApi,
  o: { uuid: string; storageClassName: string; claim: { namespace: string; name: string } },
): Promise<void> {
  const { uuid, storageClassName, claim } = o;
  const name = `pvc-${uuid}`;
  const common = { storageClassName, accessModes: ['ReadWriteOnce'] };
  const { metadata } = await api.create(
    persistentVolumeClaims,
    { metadata: { name: claim.name }, spec: { ...common, resources: { requests: { storage: '1Gi' } }, volumeName: name } },
    { namespace: claim.namespace },
  );
  const csi = { driver: csiDriver, volumeHandle: uuid };
  const claimRef = { ...claim, uid: metadata.uid };
  await api.create(persistentVolumes, { metadata: { name }, spec: { ...common, capacity: { storage: '1Gi' }, claimRef, csi } });
  await api.mergePatch(persistentVolumes, { name, subresource: 'status' }, { status: { phase: 'Bound' } });
  await api.mergePatch(persistentVolumeClaims, { ...claim, subresource: 'status' }, { status: { phase: 'Bound' } });
}

/** As much of Mayastor's definition as its operator and we need. */
export async function installDiskPools(api: KubeApi): Promise<void> {
  const openAPIV3Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  await create(api, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${diskPools.plural}.${diskPools.group}` },
    spec: {
      group: diskPools.group,
      names: { kind: diskPools.kind, plural: diskPools.plural, singular: 'diskpool' },
      scope: 'Namespaced',
      versions: [{ name: diskPools.version, served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  });
  const served = (): Promise<boolean> =>
    api.raw({ method: 'GET', path: collectionPath(diskPools) }).then(
      () => true,
      () => false,
    );
  await waitUntil(served, { timeoutMs: 20_000, what: 'DiskPools to be served' });
}

export async function createDiskPool(
  api: KubeApi,
  o: { namespace: string; id: string; node: string; labels: Readonly<Record<string, string>> },
): Promise<void> {
  const body = { metadata: { name: o.id, labels: o.labels }, spec: { node: o.node, disks: ['/dev/nvme0n1'] } };
  await api.create(diskPools, body, { namespace: o.namespace });
}
