/** Mayastor's JSON. Specs are always the present ones; states may come from an earlier look at the nodes. */
import {
  type Child,
  type Cluster,
  childOf,
  type Nexus,
  type Node,
  nodeOfReplica,
  type Observed,
  type Pool,
  type Replica,
  replicasOf,
  type Volume,
} from './cluster.ts';
import { uuidOfName } from './random.ts';
import {
  allocatedBytesOf,
  liveNexus,
  nexusState,
  poolReachable,
  poolUsage,
  replicaReachable,
  replicaState,
  volumeStatus,
} from './status.ts';

type Json = Record<string, unknown>;
type Seen = Observed | undefined;

/** One look at all nodes. */
export function observe(cluster: Cluster): Observed {
  const entries = <T>(records: Record<string, T>, view: (record: T) => unknown) =>
    Object.fromEntries(Object.entries(records).map(([id, record]) => [id, view(record)]));
  return {
    volumes: entries(cluster.volumes, (volume) => volumeState(cluster, volume)),
    pools: entries(cluster.pools, (pool) => poolState(cluster, pool) ?? null),
    nodes: entries(cluster.nodes, nodeState),
    replicas: entries(
      Object.fromEntries(Object.entries(cluster.replicas).filter(([, replica]) => nodeOfReplica(cluster, replica)?.online === true)),
      (replica) => replicaJson(cluster, replica),
    ),
    nexuses: Object.fromEntries(
      Object.values(cluster.volumes).flatMap((volume) => {
        const nexus = liveNexus(cluster, volume);
        return nexus === undefined ? [] : [[nexus.uuid, nexusJson(cluster, volume, nexus)]];
      }),
    ),
  };
}

export function volumeJson(cluster: Cluster, volume: Volume, seen?: Seen): Json {
  return { spec: volumeSpec(cluster, volume), state: seen?.volumes[volume.uuid] ?? volumeState(cluster, volume) };
}

export function volumeSpec(cluster: Cluster, volume: Volume): Json {
  const { topology } = volume;
  const labelled = (inclusion: Json, exclusion: Json = {}) => ({ labelled: { exclusion, inclusion, affinity_key: [] } });
  const nodeTopology =
    topology?.allowedNodes !== undefined
      ? { explicit: { allowed_nodes: topology.allowedNodes, preferred_nodes: topology.preferredNodes ?? [] } }
      : labelled(topology?.nodeInclusion ?? {}, Object.fromEntries((topology?.nodeSpread ?? []).map((key) => [key, ''])));
  return {
    uuid: volume.uuid,
    size: volume.sizeBytes,
    num_replicas: volume.numReplicas,
    status: 'Created',
    policy: { self_heal: volume.selfHeal },
    thin: volume.thin,
    num_snapshots: Object.values(cluster.snapshots).filter((snapshot) => snapshot.volume === volume.uuid).length,
    ...(Object.keys(volume.labels).length > 0 && { labels: volume.labels }),
    ...(topology !== undefined && {
      topology: { node_topology: nodeTopology, pool_topology: labelled(topology.poolInclusion, topology.poolExclusion) },
    }),
    ...(volume.nexus !== undefined && {
      target: {
        node: volume.nexus.node,
        protocol: 'nvmf',
        frontend_nodes: volume.frontendNodes.map((name) => ({ name, nqn: hostNqn(name) })),
      },
    }),
    ...(volume.operation !== undefined && { operation: { operation: volume.operation.operation } }),
    ...(volume.affinityGroup !== undefined && { affinity_group: { id: volume.affinityGroup } }),
    ...(volume.maxSnapshots !== undefined && { max_snapshots: volume.maxSnapshots }),
  };
}

