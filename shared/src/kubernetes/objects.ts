/**
 * The objects of Kubernetes and OpenEBS that are read, as far as they are read. Enums are open: a newer cluster may say words that we do
 * not know. Unknown fields are dropped, managedFields before all, since thousands of these are kept in memory; only what is written back
 * whole, the Lease, keeps them.
 */
import { z } from 'zod';
import type { KubeApi } from './api.ts';
import { KubeError } from './errors.ts';
import type { Resource } from './resource.ts';

const words = z.record(z.string(), z.string());
const openEnum = z.string();

export const metadataSchema = z.object({
  name: z.string().min(1),
  namespace: z.string().optional(),
  uid: z.string(),
  resourceVersion: z.string(),
  generation: z.int().optional(),
  labels: words.optional(),
  creationTimestamp: z.string().nullish(),
  deletionTimestamp: z.string().optional(),
  finalizers: z.array(z.string()).optional(),
});
export type Metadata = z.infer<typeof metadataSchema>;

const persistentVolumeSchema = z.object({
  metadata: metadataSchema,
  spec: z.object({
    capacity: words.optional(),
    storageClassName: z.string().optional(),
    claimRef: z.object({ name: z.string().optional(), namespace: z.string().optional(), uid: z.string().optional() }).optional(),
    csi: z.object({ driver: z.string(), volumeHandle: z.string(), volumeAttributes: words.optional() }).optional(),
  }),
  status: z.object({ phase: openEnum.optional() }).optional(),
});
export type PersistentVolume = z.infer<typeof persistentVolumeSchema>;
export const persistentVolumes: Resource<PersistentVolume> = {
  group: '',
  version: 'v1',
  plural: 'persistentvolumes',
  kind: 'PersistentVolume',
  namespaced: false,
  schema: persistentVolumeSchema,
};

const persistentVolumeClaimSchema = z.object({
  metadata: metadataSchema,
  spec: z.object({ storageClassName: z.string().nullish(), volumeName: z.string().optional() }),
  status: z.object({ phase: openEnum.optional() }).optional(),
});
export type PersistentVolumeClaim = z.infer<typeof persistentVolumeClaimSchema>;
export const persistentVolumeClaims: Resource<PersistentVolumeClaim> = {
  group: '',
  version: 'v1',
  plural: 'persistentvolumeclaims',
  kind: 'PersistentVolumeClaim',
  namespaced: true,
  schema: persistentVolumeClaimSchema,
};

const storageClassSchema = z.object({
  metadata: metadataSchema,
  provisioner: z.string(),
  parameters: words.nullish(),
  reclaimPolicy: openEnum.optional(),
  volumeBindingMode: openEnum.optional(),
});
export type StorageClass = z.infer<typeof storageClassSchema>;
export const storageClasses: Resource<StorageClass> = {
  group: 'storage.k8s.io',
  version: 'v1',
  plural: 'storageclasses',
  kind: 'StorageClass',
  namespaced: false,
  schema: storageClassSchema,
};

const serviceSchema = z.object({
  metadata: metadataSchema,
  spec: z.object({
    clusterIP: z.string().optional(),
    type: openEnum.optional(),
    ports: z
      .array(
        z.object({
          name: z.string().optional(),
          port: z.int(),
          appProtocol: z.string().optional(),
          targetPort: z.union([z.int(), z.string()]).optional(),
        }),
      )
      .nullish(),
  }),
});
export type Service = z.infer<typeof serviceSchema>;
export const services: Resource<Service> = {
  group: '',
  version: 'v1',
  plural: 'services',
  kind: 'Service',
  namespaced: true,
  schema: serviceSchema,
};

const microTime = z.iso.datetime({ offset: true });
const leaseSchema = z.looseObject({
  metadata: metadataSchema.loose(),
  spec: z
    .looseObject({
      holderIdentity: z.string().nullish(),
      leaseDurationSeconds: z.int().nullish(),
      acquireTime: microTime.nullish(),
      renewTime: microTime.nullish(),
      leaseTransitions: z.int().nullish(),
    })
    .nullish(),
});
export type Lease = z.infer<typeof leaseSchema>;
/** acquireTime and renewTime are MicroTimes: see `microTimeOf`. */
export const leases: Resource<Lease> = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
  namespaced: true,
  schema: leaseSchema,
};

/** Six digits after the point: the API server refuses a MicroTime with three. */
export function microTimeOf(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}

const eventSchema = z.object({
  metadata: metadataSchema,
  involvedObject: z.object({
    kind: z.string().optional(),
    name: z.string().optional(),
    namespace: z.string().optional(),
    uid: z.string().optional(),
  }),
  type: openEnum.optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
  count: z.int().optional(),
  firstTimestamp: z.string().nullish(),
  lastTimestamp: z.string().nullish(),
});
export type KubernetesEvent = z.infer<typeof eventSchema>;
export const events: Resource<KubernetesEvent> = {
  group: '',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  namespaced: true,
  schema: eventSchema,
};

/** Labels and nothing besides: no pool is refused for a field that nobody reads. */
const diskPoolSchema = z.object({
  metadata: metadataSchema,
  spec: z.object({ topology: z.object({ labelled: words.nullish() }).nullish() }).nullish(),
});
export type DiskPool = z.infer<typeof diskPoolSchema>;
/** As of OpenEBS 4.3; see `findDiskPools` for older ones. */
export const diskPools: Resource<DiskPool> = {
  group: 'openebs.io',
  version: 'v1beta3',
  plural: 'diskpools',
  kind: 'DiskPool',
  namespaced: true,
  schema: diskPoolSchema,
};

const groupSchema = z.looseObject({ versions: z.array(z.looseObject({ version: z.string() })) });

/** DiskPools in the newest version that this cluster serves and we know; undefined where it serves none. */
export async function findDiskPools(api: Pick<KubeApi, 'raw'>): Promise<Resource<DiskPool> | undefined> {
  let group: unknown;
  try {
    group = await api.raw({ method: 'GET', path: `/apis/${diskPools.group}` });
  } catch (error) {
    if (KubeError.is(error, 'NOT_FOUND')) {
      return undefined;
    }
    throw error;
  }
  const served = new Set(groupSchema.safeParse(group).data?.versions.map((entry) => entry.version));
  const version = [diskPools.version, 'v1beta2'].find((known) => served.has(known));
  return version === undefined ? undefined : { ...diskPools, version };
}
