/**
 * Which pool gets the next replica of a volume: hard filters, all of which must pass, then a ranking. Only the filters can force a pool.
 */
import { type Cluster, nodeOfReplica, type Pool, replicasOf, type Volume } from './cluster.ts';
import { nextFraction } from './random.ts';
import { labelsSatisfy, nodeCordoned, nodeOnline, poolUsage } from './status.ts';

const thinFreeMinBytes = 16 * 1024 * 1024;
const thinCommitmentMaxPercent = 250;
const thinReservePercent = 40;

export interface PlacementCase {
  readonly cluster: Cluster;
  readonly volume: Volume;
  readonly pool: Pool;
  readonly freeBytes: number;
  readonly committedBytes: number;
  readonly replicas: number;
}

/** Each filter by the name that tests and messages use. */
export const placementFilters = {
  'node online': ({ cluster, pool }) => nodeOnline(cluster, pool.node),
  'node not cordoned': ({ cluster, pool }) => !nodeCordoned(cluster, pool.node),
  'node allowed': ({ volume, pool }) => volume.topology?.allowedNodes === undefined || volume.topology.allowedNodes.includes(pool.node),
  'node hosts no replica of the volume': ({ cluster, volume, pool }) =>
    replicasOf(cluster, volume).every((replica) => cluster.pools[replica.pool]?.node !== pool.node),
  'node labels fit': ({ cluster, volume, pool }) =>
    labelsSatisfy(cluster.nodes[pool.node]?.labels ?? {}, volume.topology?.nodeInclusion ?? {}),
  'node spread keys differ': ({ cluster, volume, pool }) =>
    (volume.topology?.nodeSpread ?? []).every((key) => {
      const value = cluster.nodes[pool.node]?.labels[key];
      return value !== undefined && replicasOf(cluster, volume).every((replica) => nodeOfReplica(cluster, replica)?.labels[key] !== value);
    }),
  'pool usable': ({ pool }) => pool.online,
  'pool large enough': ({ volume, pool }) => pool.capacityBytes > volume.sizeBytes,
  'pool has space': ({ volume, pool, freeBytes, committedBytes }) => {
    if (!volume.thin) {
      return freeBytes > volume.sizeBytes;
    }
    const reserve = Math.min(volume.allocatedBytes + (volume.sizeBytes * thinReservePercent) / 100, volume.sizeBytes);
    const commitmentPercent = ((committedBytes + volume.sizeBytes) * 100) / pool.capacityBytes;
    return freeBytes > thinFreeMinBytes && commitmentPercent <= thinCommitmentMaxPercent && freeBytes >= reserve;
  },
  'pool labels fit': ({ volume, pool }) => labelsSatisfy(pool.labels, volume.topology?.poolInclusion ?? {}),
  'encryption equal': ({ cluster, volume, pool }) => likeOtherPools(cluster, volume, (other) => other.encrypted === pool.encrypted),
  'cluster size equal': ({ cluster, volume, pool }) =>
    likeOtherPools(cluster, volume, (other) => other.clusterSizeBytes === pool.clusterSizeBytes),
  'pool not cordoned for replicas': ({ pool }) => !pool.cordon.replicas,
  'apart from its affinity group': ({ cluster, volume, pool }) =>
    volume.affinityGroup === undefined ||
    Object.values(cluster.volumes).every(
      (other) =>
        other === volume ||
        other.affinityGroup !== volume.affinityGroup ||
        replicasOf(cluster, other).every((replica) => cluster.pools[replica.pool]?.node !== pool.node),
    ),
} satisfies Record<string, (the: PlacementCase) => boolean>;

export type PlacementFilter = keyof typeof placementFilters;

const filters = Object.entries(placementFilters) as [PlacementFilter, (the: PlacementCase) => boolean][];

export function placementCase(cluster: Cluster, volume: Volume, pool: Pool): PlacementCase {
  const { usedBytes, committedBytes, replicas } = poolUsage(cluster, pool);
  return { cluster, volume, pool, freeBytes: pool.capacityBytes - usedBytes, committedBytes, replicas };
}

/** The filters that the pool fails, none where it may take a replica. */
export function filtersFailed(the: PlacementCase): PlacementFilter[] {
  return filters.filter(([, passes]) => !passes(the)).map(([name]) => name);
}

/** Pools that may take the next replica, best first. Equal scores are ordered by the seed. */
export function rankPools(cluster: Cluster, volume: Volume): Pool[] {
  const cases = Object.values(cluster.pools)
    .map((pool) => placementCase(cluster, volume, pool))
    .filter((the) => filters.every(([, passes]) => passes(the)));
  const best = {
    freeBytes: Math.max(1, ...cases.map((the) => the.freeBytes)),
    replicas: Math.max(1, ...cases.map((the) => the.replicas)),
  };
  return cases
    .map((the) => ({ pool: the.pool, score: score(the, best), tie: nextFraction(cluster.random) }))
    .sort((a, b) => b.score - a.score || a.tie - b.tie)
    .map(({ pool }) => pool);
}

/** Weights: thick - free space 60, replica count 40; thin - free space 40, replica count 25, over-commitment 35. */
function score(the: PlacementCase, best: { freeBytes: number; replicas: number }): number {
  const free = the.freeBytes / best.freeBytes;
  const fewReplicas = 1 - the.replicas / best.replicas;
  const uncommitted = 1 - Math.min(1, the.committedBytes / ((the.pool.capacityBytes * thinCommitmentMaxPercent) / 100));
  return the.volume.thin ? free * 40 + fewReplicas * 25 + uncommitted * 35 : free * 60 + fewReplicas * 40;
}

function likeOtherPools(cluster: Cluster, volume: Volume, alike: (pool: Pool) => boolean): boolean {
  return replicasOf(cluster, volume).every((replica) => {
    const pool = cluster.pools[replica.pool];
    return pool === undefined || alike(pool);
  });
}
