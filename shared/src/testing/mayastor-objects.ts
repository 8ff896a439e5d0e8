/** Mayastor's objects for tests: whole and healthy unless told otherwise. One pool lies on each node unless told otherwise. */
import type { Node, Pool, Volume } from '../mayastor/schema.ts';
import type { World } from '../placement/world.ts';
import { someVolumeId } from './facts.ts';

const gibibyte = 1024 ** 3;

export interface PoolInput {
  readonly id: string;
  /** Default: `node-` and the pool's id. */
  readonly node?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly capacity?: number;
  readonly used?: number;
  readonly committed?: number;
  readonly cordoned?: boolean;
  /** `unreachable`: the pool's node does not answer. */
  readonly status?: 'Online' | 'Degraded' | 'Faulted' | 'unreachable';
  readonly encrypted?: boolean;
  readonly clusterSize?: number;
}

export function aPool(o: PoolInput): Pool {
  const { id, node = `node-${o.id}`, status = 'Online', capacity = 100 * gibibyte, used = 0 } = o;
  const { committed = used, encrypted = false, clusterSize = 4 * 1024 ** 2 } = o;
  const cordoned = { replicas: true, snapshots: false, restores: false, import: false };
  return {
    id,
    spec: {
      id,
      node,
      status: 'Created',
      labels: { 'openebs.io/created-by': 'operator-diskpool', ...o.labels },
      ...(o.cordoned ? { cordonDrain: { cordoned } } : {}),
    },
    ...(status === 'unreachable' ? {} : { state: { id, node, status, capacity, used, committed, encrypted, clusterSize } }),
  };
}

export function aNode(
  id: string,
  o: { labels?: Readonly<Record<string, string>>; cordons?: readonly string[]; online?: boolean } = {},
): Node {
  const { labels = {}, cordons = [], online = true } = o;
  return {
    id,
    spec: { id, labels, ...(cordons.length > 0 ? { cordondrainstate: { cordonedstate: { cordonlabels: [...cordons] } } } : {}) },
    state: { id, status: online ? 'Online' : 'Offline' },
  };
}

export interface ReplicaInput {
  readonly uuid: string;
  /** Absent: Mayastor does not say where it lies. */
  readonly pool?: string | undefined;
  /** Default: `node-` and the pool's id. */
  readonly node?: string;
  readonly state?: string;
  readonly childStatus?: string | undefined;
  readonly rebuildProgress?: number | undefined;
  readonly healthy?: boolean | undefined;
  readonly allocated?: number;
}

export interface VolumeInput {
  readonly uuid?: string;
  readonly replicas: readonly ReplicaInput[];
  /** Default: as many as there are replicas. */
  readonly numReplicas?: number;
  readonly size?: number;
  readonly thin?: boolean;
  readonly status?: string;
  readonly published?: boolean;
  readonly targetState?: string;
  readonly rebuilds?: number;
  readonly children?: number;
  readonly operation?: string;
  readonly snapshots?: number;
  readonly clone?: boolean;
  readonly affinityGroup?: string;
  readonly poolInclusion?: Readonly<Record<string, string>>;
  readonly nodeInclusion?: Readonly<Record<string, string>>;
  readonly spreadKeys?: readonly string[];
  readonly allowedNodes?: readonly string[];
}

export function aVolume(o: VolumeInput): Volume {
  const { uuid = someVolumeId, size = gibibyte, status = 'Online', published = true, replicas } = o;
  const rebuilds = o.rebuilds ?? replicas.filter(({ rebuildProgress }) => rebuildProgress !== undefined).length;
  const children = o.children ?? replicas.length;
  const nodeTopology =
    o.allowedNodes === undefined
      ? {
          labelled: {
            inclusion: { ...o.nodeInclusion },
            exclusion: Object.fromEntries((o.spreadKeys ?? []).map((key) => [key, ''])),
            affinity_key: [],
          },
        }
      : { explicit: { allowed_nodes: [...o.allowedNodes], preferred_nodes: [] } };
  return {
    spec: {
      uuid,
      size,
      num_replicas: o.numReplicas ?? replicas.length,
      status: 'Created',
      thin: o.thin ?? false,
      policy: { self_heal: true },
      num_snapshots: o.snapshots ?? 0,
      topology: {
        node_topology: nodeTopology,
        pool_topology: { labelled: { inclusion: { ...o.poolInclusion }, exclusion: {}, affinity_key: [] } },
      },
      ...(published ? { target: { node: 'node-target', protocol: 'nvmf' } } : {}),
      ...(o.operation === undefined ? {} : { operation: { operation: o.operation } }),
      ...(o.affinityGroup === undefined ? {} : { affinity_group: { id: o.affinityGroup } }),
      ...(o.clone ? { content_source: { snapshot: {} } } : {}),
    },
    state: {
      uuid,
      size,
      status,
      ...(published ? { target: aNexus({ size, state: o.targetState ?? 'Online', rebuilds, children }) } : {}),
      replica_topology: Object.fromEntries(replicas.map((replica) => [replica.uuid, replicaTopology(replica, { size, published })])),
    },
  };
}

/** A volume among its pools and nodes: each node that a pool or replica names is there, Online. */
export function aWorld(o: { volume: VolumeInput; pools: readonly PoolInput[]; nodes?: readonly Node[] }): World {
  const pools = o.pools.map(aPool);
  const given = o.nodes ?? [];
  const named = new Set([...pools.map((pool) => pool.spec?.node ?? ''), ...o.volume.replicas.flatMap(nodeOfReplica)]);
  const missing = [...named].filter((id) => id !== '' && given.every((node) => node.id !== id)).map((id) => aNode(id));
  return { volume: aVolume(o.volume), pools, nodes: [...given, ...missing] };
}

function nodeOfReplica({ pool, node }: ReplicaInput): string[] {
  return pool === undefined ? [] : [node ?? `node-${pool}`];
}

function replicaTopology(replica: ReplicaInput, volume: { size: number; published: boolean }): Volume['state']['replica_topology'][string] {
  const { pool, state = 'Online', rebuildProgress, allocated = volume.size } = replica;
  const childStatus = 'childStatus' in replica ? replica.childStatus : volume.published ? 'Online' : undefined;
  const healthy = 'healthy' in replica ? replica.healthy : true;
  const [node] = nodeOfReplica(replica);
  return {
    state,
    ...(pool === undefined ? {} : { pool, node }),
    ...(childStatus === undefined ? {} : { 'child-status': childStatus }),
    ...(rebuildProgress === undefined ? {} : { 'rebuild-progress': rebuildProgress }),
    ...(healthy === undefined ? {} : { healthy }),
    usage: { capacity: volume.size, allocated },
  };
}

function aNexus(o: { size: number; state: string; rebuilds: number; children: number }): NonNullable<Volume['state']['target']> {
  return {
    uuid: '0f0f0f0f-0000-4000-8000-000000000001',
    node: 'node-target',
    size: o.size,
    state: o.state,
    protocol: 'nvmf',
    deviceUri: '',
    rebuilds: o.rebuilds,
    children: Array.from({ length: o.children }, (_, index) => ({ uri: `bdev:///${index}`, state: 'Online' })),
  };
}