export function volumeState(cluster: Cluster, volume: Volume): Json {
  const nexus = liveNexus(cluster, volume);
  const replicas = replicasOf(cluster, volume);
  const healthy = replicas.filter((replica) => replica.healthy);
  const onlineHealthy = healthy.filter((replica) => replicaReachable(cluster, replica)).length;
  const allocated = replicas.map((replica) => allocatedBytesOf(cluster, replica));
  const snapshots = Object.values(cluster.snapshots).filter((snapshot) => snapshot.volume === volume.uuid);
  const snapshotBytes = snapshots.flatMap((snapshot) => snapshot.replicas.map((piece) => piece.allocatedBytes)).reduce(sum, 0);
  return {
    uuid: volume.uuid,
    size: volume.sizeBytes,
    status: volumeStatus(cluster, volume),
    ...(nexus !== undefined && { target: nexusJson(cluster, volume, nexus) }),
    replica_topology: Object.fromEntries(replicas.map((replica) => [replica.uuid, replicaTopology(cluster, volume, replica)])),
    usage: {
      capacity: volume.sizeBytes,
      allocated: Math.max(0, ...allocated),
      allocated_replica: Math.max(0, ...allocated),
      allocated_snapshots: snapshotBytes,
      allocated_all_snapshots: snapshotBytes,
      total_allocated: allocated.reduce(sum, 0) + snapshotBytes,
      total_allocated_replicas: allocated.reduce(sum, 0),
      total_allocated_snapshots: snapshotBytes,
    },
    health: {
      cleanShutdown: volume.nexus === undefined,
      healthyReplicas: healthy.length,
      cleanReplicas: healthy.length,
      onlineHealthyReplicas: onlineHealthy,
      onlineCleanReplicas: onlineHealthy,
    },
  };
}

function replicaTopology(cluster: Cluster, volume: Volume, replica: Replica): Json {
  const child = liveNexus(cluster, volume) === undefined ? undefined : childOf(volume, replica.uuid);
  const state = replicaState(cluster, replica);
  const placed = state !== 'Unknown' || cluster.quirks.unreachableReplicaKeepsPlace;
  return {
    state,
    ...(placed && { node: cluster.pools[replica.pool]?.node, pool: replica.pool }),
    ...(child !== undefined && { 'child-status': child.state }),
    ...(child?.reason !== undefined && { 'child-status-reason': child.reason }),
    ...(child?.rebuild !== undefined && { 'rebuild-progress': rebuildPercent(volume, child) }),
    usage: {
      capacity: replica.sizeBytes,
      allocated: allocatedBytesOf(cluster, replica),
      allocated_snapshots: 0,
      allocated_all_snapshots: 0,
    },
    healthy: replica.healthy,
    encrypted: cluster.pools[replica.pool]?.encrypted ?? false,
  };
}

export function nexusJson(cluster: Cluster, volume: Volume, nexus: Nexus): Json {
  return {
    uuid: nexus.uuid,
    node: nexus.node,
    size: volume.sizeBytes,
    state: nexusState(nexus),
    protocol: 'nvmf',
    deviceUri: `nvmf://${addressOf(cluster, nexus.node)}:8420/nqn.2019-05.io.openebs:${volume.uuid}`,
    rebuilds: nexus.children.filter((child) => child.rebuild !== undefined).length,
    children: nexus.children.map((child) => childJson(cluster, volume, nexus, child)),
  };
}

export function childJson(cluster: Cluster, volume: Volume, nexus: Nexus, child: Child): Json {
  return {
    uri: childUri(cluster, nexus, child.replica),
    state: child.state,
    ...(child.reason !== undefined && { state_reason: child.reason }),
    ...(child.rebuild !== undefined && { rebuildProgress: rebuildPercent(volume, child) }),
  };
}

/** How a nexus names a replica: a local device where it lies on the nexus node. */
export function childUri(cluster: Cluster, nexus: Nexus, replicaUuid: string): string {
  const replica = cluster.replicas[replicaUuid];
  const node = replica === undefined ? undefined : nodeOfReplica(cluster, replica)?.id;
  return node === nexus.node ? `bdev:///${replicaUuid}?uuid=${replicaUuid}` : remoteUri(cluster, replicaUuid, node);
}

