/** What Mayastor's objects say, in the words that our services ask. Pure. */
import type { Labels } from '../label-selector.ts';
import type { Node, Pool, Volume } from './schema.ts';

export function poolLabels(pool: Pool): Labels {
  return pool.spec?.labels ?? {};
}

/** False too where the pool's node cannot be reached, which Mayastor shows by leaving out the state. */
export function isPoolOnline(pool: Pool): boolean {
  return pool.state?.status === 'Online';
}

export function poolCordonedForReplicas(pool: Pool): boolean {
  return pool.spec?.cordonDrain?.cordoned?.replicas === true;
}

/** Every label that keeps new replicas off this node: of a cordon, and of a drain, which cordons too. */
export function nodeCordonLabels(node: Node): readonly string[] {
  const state = node.spec?.cordondrainstate;
  const found = [state?.cordonedstate, state?.drainingstate, state?.drainedstate].flatMap((part) => [
    ...(part?.cordonlabels ?? []),
    ...(part?.drainlabels ?? []),
  ]);
  return [...new Set(found)];
}

export function isNodeOnline(node: Node): boolean {
  return node.state?.status === 'Online';
}

/** True where the volume has a target, or should have one and its node does not answer: only a volume without either is surely idle. */
export function isPublished(volume: Volume): boolean {
  return isPresent(volume.state.target) || isPresent(volume.spec.target);
}

export interface VolumeReplica {
  readonly uuid: string;
  readonly pool: string | undefined;
  readonly node: string | undefined;
  readonly state: string;
  readonly childStatus: string | undefined;
  /** Percent. Absent: no rebuild is running. */
  readonly rebuildProgress: number | undefined;
  /** Absent before Mayastor 2.9. */
  readonly healthy: boolean | undefined;
}

/** The volume's replicas as they lie, by uuid. */
export function volumeReplicas(volume: Volume): VolumeReplica[] {
  return Object.entries(volume.state.replica_topology)
    .map(([uuid, replica]) => ({
      uuid,
      pool: replica.pool ?? undefined,
      node: replica.node ?? undefined,
      state: replica.state,
      childStatus: replica['child-status'] ?? undefined,
      rebuildProgress: replica['rebuild-progress'] ?? undefined,
      healthy: replica.healthy ?? undefined,
    }))
    .sort((a, b) => (a.uuid < b.uuid ? -1 : 1));
}

const pvPrefix = 'pvc-';

/** The `pv_name` under which Mayastor's exporter shows the volume. */
export function pvName(volumeId: string): string {
  return `${pvPrefix}${volumeId}`;
}

/** The volume id in a `pv_name`, or undefined where it is not one that Mayastor's exporter gives. */
export function volumeIdOfPvName(name: string): string | undefined {
  return name.startsWith(pvPrefix) && name.length > pvPrefix.length ? name.slice(pvPrefix.length) : undefined;
}

/**
 * One reading of "this replica is synced" (S1). The control plane's cache may lag, so a caller needs two readings at least 5 s apart.
 * An unpublished volume is never synced: without a nexus nothing copies, and older versions call an empty replica Online.
 */
export function isSynced(volume: Volume, replicaUuid: string): boolean {
  const replica = volume.state.replica_topology[replicaUuid];
  const target = volume.state.target;
  if (replica === undefined || !isPresent(target)) {
    return false;
  }
  return (
    replica.state === 'Online' &&
    replica['child-status'] === 'Online' &&
    !isPresent(replica['rebuild-progress']) &&
    replica.healthy !== false &&
    volume.state.status === 'Online' &&
    target.state === 'Online' &&
    target.rebuilds === 0 &&
    target.children.length === volume.spec.num_replicas
  );
}

function isPresent<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}
