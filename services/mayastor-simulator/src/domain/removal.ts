/** Which replica goes when a volume shrinks: sort keys, the first of which that differs decides. */
import { type Cluster, childOf, nodeOfReplica, type Replica, replicasOf, type Volume } from './cluster.ts';
import { nextFraction } from './random.ts';
import { labelsSatisfy, nodeCordoned, syncedReplicas } from './status.ts';

interface Candidate {
  readonly cluster: Cluster;
  readonly volume: Volume;
  readonly replica: Replica;
}

/** Each key gives a number; the replica with the lowest one goes first. */
export const removalKeys = {
  unhealthy: ({ replica }) => (replica.healthy ? 1 : 0),
  'child state': ({ volume, replica }) => {
    const child = childOf(volume, replica.uuid);
    if (child === undefined) {
      return volume.nexus === undefined ? 0 : -1;
    }
    return { Faulted: 0, Degraded: 1, Online: 2 }[child.state];
  },
  'rebuild progress': ({ volume, replica }) => childOf(volume, replica.uuid)?.copiedBytes ?? 0,
  'node topology': ({ cluster, volume, replica }) => {
    const node = nodeOfReplica(cluster, replica);
    const allowed = volume.topology?.allowedNodes;
    const fits =
      labelsSatisfy(node?.labels ?? {}, volume.topology?.nodeInclusion ?? {}) &&
      (allowed === undefined || allowed.includes(node?.id ?? ''));
    return fits ? 1 : 0;
  },
  'pool topology': ({ cluster, volume, replica }) =>
    labelsSatisfy(cluster.pools[replica.pool]?.labels ?? {}, volume.topology?.poolInclusion ?? {}) ? 1 : 0,
  'node spread': ({ cluster, volume, replica }) => {
    const labels = nodeOfReplica(cluster, replica)?.labels ?? {};
    const others = replicasOf(cluster, volume).filter((other) => other !== replica);
    const clash = (volume.topology?.nodeSpread ?? []).some((key) =>
      others.some((other) => labels[key] !== undefined && nodeOfReplica(cluster, other)?.labels[key] === labels[key]),
    );
    return clash ? 0 : 1;
  },
  'cordoned node': ({ cluster, replica }) => (nodeCordoned(cluster, nodeOfReplica(cluster, replica)?.id ?? '') ? 0 : 1),
  'cordoned pool': ({ cluster, replica }) => (cluster.pools[replica.pool]?.cordon.replicas === true ? 0 : 1),
  locality: ({ cluster, volume, replica }) => (nodeOfReplica(cluster, replica)?.id === volume.nexus?.node ? 1 : 0),
  'affinity group': ({ cluster, volume, replica }) => {
    if (volume.affinityGroup === undefined) {
      return 0;
    }
    const inPool = Object.values(cluster.replicas).filter((other) => {
      const owner = other.volume === undefined ? undefined : cluster.volumes[other.volume];
      return other.pool === replica.pool && owner?.affinityGroup === volume.affinityGroup;
    });
    return -inPool.length;
  },
} satisfies Record<string, (the: Candidate) => number>;

export type RemovalKey = keyof typeof removalKeys;

/** The keys in their order. What is unproven about it is the cluster's own, by its seed. */
export function removalOrder(cluster: Cluster): RemovalKey[] {
  const topology: RemovalKey[] = ['node topology', 'pool topology', 'node spread'];
  const middle: RemovalKey[] = cluster.quirks.cordonedNodeBeforeTopology ? ['cordoned node', ...topology] : [...topology, 'cordoned node'];
  const pools: RemovalKey[] = cluster.settings.mayastorVersion === '2.10' && cluster.quirks.cordonedPoolPreferred ? ['cordoned pool'] : [];
  return ['unhealthy', 'child state', 'rebuild progress', ...middle, ...pools, 'locality', 'affinity group'];
}

/** All replicas of the volume, the first to go first. Ties are ordered by the seed. */
export function rankRemovals(cluster: Cluster, volume: Volume): Replica[] {
  const order = removalOrder(cluster);
  return replicasOf(cluster, volume)
    .map((replica) => ({
      replica,
      keys: order.map((key) => removalKeys[key]({ cluster, volume, replica })),
      tie: nextFraction(cluster.random),
    }))
    .sort((a, b) => compareKeys(a.keys, b.keys) || a.tie - b.tie)
    .map(({ replica }) => replica);
}

/**
 * The replica to remove so that `count` are left. Replicas that are not healthy go first; a healthy one goes only while more than `count`
 * healthy ones are online.
 */
export function removalCandidate(cluster: Cluster, volume: Volume, count: number): Replica | undefined {
  const [first] = rankRemovals(cluster, volume);
  if (first === undefined || (first.healthy && syncedReplicas(cluster, volume).length <= count)) {
    return undefined;
  }
  return first;
}

function compareKeys(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < a.length; index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) {
      return difference;
    }
  }
  return 0;
}
