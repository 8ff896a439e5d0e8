/**
 * The state of a simulated Mayastor cluster: plain data, so that it is cloned, stored and compared as JSON.
 *
 * The functions of this folder change a cluster in place and say what must happen to the replica files as effects. They read no clock, draw
 * no randomness but from the cluster's own generator and do no I/O: the same cluster, requests and times always give the same answers.
 */
import type { Random } from './random.ts';
import type { Fault, LateCall } from './request.ts';

export const reservedPoolKey = 'openebs.io/created-by';
export const reservedPoolValue = 'operator-diskpool';

export type Labels = Record<string, string>;
export type MayastorVersion = '2.10' | '2.9';

export interface Settings {
  readonly mayastorVersion: MayastorVersion;
  rebuildBytesPerSecond: number;
  readonly rebuildsMax: number | undefined;
  readonly cacheLagMs: number;
  readonly operationMs: number;
  readonly reconcileMs: number;
  readonly faultedChildWaitMs: number;
  readonly failoverMs: number;
}

/** What the facts about Mayastor leave open. Chosen by the seed, so that nothing may come to depend on one reading of them. */
export interface Quirks {
  /** Whether a replica on a cordoned node goes before one whose pool no longer fits the topology. */
  readonly cordonedNodeBeforeTopology: boolean;
  /** Whether a replica on a cordoned pool is preferred for removal at all. */
  readonly cordonedPoolPreferred: boolean;
  /** Whether replica_topology still names node and pool of a replica whose node is down. */
  readonly unreachableReplicaKeepsPlace: boolean;
}

export interface Node {
  readonly id: string;
  online: boolean;
  labels: Labels;
  cordonLabels: string[];
  drainLabels: string[];
  readonly rebuildsSnapshots: boolean;
}

export interface PoolCordon {
  replicas: boolean;
  snapshots: boolean;
  restores: boolean;
  import: boolean;
}

export interface Pool {
  readonly id: string;
  readonly node: string;
  readonly disks: string[];
  capacityBytes: number;
  readonly clusterSizeBytes: number;
  readonly encrypted: boolean;
  online: boolean;
  labels: Labels;
  cordon: PoolCordon;
}

export interface Replica {
  readonly uuid: string;
  readonly pool: string;
  /** Absent: nobody's (made by hand, or waiting to be collected). */
  volume: string | undefined;
  /** Disowned by its volume: destroyed as soon as its pool can be reached. */
  garbage: boolean;
  sizeBytes: number;
  readonly thin: boolean;
  /** Holds all acknowledged writes, by the information that the nexus persists. */
  healthy: boolean;
  /** Broken for good: it stays unreadable until it is replaced. */
  faulted: boolean;
}

export interface Rebuild {
  readonly source: string;
  readonly startedAtMs: number;
  /** Where the copy stood at `sinceMs`; from there it advances at the rebuild rate. */
  baseBytes: number;
  sinceMs: number;
}

export interface Child {
  readonly replica: string;
  /** Degraded = being rebuilt. */
  state: 'Online' | 'Degraded' | 'Faulted';
  reason: string | undefined;
  faultedAtMs: number | undefined;
  /** Bytes from the start of the volume that this child holds. The volume's size unless it is being rebuilt. */
  copiedBytes: number;
  rebuild: Rebuild | undefined;
}

export interface Nexus {
  readonly uuid: string;
  node: string;
  children: Child[];
  /** Raised when its engine restarts: counters begin anew. */
  incarnation: number;
  readonly createdAtMs: number;
  /** When another node takes over, while the target's node is down. */
  failoverAtMs: number | undefined;
}

