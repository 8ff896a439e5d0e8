/**
 * The nexus: which replicas are its children, which hold all data, which are being rebuilt.
 *
 * A write goes to every Online child and to the part of a rebuilding one that is copied already. A child that misses a write loses its
 * healthy mark at once, unless it is the last healthy one: then the nexus is faulted, nothing can be written, and nothing is missed.
 */
import {
  type Child,
  type Cluster,
  childOf,
  type Nexus,
  type RebuildRecord,
  type Replica,
  replicasOf,
  type Turn,
  type Volume,
} from './cluster.ts';
import { nextUuid } from './random.ts';
import { liveNexus, replicaReachable } from './status.ts';

const rebuildRecordsMax = 32;

/** Makes a target on the node, of all replicas that can be reached. The caller has checked that a healthy one can. */
export function createNexus(turn: Turn, volume: Volume, nodeId: string): Nexus {
  const { cluster } = turn;
  const nexus: Nexus = {
    uuid: nextUuid(cluster.random),
    node: nodeId,
    children: [],
    incarnation: 0,
    createdAtMs: cluster.nowMs,
    failoverAtMs: undefined,
  };
  volume.nexus = nexus;
  const reachable = replicasOf(cluster, volume).filter((replica) => replicaReachable(cluster, replica));
  for (const replica of replicasOf(cluster, volume)) {
    if (!reachable.includes(replica)) {
      // This target will take writes that the replica does not see.
      replica.healthy = false;
    } else if (replica.healthy) {
      nexus.children.push(onlineChild(volume, replica));
    }
  }
  for (const replica of reachable.filter(({ healthy }) => !healthy)) {
    attachForRebuild(turn, volume, replica);
  }
  return nexus;
}

/** Drops the target. Replicas that were being rebuilt stay behind, unhealthy. */
export function destroyNexus(turn: Turn, volume: Volume): void {
  for (const child of volume.nexus?.children ?? []) {
    endRebuild(turn, volume, child, 'Stopped');
  }
  volume.nexus = undefined;
}

/** Adds the replica to the nexus and starts a full rebuild. Without a healthy source the child is there, but faulted. */
export function attachForRebuild(turn: Turn, volume: Volume, replica: Replica): void {
  const { cluster } = turn;
  const nexus = volume.nexus;
  if (nexus === undefined) {
    throw new Error(`volume ${volume.uuid} has no nexus to attach to`);
  }
  replica.healthy = false;
  let child = childOf(volume, replica.uuid);
  if (child === undefined) {
    child = onlineChild(volume, replica);
    nexus.children.push(child);
  }
  child.copiedBytes = 0;
  const source = sourceFor(cluster, volume, child);
  if (source === undefined) {
    faultNow(child, undefined, cluster.nowMs);
    return;
  }
  child.state = 'Degraded';
  child.reason = undefined;
  child.faultedAtMs = undefined;
  child.rebuild = { source, startedAtMs: cluster.nowMs, baseBytes: 0, sinceMs: cluster.nowMs };
  turn.effects.push({ kind: 'rebuild-started', volume: volume.uuid, replica: replica.uuid, source });
}

/** Takes the replica out of the nexus, ending its rebuild. */
export function detachChild(turn: Turn, volume: Volume, replicaUuid: string): void {
  const child = childOf(volume, replicaUuid);
  if (volume.nexus === undefined || child === undefined) {
    return;
  }
  endRebuild(turn, volume, child, 'Stopped');
  volume.nexus.children = volume.nexus.children.filter((other) => other !== child);
  findNewSources(turn, volume);
}

/** The rebuild of the child is through: it holds all data. */
export function completeRebuild(turn: Turn, volume: Volume, child: Child): void {
  endRebuild(turn, volume, child, 'Completed');
  child.state = 'Online';
  child.copiedBytes = volume.sizeBytes;
  const replica = turn.cluster.replicas[child.replica];
  if (replica !== undefined) {
    replica.healthy = true;
  }
}

/** The replica can no longer be written. */
export function loseReplica(turn: Turn, volume: Volume, replica: Replica, reason: string | undefined): void {
  const child = childOf(volume, replica.uuid);
  if (child === undefined || child.state === 'Faulted' || liveNexus(turn.cluster, volume) === undefined) {
    return;
  }
  endRebuild(turn, volume, child, 'Failed');
  const lastHealthy = child.state === 'Online' && !volume.nexus?.children.some((other) => other !== child && other.state === 'Online');
  faultNow(child, reason, turn.cluster.nowMs);
  if (!lastHealthy) {
    replica.healthy = false;
    child.copiedBytes = 0;
  }
  findNewSources(turn, volume);
}

