/** What a cluster holds beside us: manifests, StorageClasses, volumes with their claims, and Mayastor's DiskPools. */
import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import type { KubeApi } from '../../kubernetes/api.ts';
import { KubeError } from '../../kubernetes/errors.ts';
import { diskPools, persistentVolumeClaims, persistentVolumes } from '../../kubernetes/objects.ts';
import { collectionPath } from '../../kubernetes/resource.ts';
import { waitUntil } from '../wait-until.ts';

type Labels = Readonly<Record<string, string>>;

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
}

const csiDriver = 'io.openebs.csi-mayastor';

/** As of OpenEBS 4.3: as much of Mayastor's definition as its operator and we need. */
export const diskPoolDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${diskPools.plural}.${diskPools.group}` },
  spec: {
    group: diskPools.group,
    names: { kind: diskPools.kind, plural: diskPools.plural, singular: 'diskpool' },
    scope: 'Namespaced',
    versions: [
      {
        name: diskPools.version,
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};

/** Posts it, for a server without CEL refuses to apply a definition that has rules. What is there already stays as it is. */
export async function create(api: KubeApi, { apiVersion, kind, metadata, ...rest }: Manifest): Promise<void> {
  const root = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`;
  const within = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  const path = `${root}${within}/${kind.toLowerCase()}${kind.endsWith('s') ? 'es' : 's'}`;
  try {
    await api.raw({ method: 'POST', path, body: { apiVersion, kind, metadata, ...rest } });
  } catch (error) {
    if (!KubeError.is(error, 'ALREADY_EXISTS')) {
      throw error;
    }
  }
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
  o: { uuid: string; storageClassName: string; labels?: Labels; claim: { namespace: string; name: string; labels?: Labels } },
): Promise<void> {
  const { uuid, storageClassName } = o;
  const { namespace, name: claimName } = o.claim;
  const name = `pvc-${uuid}`;
  const common = { storageClassName, accessModes: ['ReadWriteOnce'] };
  const { metadata } = await api.create(
    persistentVolumeClaims,
    {
      metadata: { name: claimName, labels: o.claim.labels ?? {} },
      spec: { ...common, resources: { requests: { storage: '1Gi' } }, volumeName: name },
    },
    { namespace },
  );
  const csi = { driver: csiDriver, volumeHandle: uuid };
  const claimRef = { namespace, name: claimName, uid: metadata.uid };
  await api.create(persistentVolumes, {
    metadata: { name, labels: o.labels ?? {} },
    spec: { ...common, capacity: { storage: '1Gi' }, claimRef, csi },
  });
  await api.mergePatch(persistentVolumes, { name, subresource: 'status' }, { status: { phase: 'Bound' } });
  await api.mergePatch(persistentVolumeClaims, { namespace, name: claimName, subresource: 'status' }, { status: { phase: 'Bound' } });
}

/** Resolves once they are served. */
export async function installDiskPools(api: KubeApi): Promise<void> {
  await create(api, diskPoolDefinition);
  const served = (): Promise<boolean> =>
    api.raw({ method: 'GET', path: collectionPath(diskPools) }).then(
      () => true,
      () => false,
    );
  await waitUntil(served, { timeoutMs: 20_000, what: 'DiskPools to be served' });
}

/** @param o.labelled the labels of its topology */
export async function createDiskPool(
  api: KubeApi,
  o: { namespace: string; id: string; node: string; labels?: Labels; labelled?: Labels },
): Promise<void> {
  const spec = { node: o.node, disks: ['/dev/nvme0n1'], topology: { labelled: o.labelled ?? {} } };
  await api.create(diskPools, { metadata: { name: o.id, labels: o.labels ?? {} }, spec }, { namespace: o.namespace });
}
