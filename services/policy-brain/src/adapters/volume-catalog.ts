/**
 * What is known of a volume beside what Mayastor knows: its StorageClass, its labels, and what people call it.
 *
 * Kubernetes says so where the brain reads it; otherwise Mayastor's own volume labels do, which the local stack sets.
 */
import type { Labels } from '@couchestor/shared/label-selector';
import { isPublished, poolLabels, pvName } from '@couchestor/shared/mayastor/read';
import type { Node, Pool, Volume } from '@couchestor/shared/mayastor/schema';
import type { ClaimName, Cluster, KnownVolume } from '../domain/known-volume.ts';

export interface CatalogEntry {
  readonly storageClass: string | undefined;
  readonly name: string | undefined;
  readonly labels: Labels;
  /** Where it is not `pvc-<volume id>`. */
  readonly pvName?: string;
  readonly claim?: ClaimName;
  /** Why this is not known for certain: then the volume is not decided on. */
  readonly problem?: string;
}

export interface VolumeCatalog {
  /** Why nothing that it says may be decided on; undefined where everything may. */
  readonly problem?: string | undefined;
  /** Called before each reading, of which all entries are then of one moment. */
  prepare?(): void;
  entryOf(volume: Volume): CatalogEntry;
  /** Labels of a pool that tier selectors are matched against. */
  poolLabelsOf(pool: Pool): Labels;
}

export const storageClassLabel = 'couchestor-storage-class';
export const nameLabel = 'couchestor-name';

export const mayastorLabelCatalog: VolumeCatalog = {
  entryOf({ spec }) {
    const labels = spec.labels ?? {};
    return { storageClass: labels[storageClassLabel], name: labels[nameLabel], labels };
  },
  poolLabelsOf: poolLabels,
};

export interface Reading {
  readonly volumes: readonly Volume[];
  readonly pools: readonly Pool[];
  readonly nodes: readonly Node[];
  readonly poolCordon: boolean;
}

/** Mayastor's answers joined with the catalog. */
export function clusterOf(reading: Reading, catalog: VolumeCatalog): Cluster {
  catalog.prepare?.();
  return {
    volumes: reading.volumes.map((volume) => knownVolume(volume, catalog.entryOf(volume))),
    pools: reading.pools,
    nodes: reading.nodes,
    poolLabels: new Map(reading.pools.map((pool) => [pool.id, catalog.poolLabelsOf(pool)])),
    poolCordon: reading.poolCordon,
  };
}

function knownVolume(mayastor: Volume, entry: CatalogEntry): KnownVolume {
  const { spec, state } = mayastor;
  const pv = entry.pvName ?? pvName(spec.uuid);
  return {
    id: spec.uuid,
    pvName: pv,
    name: entry.name ?? pv,
    storageClass: entry.storageClass,
    labels: entry.labels,
    ...(entry.claim === undefined ? {} : { claim: entry.claim }),
    ...(entry.problem === undefined ? {} : { catalogProblem: entry.problem }),
    sizeBytes: spec.size,
    numReplicas: spec.num_replicas,
    // What the control plane is about to remove is not Online in any sense that matters here.
    status: spec.status === 'Created' ? state.status : spec.status,
    published: isPublished(mayastor),
    replicas: Object.values(state.replica_topology).map((replica) => ({
      pool: replica.pool ?? undefined,
      node: replica.node ?? undefined,
      state: replica.state,
    })),
    mayastor,
  };
}
