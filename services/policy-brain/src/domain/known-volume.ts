/** A volume and the cluster around it as the brain read them from Mayastor, once per round. */
import type { Labels } from '@couchestor/shared/label-selector';
import type { Node, Pool, Volume } from '@couchestor/shared/mayastor/schema';

export interface KnownReplica {
  /** Undefined where Mayastor does not know: the node is lost. */
  readonly pool: string | undefined;
  readonly node: string | undefined;
  readonly state: string;
}

/** The PersistentVolumeClaim that is bound to a volume. */
export interface ClaimName {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface KnownVolume {
  readonly id: string;
  readonly pvName: string;
  /** What people call it; the PV name where nobody named it. */
  readonly name: string;
  readonly storageClass: string | undefined;
  readonly labels: Labels;
  readonly claim?: ClaimName;
  /** Why StorageClass and labels are not known for certain; absent where they are. */
  readonly catalogProblem?: string;
  readonly sizeBytes: number;
  readonly numReplicas: number;
  readonly status: string;
  readonly published: boolean;
  readonly replicas: readonly KnownReplica[];
  /** As Mayastor answered it, for the rules of placement. */
  readonly mayastor: Volume;
}

export interface Cluster {
  readonly volumes: readonly KnownVolume[];
  readonly pools: readonly Pool[];
  readonly nodes: readonly Node[];
  /** Labels of each pool that tier selectors are matched against, from wherever they come. */
  readonly poolLabels: ReadonlyMap<string, Labels>;
  /** Whether this Mayastor can cordon a pool, without which the migrator refuses every move. */
  readonly poolCordon: boolean;
}
