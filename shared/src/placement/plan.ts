/**
 * The plan for one volume on its way to a tier: which replica goes next, where to, and whether that can be done at all.
 *
 * Pure. The brain asks it whether a recorded refusal still holds; the migrator asks it at ANALYZE and again inside the gate.
 */
import type { MoveRequest } from '../contracts/migration.ts';
import type { ReplicaPlan } from '../contracts/migrator.ts';
import { formatDuration } from '../duration.ts';
import { formatSelector } from '../label-selector.ts';
import { isPublished, volumeReplicas } from '../mayastor/read.ts';
import type { Pool, Volume } from '../mayastor/schema.ts';
import { chooseBias, reservedPoolLabel } from './bias.ts';
import { canReceive, mayReceive, type Obstacle, poolInclusion, satisfiesPoolTopology } from './eligibility.ts';
import { findVolumeMarks, withoutGates } from './marks.ts';
import { type Refusal, refuse } from './refusals.ts';
import { nodeOfPool, placedReplicas, poolById, type Replica, tierOf, type World } from './world.ts';

export type Goal = Pick<MoveRequest, 'to' | 'selectors' | 'capacityWatermarkPercent' | 'allowSnapshots' | 'syncTimeoutMs'>;

export interface Capabilities {
  readonly poolCordon: boolean;
  /** As measured on earlier moves; absent before the first. */
  readonly rebuildBytesPerSecond?: number;
}

export type NextReplica =
  | { readonly kind: 'move'; readonly plan: ReplicaPlan; readonly remaining: number }
  | { readonly kind: 'done' }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

export function planNextReplica(seen: World, goal: Goal, capabilities: Capabilities): NextReplica {
  const world = withoutGates(seen);
  const outside = replicasOutsideTier(world, goal);
  if (outside.length === 0) {
    return { kind: 'done' };
  }
  const unfit = unfitVolume(world, goal, capabilities);
  if (unfit !== undefined) {
    return { kind: 'refused', refusal: unfit };
  }
  const demand = { bytes: bytesToCopy(world.volume, outside[0]?.uuid ?? ''), capacityWatermarkPercent: goal.capacityWatermarkPercent };
  const tierPools = world.pools.filter((pool) => tierOf(world, pool, goal.selectors) === goal.to);
  const fitting = tierPools.filter((pool) => canReceive(world, pool, demand) === undefined).sort(mostFreeFirst);
  if (fitting.length === 0) {
    return { kind: 'refused', refusal: noDestination(world, goal, tierPools, demand) };
  }
  const late = outlastsTimeout(demand.bytes, goal, capabilities);
  if (late !== undefined) {
    return { kind: 'refused', refusal: late };
  }
  for (const source of outside) {
    for (const pool of fitting) {
      const destination = { pool: pool.id, node: nodeOfPool(pool) };
      if (canBeBiased(world, source, destination)) {
        const cordonPools = world.pools.filter((other) => other.id !== pool.id && mayReceive(world, other)).map(({ id }) => id);
        return {
          kind: 'move',
          plan: { source, destination, cordonPools, bytes: bytesToCopy(world.volume, source.uuid) },
          remaining: outside.length,
        };
      }
    }
  }
  return { kind: 'refused', refusal: refuse('NO_BIAS', { words: '', cause: placementFacts(world) }) };
}

/** Replicas that do not lie on a pool of the wanted tier, in the order in which they are to move. */
function replicasOutsideTier(world: World, goal: Goal): Replica[] {
  return placedReplicas(world.volume)
    .filter((replica) => {
      const pool = poolById(world, replica.pool);
      return pool === undefined || tierOf(world, pool, goal.selectors) !== goal.to;
    })
    .sort((left, right) => (left.uuid < right.uuid ? -1 : 1));
}

function unfitVolume(world: World, goal: Goal, capabilities: Capabilities): Refusal | undefined {
  const { volume } = world;
  const replicas = volumeReplicas(volume);
  if (!capabilities.poolCordon) {
    return refuse('UNSUPPORTED_MAYASTOR', { words: '', cause: [] });
  }
  if (!isPublished(volume)) {
    return refuse('UNPUBLISHED', { words: '', cause: [] });
  }
  if ((volume.spec.num_snapshots ?? 0) > 0 || (volume.spec.content_source ?? undefined) !== undefined) {
    if (!goal.allowSnapshots) {
      return refuse('HAS_SNAPSHOTS', { words: snapshotWords(volume), cause: [volume.spec.num_snapshots ?? 0] });
    }
  }
  const kept = findVolumeMarks(world.pools).find((mark) => mark.volumeId === volume.spec.uuid && mark.kept);
  if (kept !== undefined && volume.spec.num_replicas > kept.originalReplicas) {
    return refuse('EXTRA_REPLICA', {
      words: `It had ${kept.originalReplicas} replicas and has ${volume.spec.num_replicas}`,
      cause: [volume.spec.num_replicas],
    });
  }
  if (volume.spec.num_replicas === 1 && (volume.spec.affinity_group ?? undefined) !== undefined) {
    return refuse('AFFINITY_GROUP', { words: '', cause: [] });
  }
  if ((volume.state.target?.rebuilds ?? 0) > 0) {
    return refuse('REBUILDING', { words: '', cause: [volume.state.target?.rebuilds ?? 0] });
  }
  const ailing = replicas.filter(({ state, childStatus, healthy }) => state !== 'Online' || childStatus !== 'Online' || healthy === false);
  const children = volume.state.target?.children.length ?? 0;
  const { num_replicas: wanted } = volume.spec;
  if (
    volume.state.status !== 'Online' ||
    volume.state.target?.state !== 'Online' ||
    ailing.length > 0 ||
    replicas.length !== wanted ||
    children !== wanted
  ) {
    const words = `Volume ${volume.state.status}, ${replicas.length} replicas and ${children} children of ${wanted}, ${ailing.length} of them not Online`;
    return refuse('NOT_HEALTHY', {
      words,
      cause: [volume.state.status, `${replicas.length}/${children}/${wanted}`, ...ailing.map(({ uuid }) => uuid)],
    });
  }
  return undefined;
}