export function replicaJson(cluster: Cluster, replica: Replica): Json {
  const pool = cluster.pools[replica.pool];
  const volume = replica.volume === undefined ? undefined : cluster.volumes[replica.volume];
  const shared = volume?.nexus !== undefined && volume.nexus.node !== pool?.node;
  const clusterSize = pool?.clusterSizeBytes ?? 4 * 1024 * 1024;
  const allocated = allocatedBytesOf(cluster, replica);
  return {
    uuid: replica.uuid,
    node: pool?.node ?? '',
    pool: replica.pool,
    poolUuid: pool === undefined ? '' : poolUuid(pool),
    share: shared ? 'nvmf' : 'none',
    size: replica.sizeBytes,
    state: replicaState(cluster, replica),
    thin: replica.thin,
    uri: shared ? remoteUri(cluster, replica.uuid, pool?.node) : `bdev:///${replica.uuid}?uuid=${replica.uuid}`,
    kind: 'Regular',
    space: {
      capacity_bytes: replica.sizeBytes,
      allocated_bytes: allocated,
      allocated_bytes_snapshots: 0,
      allocated_bytes_all_snapshots: 0,
      cluster_size: clusterSize,
      clusters: Math.ceil(replica.sizeBytes / clusterSize),
      allocated_clusters: Math.ceil(allocated / clusterSize),
    },
  };
}

export function poolJson(cluster: Cluster, pool: Pool, seen?: Seen): Json {
  const state = seen !== undefined && pool.id in seen.pools ? seen.pools[pool.id] : poolState(cluster, pool);
  return { id: pool.id, spec: poolSpec(cluster, pool), ...(state !== undefined && state !== null && { state }) };
}

export function poolSpec(cluster: Cluster, pool: Pool): Json {
  const cordoned = Object.values(pool.cordon).some(Boolean);
  return {
    id: pool.id,
    node: pool.node,
    disks: pool.disks,
    status: 'Created',
    labels: pool.labels,
    ...(cluster.settings.mayastorVersion === '2.10' && cordoned && { cordonDrain: { cordoned: pool.cordon } }),
  };
}

export function poolState(cluster: Cluster, pool: Pool): Json | undefined {
  if (cluster.nodes[pool.node]?.online !== true) {
    return undefined;
  }
  const { usedBytes, committedBytes } = poolUsage(cluster, pool);
  return {
    id: pool.id,
    node: pool.node,
    disks: pool.disks,
    status: poolReachable(cluster, pool) ? 'Online' : 'Faulted',
    capacity: pool.capacityBytes,
    used: usedBytes,
    committed: committedBytes,
    encrypted: pool.encrypted,
    ...(cluster.settings.mayastorVersion === '2.10' && {
      clusterSize: pool.clusterSizeBytes,
      diskCapacity: pool.capacityBytes,
      maxExpandableSize: pool.capacityBytes,
    }),
  };
}

export function nodeJson(cluster: Cluster, node: Node, seen?: Seen): Json {
  const grpcEndpoint = `${addressOf(cluster, node.id)}:10124`;
  const drain = node.drainLabels.length > 0 && { drainedstate: { cordonlabels: node.cordonLabels, drainlabels: node.drainLabels } };
  const cordon = node.cordonLabels.length > 0 && { cordonedstate: { cordonlabels: node.cordonLabels } };
  const common = { id: node.id, grpcEndpoint, node_nqn: hostNqn(node.id), version: `v${cluster.settings.mayastorVersion}.0` };
  const state = (seen?.nodes[node.id] ?? nodeState(node)) as Json;
  return {
    id: node.id,
    spec: { ...common, labels: node.labels, ...((drain || cordon) && { cordondrainstate: drain || cordon }) },
    state: { ...common, ...state },
  };
}

function nodeState(node: Node): Json {
  return { status: node.online ? 'Online' : 'Offline' };
}

function rebuildPercent(volume: Volume, child: Child): number {
  return Math.floor((child.copiedBytes * 100) / volume.sizeBytes);
}

function remoteUri(cluster: Cluster, replicaUuid: string, node: string | undefined): string {
  return `nvmf://${addressOf(cluster, node)}:8420/nqn.2019-05.io.openebs:${replicaUuid}?uuid=${replicaUuid}`;
}

function addressOf(cluster: Cluster, node: string | undefined): string {
  return `10.1.0.${Object.keys(cluster.nodes).indexOf(node ?? '') + 1}`;
}

export function poolUuid(pool: Pool): string {
  return uuidOfName(`pool ${pool.id}`);
}

function hostNqn(name: string): string {
  return `nqn.2019-05.io.openebs:node-name:${name}`;
}

function sum(a: number, b: number): number {
  return a + b;
}