/** Brings a faulted child back: at once where it missed nothing, by a rebuild otherwise. */
export function reviveChild(turn: Turn, volume: Volume, child: Child): void {
  const replica = turn.cluster.replicas[child.replica];
  if (replica === undefined || child.state !== 'Faulted' || !replicaReachable(turn.cluster, replica)) {
    return;
  }
  if (replica.healthy) {
    child.state = 'Online';
    child.reason = undefined;
    child.faultedAtMs = undefined;
    child.copiedBytes = volume.sizeBytes;
  } else if (sourceFor(turn.cluster, volume, child) !== undefined) {
    attachForRebuild(turn, volume, replica);
  }
}

/** Where the copy stands at a time: whole blocks, by the rebuild rate. */
export function copiedAt(cluster: Cluster, volume: Volume, child: Child, atMs: number): number {
  if (child.rebuild === undefined) {
    return child.copiedBytes;
  }
  const { baseBytes, sinceMs } = child.rebuild;
  const copied = baseBytes + (cluster.settings.rebuildBytesPerSecond * Math.max(0, atMs - sinceMs)) / 1_000;
  return copied >= volume.sizeBytes ? volume.sizeBytes : Math.max(child.copiedBytes, Math.floor(copied / 4096) * 4096);
}

export function rebuildEndsAtMs(cluster: Cluster, volume: Volume, rebuild: NonNullable<Child['rebuild']>): number {
  return rebuild.sinceMs + Math.ceil(((volume.sizeBytes - rebuild.baseBytes) * 1_000) / cluster.settings.rebuildBytesPerSecond);
}

function endRebuild(turn: Turn, volume: Volume, child: Child, state: RebuildRecord['state']): void {
  if (child.rebuild === undefined) {
    return;
  }
  const { source, startedAtMs } = child.rebuild;
  const bytesCopied = state === 'Completed' ? volume.sizeBytes : child.copiedBytes;
  volume.rebuilds.push({
    replica: child.replica,
    source,
    state,
    bytesTotal: volume.sizeBytes,
    bytesCopied,
    startedAtMs,
    endedAtMs: turn.cluster.nowMs,
  });
  volume.rebuilds = volume.rebuilds.slice(-rebuildRecordsMax);
  child.rebuild = undefined;
  turn.effects.push({ kind: 'rebuild-ended', volume: volume.uuid, replica: child.replica, state });
}

/** Rebuilds that copied from a child which is gone go on from another healthy one, or fail. */
function findNewSources(turn: Turn, volume: Volume): void {
  for (const child of volume.nexus?.children ?? []) {
    const rebuild = child.rebuild;
    if (rebuild === undefined || isSource(turn.cluster, volume, rebuild.source)) {
      continue;
    }
    const source = sourceFor(turn.cluster, volume, child);
    if (source === undefined) {
      endRebuild(turn, volume, child, 'Failed');
      faultNow(child, undefined, turn.cluster.nowMs);
      child.copiedBytes = 0;
    } else {
      child.rebuild = { source, startedAtMs: rebuild.startedAtMs, baseBytes: child.copiedBytes, sinceMs: turn.cluster.nowMs };
    }
  }
}

function sourceFor(cluster: Cluster, volume: Volume, target: Child): string | undefined {
  return volume.nexus?.children.find((child) => child !== target && isSource(cluster, volume, child.replica))?.replica;
}

function isSource(cluster: Cluster, volume: Volume, replicaUuid: string): boolean {
  const replica = cluster.replicas[replicaUuid];
  return childOf(volume, replicaUuid)?.state === 'Online' && replica !== undefined && replicaReachable(cluster, replica);
}

function faultNow(child: Child, reason: string | undefined, nowMs: number): void {
  child.state = 'Faulted';
  child.reason = reason;
  child.faultedAtMs = nowMs;
}

function onlineChild(volume: Volume, replica: Replica): Child {
  return {
    replica: replica.uuid,
    state: 'Online',
    reason: undefined,
    faultedAtMs: undefined,
    copiedBytes: volume.sizeBytes,
    rebuild: undefined,
  };
}