export interface RebuildRecord {
  readonly replica: string;
  readonly source: string;
  readonly state: 'Completed' | 'Stopped' | 'Failed';
  readonly bytesTotal: number;
  readonly bytesCopied: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

export interface Topology {
  poolInclusion: Labels;
  poolExclusion: Labels;
  allowedNodes: string[] | undefined;
  preferredNodes: string[] | undefined;
  nodeInclusion: Labels;
  /** Node label keys of which two replicas may not share a value. */
  nodeSpread: string[];
}

export interface Volume {
  readonly uuid: string;
  sizeBytes: number;
  numReplicas: number;
  /** num_replicas when the volume came into being: what `underReplicatedMs` is measured against. */
  readonly replicasFloor: number;
  readonly thin: boolean;
  readonly selfHeal: boolean;
  readonly labels: Labels;
  readonly topology: Topology | undefined;
  readonly affinityGroup: string | undefined;
  maxSnapshots: number | undefined;
  /** Replicas that the volume owns, oldest first. */
  replicas: string[];
  nexus: Nexus | undefined;
  frontendNodes: string[];
  operation: { readonly operation: string; readonly endsAtMs: number } | undefined;
  allocatedBytes: number;
  rebuilds: RebuildRecord[];
}

export interface Snapshot {
  readonly uuid: string;
  readonly volume: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  readonly replicas: { readonly uuid: string; readonly replica: string; readonly pool: string; readonly allocatedBytes: number }[];
}

/** The parts of Mayastor's answers that come from its nodes, as they were at one look. */
export interface Observed {
  readonly volumes: Readonly<Record<string, unknown>>;
  /** Null: the pool's node did not answer. */
  readonly pools: Readonly<Record<string, unknown>>;
  readonly nodes: Readonly<Record<string, unknown>>;
  readonly replicas: Readonly<Record<string, unknown>>;
  readonly nexuses: Readonly<Record<string, unknown>>;
}

export interface FaultRecord {
  readonly id: number;
  readonly fault: Fault;
  passed: number;
  hits: number;
  /** What a stale GET shows. */
  readonly frozen: Observed | undefined;
}

export interface Cluster {
  readonly settings: Settings;
  readonly quirks: Quirks;
  readonly random: Random;
  nowMs: number;
  /** Raised by every change but the plain progress of rebuilds: what is stored must be stored again. */
  revision: number;
  readonly nodes: Record<string, Node>;
  readonly pools: Record<string, Pool>;
  readonly volumes: Record<string, Volume>;
  readonly replicas: Record<string, Replica>;
  readonly snapshots: Record<string, Snapshot>;
  readonly faults: { nextId: number; list: FaultRecord[] };
  readonly late: { nextTicket: number; calls: LateCall[] };
  /** The state as the control plane saw it at its last look. Absent without a cache lag. */
  observed: Observed | undefined;
  nextObserveMs: number;
  nextReconcileMs: number;
  /** Time during which some published volume had fewer synced replicas than its floor. */
  underReplicatedMs: number;
}

/** What must happen to the files and to waiting callers, in this order. */
export type Effect =
  | { readonly kind: 'volume-created'; readonly volume: string; readonly sizeBytes: number }
  | { readonly kind: 'volume-resized'; readonly volume: string; readonly sizeBytes: number }
  | { readonly kind: 'volume-deleted'; readonly volume: string }
  | { readonly kind: 'replica-created'; readonly replica: string; readonly sizeBytes: number }
  | { readonly kind: 'replica-resized'; readonly replica: string; readonly sizeBytes: number }
  /** What the replica held is stale: it is emptied before the copy begins. */
  | { readonly kind: 'rebuild-started'; readonly volume: string; readonly replica: string; readonly source: string }
  | {
      readonly kind: 'rebuild-copied';
      readonly volume: string;
      readonly replica: string;
      readonly source: string;
      readonly fromByte: number;
      readonly toByte: number;
    }
  | { readonly kind: 'rebuild-ended'; readonly volume: string; readonly replica: string; readonly state: RebuildRecord['state'] }
  | { readonly kind: 'replica-deleted'; readonly replica: string }
  /** The true answer of a call that was answered `later`. */
  | { readonly kind: 'answered'; readonly ticket: number; readonly status: number; readonly body: unknown };

/** One change of a cluster in hand: its state and the effects so far. */
export interface Turn {
  readonly cluster: Cluster;
  readonly effects: Effect[];
}

/** A copy that shares nothing with the original. */
export function cloneCluster(cluster: Cluster): Cluster {
  return structuredClone(cluster);
}

export function nodeOfReplica(cluster: Cluster, replica: Replica): Node | undefined {
  const pool = cluster.pools[replica.pool];
  return pool === undefined ? undefined : cluster.nodes[pool.node];
}

/** The replicas that the volume owns. */
export function replicasOf(cluster: Cluster, volume: Volume): Replica[] {
  return volume.replicas.flatMap((uuid) => cluster.replicas[uuid] ?? []);
}

export function childOf(volume: Volume, replicaUuid: string): Child | undefined {
  return volume.nexus?.children.find((child) => child.replica === replicaUuid);
}
