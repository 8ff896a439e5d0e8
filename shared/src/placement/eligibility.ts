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
import { nodeById, nodeOfPool, placedReplicas } from './world.ts';

/** Why a pool cannot take the replica. The order is that of the checks: the first that applies is reported. */
export type Obstacle = 'holds-replica' | 'pinned' | 'pool-offline' | 'cordoned' | 'node-offline' | 'node-excluded' | 'too-small' | 'full';

export interface Demand {
  /** Bytes that the copy will take: what the source has allocated for a thin volume, the full size for a thick one. */
  readonly bytes: number;
  readonly capacityWatermarkPercent: number;
}

export function mayReceive(world: World, pool: Pool): boolean {
  const obstacle = placementObstacle(world, pool);
  return obstacle === undefined || obstacle === 'pool-offline' || obstacle === 'node-offline';
}

export function canReceive(world: World, pool: Pool, demand: Demand): Obstacle | undefined {
  return placementObstacle(world, pool) ?? capacityObstacle(world, pool, demand);
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

function capacityObstacle(world: World, pool: Pool, demand: Demand): Obstacle | undefined {
  const { capacity = 0, used = 0 } = pool.state ?? {};
  if (capacity <= world.volume.spec.size) {
    return 'too-small';
  }
  const free = capacity - used;
  const needed = world.volume.spec.thin
    ? Math.min(demand.bytes + Math.ceil(world.volume.spec.size * 0.4), world.volume.spec.size)
    : world.volume.spec.size;
  const limit = (capacity * demand.capacityWatermarkPercent) / 100;
  return free <= needed || used + demand.bytes > limit ? 'full' : undefined;
}

function matchesInclusion(labels: Readonly<Record<string, string>>, inclusion: Readonly<Record<string, string>>): boolean {
  return Object.entries(inclusion).every(([key, value]) => labels[key] !== undefined && (value === '' || labels[key] === value));
}
