/**
 * Where Mayastor may put a new replica of a volume: its hard filters (facts of the control plane's scheduler), in two strengths.
 *
 * `mayReceive` keeps every pool that Mayastor could conceivably choose: all of those but the destination are cordoned while it chooses, so
 * it leaves out only what is excluded beyond doubt. `canReceive` keeps a pool only where every filter surely passes and our own limits
 * hold: only such a pool is a destination.
 */
import { isNodeOnline, isPoolOnline, nodeCordonLabels, poolCordonedForReplicas, poolLabels } from '../mayastor/read.ts';
import type { Pool } from '../mayastor/schema.ts';
import type { World } from './world.ts';
import { nodeById, nodeOfPool, placedReplicas, poolById } from './world.ts';

/** Why a pool cannot take the replica. The order is that of the checks: the first that applies is reported. */
export type Obstacle =
  | 'holds-replica'
  | 'pinned'
  | 'pool-offline'
  | 'cordoned'
  | 'node-offline'
  | 'node-excluded'
  | 'unlike'
  | 'too-small'
  | 'full';

export interface Demand {
  /** Bytes that the copy will take: what the source has allocated for a thin volume, the full size for a thick one. */
  readonly bytes: number;
  readonly capacityWatermarkPercent: number;
}

/** Mayastor's own limits for a thin replica: what must be free, and by how much a pool may be over-committed. */
const thinFreeMinBytes = 16 * 1024 * 1024;
const thinCommitmentMax = 2.5;

export function mayReceive(world: World, pool: Pool): boolean {
  const obstacle = placementObstacle(world, pool);
  return obstacle === undefined || obstacle === 'pool-offline' || obstacle === 'node-offline';
}

export function canReceive(world: World, pool: Pool, demand: Demand): Obstacle | undefined {
  return placementObstacle(world, pool) ?? likenessObstacle(world, pool) ?? capacityObstacle(world, pool, demand);
}

export function satisfiesPoolTopology(world: World, pool: Pool): boolean {
  return matchesInclusion(poolLabels(pool), poolInclusion(world));
}

/** Keys with their wanted values; an empty value means that the key must be present. */
export function poolInclusion(world: World): Readonly<Record<string, string>> {
  return world.volume.spec.topology?.pool_topology?.labelled?.inclusion ?? {};
}

export function satisfiesNodeTopology(world: World, nodeId: string): boolean {
  const topology = world.volume.spec.topology?.node_topology;
  const allowed = topology?.explicit?.allowed_nodes ?? [];
  if (allowed.length > 0 && !allowed.includes(nodeId)) {
    return false;
  }
  return matchesInclusion(nodeById(world, nodeId)?.spec?.labels ?? {}, topology?.labelled?.inclusion ?? {});
}

function placementObstacle(world: World, pool: Pool): Obstacle | undefined {
  const node = nodeById(world, nodeOfPool(pool));
  if (placedReplicas(world.volume).some((replica) => replica.node === nodeOfPool(pool) || replica.pool === pool.id)) {
    return 'holds-replica';
  }
  if (!satisfiesPoolTopology(world, pool)) {
    return 'pinned';
  }
  if (!satisfiesNodeTopology(world, nodeOfPool(pool))) {
    return 'node-excluded';
  }
  if (poolCordonedForReplicas(pool) || (node !== undefined && nodeCordonLabels(node).length > 0)) {
    return 'cordoned';
  }
  if (!isPoolOnline(pool)) {
    return 'pool-offline';
  }
  return node === undefined || !isNodeOnline(node) ? 'node-offline' : undefined;
}

/** Filters of which we do not know enough to rely on them, but enough to stay away. */
function likenessObstacle(world: World, pool: Pool): Obstacle | undefined {
  const replicas = placedReplicas(world.volume);
  const spreadKeys = Object.keys(world.volume.spec.topology?.node_topology?.labelled?.exclusion ?? {});
  const nodeLabel = (node: string, key: string) => nodeById(world, node)?.spec?.labels?.[key];
  const clashes = spreadKeys.some((key) => {
    const value = nodeLabel(nodeOfPool(pool), key);
    return value === undefined || replicas.some((replica) => nodeLabel(replica.node, key) === value);
  });
  if (clashes) {
    return 'node-excluded';
  }
  const others = replicas.flatMap((replica) => poolById(world, replica.pool)?.state ?? []);
  const alike = others.every(
    ({ encrypted, clusterSize }) =>
      (encrypted ?? false) === (pool.state?.encrypted ?? false) && (clusterSize ?? 0) === (pool.state?.clusterSize ?? 0),
  );
  return alike ? undefined : 'unlike';
}

function capacityObstacle(world: World, pool: Pool, demand: Demand): Obstacle | undefined {
  const { capacity = 0, used = 0, committed } = pool.state ?? {};
  const { size, thin } = world.volume.spec;
  if (capacity <= size) {
    return 'too-small';
  }
  const free = capacity - used;
  const needed = thin ? Math.max(thinFreeMinBytes, Math.min(demand.bytes + Math.ceil(size * 0.4), size)) : size;
  if (thin && (committed ?? 0) + size > capacity * thinCommitmentMax) {
    return 'full';
  }
  const limit = (capacity * demand.capacityWatermarkPercent) / 100;
  return free <= needed || used + demand.bytes > limit ? 'full' : undefined;
}

function matchesInclusion(labels: Readonly<Record<string, string>>, inclusion: Readonly<Record<string, string>>): boolean {
  return Object.entries(inclusion).every(([key, value]) => labels[key] !== undefined && (value === '' || labels[key] === value));
}
