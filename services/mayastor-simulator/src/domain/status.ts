/** States that follow from others: nothing here is stored. */
import { type Cluster, type Nexus, nodeOfReplica, type Pool, type Replica, replicasOf, type Volume } from './cluster.ts';

export function nodeOnline(cluster: Cluster, nodeId: string): boolean {
  return cluster.nodes[nodeId]?.online === true;
}

export function nodeCordoned(cluster: Cluster, nodeId: string): boolean {
  const node = cluster.nodes[nodeId];
  return node !== undefined && node.cordonLabels.length + node.drainLabels.length > 0;
}

export function poolReachable(cluster: Cluster, pool: Pool): boolean {
  return pool.online && nodeOnline(cluster, pool.node);
}

export function replicaReachable(cluster: Cluster, replica: Replica): boolean {
  const pool = cluster.pools[replica.pool];
  return pool !== undefined && poolReachable(cluster, pool) && !replica.faulted;
}

export function replicaState(cluster: Cluster, replica: Replica): 'Online' | 'Unknown' | 'Faulted' {
  if (nodeOfReplica(cluster, replica)?.online !== true) {
    return 'Unknown';
  }
  return replicaReachable(cluster, replica) ? 'Online' : 'Faulted';
}

/** The nexus where its node answers. */
export function liveNexus(cluster: Cluster, volume: Volume): Nexus | undefined {
  return volume.nexus !== undefined && nodeOnline(cluster, volume.nexus.node) ? volume.nexus : undefined;
}

export function nexusState(nexus: Nexus): 'Online' | 'Degraded' | 'Faulted' {
  if (!nexus.children.some((child) => child.state === 'Online')) {
    return 'Faulted';
  }
  return nexus.children.every((child) => child.state === 'Online') ? 'Online' : 'Degraded';
}

/** A published volume has the status of its nexus, but is not Online with too many or too few children. */
export function volumeStatus(cluster: Cluster, volume: Volume): 'Online' | 'Degraded' | 'Faulted' | 'Unknown' {
  if (volume.nexus !== undefined) {
    const nexus = liveNexus(cluster, volume);
    if (nexus === undefined) {
      return 'Unknown';
    }
    const state = nexusState(nexus);
    return state === 'Online' && nexus.children.length !== volume.numReplicas ? 'Degraded' : state;
  }
  const healthy = replicasOf(cluster, volume).filter((replica) => replica.healthy && replicaReachable(cluster, replica)).length;
  if (healthy === 0) {
    return 'Faulted';
  }
  return healthy >= volume.numReplicas && volume.replicas.length === volume.numReplicas ? 'Online' : 'Degraded';
}

/** Replicas that hold every acknowledged write and can be read now. */
export function syncedReplicas(cluster: Cluster, volume: Volume): Replica[] {
  return replicasOf(cluster, volume).filter((replica) => replica.healthy && replicaReachable(cluster, replica));
}

export function rebuildsRunning(cluster: Cluster): number {
  let running = 0;
  for (const volume of Object.values(cluster.volumes)) {
    running += volume.nexus?.children.filter((child) => child.rebuild !== undefined).length ?? 0;
  }
  return running;
}

/** Bytes that the replica takes of its pool. */
export function allocatedBytesOf(cluster: Cluster, replica: Replica): number {
  const volume = replica.volume === undefined ? undefined : cluster.volumes[replica.volume];
  if (!replica.thin || volume === undefined) {
    return replica.thin ? 0 : replica.sizeBytes;
  }
  const child = volume.nexus?.children.find(({ replica: uuid }) => uuid === replica.uuid);
  const share = replica.healthy ? 1 : (child?.copiedBytes ?? 0) / volume.sizeBytes;
  return Math.floor(volume.allocatedBytes * share);
}

export function poolUsage(cluster: Cluster, pool: Pool): { usedBytes: number; committedBytes: number; replicas: number } {
  const usage = { usedBytes: 0, committedBytes: 0, replicas: 0 };
  for (const replica of Object.values(cluster.replicas)) {
    if (replica.pool === pool.id) {
      usage.usedBytes += allocatedBytesOf(cluster, replica);
      usage.committedBytes += replica.sizeBytes;
      usage.replicas += 1;
    }
  }
  for (const snapshot of Object.values(cluster.snapshots)) {
    for (const piece of snapshot.replicas) {
      usage.usedBytes += piece.pool === pool.id ? piece.allocatedBytes : 0;
    }
  }
  return usage;
}

/** True where every key of `wanted` is there with its value; the value "" asks for the key alone. */
export function labelsSatisfy(labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => (value === '' ? labels[key] !== undefined : labels[key] === value));
}
