/** Snapshots: a piece on the pool of each healthy replica, which keeps its space and pins its pool when the replica goes. */
import type { Cluster, Snapshot, Turn, Volume } from './cluster.ts';
import { nextUuid } from './random.ts';
import { Refusal } from './refusal.ts';
import { poolReachable, syncedReplicas } from './status.ts';
import { poolUuid } from './views.ts';

export function takeSnapshot({ cluster }: Turn, volume: Volume, uuid: string): Snapshot {
  if (cluster.snapshots[uuid] !== undefined) {
    throw new Refusal('AlreadyExists', 'AlreadyExists', `Resource Kind VolumeSnapshot '${uuid}' already exists`);
  }
  const existing = Object.values(cluster.snapshots).filter((snapshot) => snapshot.volume === volume.uuid).length;
  if (volume.maxSnapshots !== undefined && existing >= volume.maxSnapshots) {
    throw new Refusal('ResourceExhausted', 'SnapshotMaxLimit', `Volume '${volume.uuid}' has its ${volume.maxSnapshots} snapshots`);
  }
  const replicas = syncedReplicas(cluster, volume).filter((replica) => cluster.pools[replica.pool]?.cordon.snapshots !== true);
  if (replicas.length === 0) {
    throw new Refusal('FailedPrecondition', 'NoHealthyReplicas', `No healthy replicas are available for Volume '${volume.uuid}'`);
  }
  const snapshot: Snapshot = {
    uuid,
    volume: volume.uuid,
    sizeBytes: volume.sizeBytes,
    createdAtMs: cluster.nowMs,
    replicas: replicas.map((replica) => ({
      uuid: nextUuid(cluster.random),
      replica: replica.uuid,
      pool: replica.pool,
      allocatedBytes: volume.allocatedBytes,
    })),
  };
  cluster.snapshots[uuid] = snapshot;
  return snapshot;
}

export function snapshotJson(cluster: Cluster, snapshot: Snapshot): Record<string, unknown> {
  const timestamp = new Date(snapshot.createdAtMs).toISOString();
  const allocated = Math.max(0, ...snapshot.replicas.map((piece) => piece.allocatedBytes));
  return {
    definition: {
      metadata: {
        status: 'Created',
        timestamp,
        size: allocated,
        spec_size: snapshot.sizeBytes,
        total_allocated_size: allocated,
        txn_id: '1',
        transactions: {},
        num_restores: 0,
        num_snapshot_replicas: snapshot.replicas.length,
      },
      spec: { uuid: snapshot.uuid, source_volume: snapshot.volume },
    },
    state: {
      uuid: snapshot.uuid,
      allocated_size: allocated,
      source_volume: snapshot.volume,
      timestamp,
      ready_as_source: snapshot.replicas.some((piece) => isReachable(cluster, piece.pool)),
      replica_snapshots: snapshot.replicas.map((piece) => pieceJson(cluster, snapshot, piece, timestamp)),
    },
  };
}

function pieceJson(cluster: Cluster, snapshot: Snapshot, piece: Snapshot['replicas'][number], timestamp: string): Record<string, unknown> {
  const pool = cluster.pools[piece.pool];
  const identity = { uuid: piece.uuid, source_id: piece.replica, pool_id: piece.pool, pool_uuid: pool === undefined ? '' : poolUuid(pool) };
  return isReachable(cluster, piece.pool)
    ? { online: { ...identity, timestamp, size: snapshot.sizeBytes, allocated_size: piece.allocatedBytes, predecessor_alloc_size: 0 } }
    : { offline: identity };
}

function isReachable(cluster: Cluster, poolId: string): boolean {
  const pool = cluster.pools[poolId];
  return pool !== undefined && poolReachable(cluster, pool);
}
