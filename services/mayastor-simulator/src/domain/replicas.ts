/** Making and destroying replicas. */
import type { Pool, Replica, Turn, Volume } from './cluster.ts';
import { attachForRebuild, detachChild } from './nexus.ts';
import { rankPools } from './placement.ts';
import { nextUuid } from './random.ts';
import { Refusal } from './refusal.ts';
import { poolReachable, rebuildsRunning } from './status.ts';

/** Creates a replica on the best pool and attaches it where the volume is published. Refuses before it changes anything. */
export function addReplica(turn: Turn, volume: Volume): Replica {
  const { cluster } = turn;
  const { rebuildsMax } = cluster.settings;
  if (volume.nexus !== undefined && rebuildsMax !== undefined && rebuildsRunning(cluster) >= rebuildsMax) {
    throw new Refusal('ResourceExhausted', 'MaxRebuilds', `Maximum number of rebuilds reached, ${rebuildsMax} of the whole system`);
  }
  const [pool] = rankPools(cluster, volume);
  if (pool === undefined) {
    throw noPools(0, 1);
  }
  const replica = createReplica(turn, { pool, volume, sizeBytes: volume.sizeBytes, thin: volume.thin, healthy: false });
  if (volume.nexus !== undefined) {
    attachForRebuild(turn, volume, replica);
  }
  return replica;
}

export function noPools(have: number, need: number): Refusal {
  return new Refusal(
    'ResourceExhausted',
    'NotEnoughResources: Operation failed due to insufficient resources',
    `Not enough suitable pools available, ${have}/${need}`,
  );
}

export interface NewReplica {
  readonly pool: Pool;
  readonly volume: Volume | undefined;
  readonly sizeBytes: number;
  readonly thin: boolean;
  readonly healthy: boolean;
  readonly uuid?: string;
}

export function createReplica({ cluster, effects }: Turn, wanted: NewReplica): Replica {
  const replica: Replica = {
    uuid: wanted.uuid ?? nextUuid(cluster.random),
    pool: wanted.pool.id,
    volume: wanted.volume?.uuid,
    garbage: false,
    sizeBytes: wanted.sizeBytes,
    thin: wanted.thin,
    healthy: wanted.healthy,
    faulted: false,
  };
  cluster.replicas[replica.uuid] = replica;
  wanted.volume?.replicas.push(replica.uuid);
  effects.push({ kind: 'replica-created', replica: replica.uuid, sizeBytes: replica.sizeBytes });
  return replica;
}

/** Takes the replica away from its volume and destroys it: now, or once its pool can be reached again. */
export function removeReplica(turn: Turn, volume: Volume, replica: Replica): void {
  detachChild(turn, volume, replica.uuid);
  volume.replicas = volume.replicas.filter((uuid) => uuid !== replica.uuid);
  disown(turn, replica);
}

/** Leaves the replica to be collected: it takes its space, but belongs to no volume any more. */
export function disown(turn: Turn, replica: Replica): void {
  replica.volume = undefined;
  replica.garbage = true;
  replica.healthy = false;
  collectGarbage(turn, replica);
}

export function collectGarbage({ cluster, effects }: Turn, replica: Replica): void {
  const pool = cluster.pools[replica.pool];
  if (replica.garbage && (pool === undefined || poolReachable(cluster, pool))) {
    delete cluster.replicas[replica.uuid];
    effects.push({ kind: 'replica-deleted', replica: replica.uuid });
  }
}
