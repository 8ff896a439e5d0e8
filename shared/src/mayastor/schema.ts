/**
 * Mayastor's REST v0 objects, as far as we read them. JSON names are Mayastor's own: kebab-case below `replica_topology`, camelCase below
 * a nexus. Enums are open (a newer Mayastor may answer words we do not know) and unknown fields pass.
 */
import { z } from 'zod';

const openEnum = z.string();
const uuid = z.string().min(1);
const bytes = z.number().nonnegative();
const labels = z.record(z.string(), z.string());

export const childSchema = z.looseObject({
  uri: z.string(),
  state: openEnum,
  state_reason: openEnum.nullish(),
  rebuildProgress: z.number().nullish(),
});

export const nexusSchema = z.looseObject({
  uuid,
  node: z.string(),
  size: bytes,
  state: openEnum,
  protocol: openEnum,
  deviceUri: z.string(),
  rebuilds: z.number(),
  children: z.array(childSchema),
});

export const replicaTopologySchema = z.looseObject({
  state: openEnum,
  node: z.string().nullish(),
  pool: z.string().nullish(),
  'child-status': openEnum.nullish(),
  'child-status-reason': openEnum.nullish(),
  'rebuild-progress': z.number().nullish(),
  usage: z.looseObject({ capacity: bytes, allocated: bytes }).nullish(),
  healthy: z.boolean().nullish(),
});

const labelledTopologySchema = z.looseObject({
  exclusion: labels.nullish(),
  inclusion: labels.nullish(),
  affinity_key: z.array(z.string()).nullish(),
});

export const volumeSchema = z.looseObject({
  spec: z.looseObject({
    uuid,
    size: bytes,
    num_replicas: z.int().nonnegative(),
    status: openEnum,
    thin: z.boolean(),
    policy: z.looseObject({ self_heal: z.boolean() }).nullish(),
    num_snapshots: z.int().nonnegative().nullish(),
    labels: labels.nullish(),
    topology: z
      .looseObject({
        node_topology: z
          .looseObject({
            explicit: z
              .looseObject({ allowed_nodes: z.array(z.string()).nullish(), preferred_nodes: z.array(z.string()).nullish() })
              .nullish(),
            labelled: labelledTopologySchema.nullish(),
          })
          .nullish(),
        pool_topology: z.looseObject({ labelled: labelledTopologySchema.nullish() }).nullish(),
      })
      .nullish(),
    target: z.looseObject({ node: z.string(), protocol: openEnum.nullish() }).nullish(),
    operation: z.looseObject({ operation: openEnum, result: z.boolean().nullish() }).nullish(),
    affinity_group: z.looseObject({ id: z.string() }).nullish(),
    content_source: z.looseObject({}).nullish(),
    max_snapshots: z.number().nullish(),
  }),
  state: z.looseObject({
    uuid,
    size: bytes,
    status: openEnum,
    target: nexusSchema.nullish(),
    replica_topology: z.record(z.string(), replicaTopologySchema),
    usage: z.looseObject({ capacity: bytes.nullish(), allocated: bytes.nullish() }).nullish(),
  }),
});
export type Volume = z.infer<typeof volumeSchema>;

export const volumesPageSchema = z.looseObject({ entries: z.array(volumeSchema), next_token: z.number().nullish() });

export const poolSchema = z.looseObject({
  id: z.string().min(1),
  /** Absent: not a pool that this control plane made. */
  spec: z
    .looseObject({
      id: z.string(),
      node: z.string(),
      disks: z.array(z.string()).nullish(),
      status: openEnum,
      labels: labels.nullish(),
      cordonDrain: z
        .looseObject({
          cordoned: z
            .looseObject({
              replicas: z.boolean().nullish(),
              snapshots: z.boolean().nullish(),
              restores: z.boolean().nullish(),
              import: z.boolean().nullish(),
            })
            .nullish(),
        })
        .nullish(),
      encryption: z.unknown().nullish(),
    })
    .nullish(),
  /** Absent: the pool's node cannot be reached. */
  state: z
    .looseObject({
      id: z.string(),
      node: z.string(),
      status: openEnum,
      capacity: bytes,
      used: bytes,
      committed: bytes.nullish(),
      encrypted: z.boolean().nullish(),
      clusterSize: z.number().nullish(),
    })
    .nullish(),
});
export type Pool = z.infer<typeof poolSchema>;

const cordonLabels = z.looseObject({ cordonlabels: z.array(z.string()).nullish(), drainlabels: z.array(z.string()).nullish() });

export const nodeSchema = z.looseObject({
  id: z.string().min(1),
  spec: z
    .looseObject({
      id: z.string(),
      labels: labels.nullish(),
      cordondrainstate: z
        .looseObject({ cordonedstate: cordonLabels.nullish(), drainingstate: cordonLabels.nullish(), drainedstate: cordonLabels.nullish() })
        .nullish(),
    })
    .nullish(),
  state: z.looseObject({ id: z.string(), status: openEnum, version: z.string().nullish() }).nullish(),
});
export type Node = z.infer<typeof nodeSchema>;

export const errorBodySchema = z.looseObject({ details: z.string(), message: z.string(), kind: z.string() });

/** Which pool cordon flags a call sets or clears. */
export interface PoolCordonFlags {
  readonly replicas: boolean;
  readonly snapshots: boolean;
  readonly restores: boolean;
  readonly import: boolean;
}