function snapshotWords({ spec }: Volume): string {
  const count = spec.num_snapshots ?? 0;
  return count === 0 ? 'It is a clone' : `It has ${count} snapshot${count === 1 ? '' : 's'}`;
}

/** The words for the obstacle that most explains why no pool of the tier fits. */
function noDestination(
  world: World,
  goal: Goal,
  tierPools: readonly Pool[],
  demand: { bytes: number; capacityWatermarkPercent: number },
): Refusal {
  const selector = goal.selectors[goal.to];
  if (tierPools.length === 0) {
    return refuse('NO_POOL_IN_TIER', {
      words: `Tier ${goal.to} (${selector === undefined ? 'no selector' : formatSelector(selector)})`,
      cause: [goal.to],
    });
  }
  if (tierPools.every((pool) => !satisfiesPoolTopology(world, pool))) {
    const pins = Object.entries(poolInclusion(world))
      .filter(([key]) => key !== reservedPoolLabel)
      .map(([key, value]) => (value === '' ? key : `${key}=${value}`));
    return refuse('PINNED', {
      words: `The volume wants pools with ${pins.join(', ')}`,
      cause: [...pins, ...tierPools.map(({ id }) => id)],
    });
  }
  const obstacles = tierPools.map((pool) => ({ pool: pool.id, obstacle: canReceive(world, pool, demand) }));
  const list = obstacles.map(({ pool, obstacle }) => `${pool}: ${obstacle}`);
  const among = (...wanted: Obstacle[]) => obstacles.some(({ obstacle }) => obstacle !== undefined && wanted.includes(obstacle));
  // What keeps out a pool on a free node explains more than that the other nodes are taken.
  if (among('full', 'too-small')) {
    return refuse('TIER_FULL', {
      words: `${demand.bytes} bytes are needed (${list.join(', ')})`,
      cause: [...list, goal.capacityWatermarkPercent],
    });
  }
  if (among('pool-offline', 'node-offline', 'cordoned', 'node-excluded', 'unlike')) {
    return refuse('TIER_UNAVAILABLE', { words: list.join(', '), cause: list });
  }
  return refuse('NO_FREE_NODE', { words: `Tier ${goal.to} has ${list.join(', ')}`, cause: [...list, ...placementFacts(world)] });
}

function outlastsTimeout(bytes: number, goal: Goal, capabilities: Capabilities): Refusal | undefined {
  if (capabilities.rebuildBytesPerSecond === undefined) {
    return undefined;
  }
  const neededMs = (bytes / capabilities.rebuildBytesPerSecond) * 1_000;
  if (neededMs <= goal.syncTimeoutMs) {
    return undefined;
  }
  // By powers of two, so that a rate that wavers does not make the same refusal a new one.
  const cause = [goal.syncTimeoutMs, Math.round(Math.log2(neededMs))];
  return refuse('TIMEOUT_TOO_SHORT', {
    words: `Needs about ${formatDuration(neededMs)}, limit ${formatDuration(goal.syncTimeoutMs)}`,
    cause,
  });
}

/** Whether both ends can be steered once the new replica is there: forward at the source, back at the new one. */
function canBeBiased(world: World, source: Replica, destination: { pool: string; node: string }): boolean {
  const grown = withSyncedReplica(world, { uuid: 'new', ...destination });
  return chooseBias(grown, source.uuid) !== undefined && chooseBias(grown, 'new') !== undefined;
}

function withSyncedReplica(world: World, replica: Replica): World {
  const { volume } = world;
  const entry = { state: 'Online', node: replica.node, pool: replica.pool, 'child-status': 'Online' };
  return {
    ...world,
    volume: { ...volume, state: { ...volume.state, replica_topology: { ...volume.state.replica_topology, [replica.uuid]: entry } } },
  };
}

/** A thin rebuild skips what the source has not allocated; a thick one copies everything. */
function bytesToCopy(volume: Volume, source: string): number {
  const allocated = volume.state.replica_topology[source]?.usage?.allocated;
  return volume.spec.thin && allocated !== undefined ? Math.min(allocated, volume.spec.size) : volume.spec.size;
}

function mostFreeFirst(left: Pool, right: Pool): number {
  const free = (pool: Pool) => (pool.state?.capacity ?? 0) - (pool.state?.used ?? 0);
  return free(right) - free(left) || (left.id < right.id ? -1 : 1);
}

function placementFacts(world: World): string[] {
  return placedReplicas(world.volume).map(({ pool, node }) => `${pool}@${node}`);
}
