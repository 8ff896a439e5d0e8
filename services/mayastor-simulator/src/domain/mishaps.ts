/** What befalls a cluster from outside its API: nodes and pools come and go, replicas break, targets move, applications attach. */
import { advance } from './advance.ts';
import type { Cluster, Effect, Turn } from './cluster.ts';
import { loseReplica } from './nexus.ts';
import { failOver, noticeReachability, targetCandidate } from './reconcile.ts';
import { notFound, Refusal } from './refusal.ts';
import { liveNexus, syncedReplicas } from './status.ts';

/** The node's engine stops or comes back, with all that lies on it. */
export function setNodeOnline(cluster: Cluster, input: { node: string; online: boolean; nowMs: number }): Effect[] {
  const node = cluster.nodes[input.node];
  if (node === undefined) {
    throw notFound('Node', input.node);
  }
  return change(cluster, input.nowMs, (turn) => {
    node.online = input.online;
    noticeReachability(turn);
  });
}

export function setPoolOnline(cluster: Cluster, input: { pool: string; online: boolean; nowMs: number }): Effect[] {
  const pool = cluster.pools[input.pool];
  if (pool === undefined) {
    throw notFound('Pool', input.pool);
  }
  return change(cluster, input.nowMs, (turn) => {
    pool.online = input.online;
    noticeReachability(turn);
  });
}

/** An I/O error on a replica. For good: it stays unreadable and is replaced; otherwise self-healing rebuilds it. */
export function faultReplica(cluster: Cluster, input: { volume: string; replica: string; forGood: boolean; nowMs: number }): Effect[] {
  const volume = cluster.volumes[input.volume];
  const replica = cluster.replicas[input.replica];
  if (volume === undefined) {
    throw notFound('Volume', input.volume);
  }
  if (replica?.volume !== volume.uuid) {
    throw notFound('Replica', input.replica);
  }
  return change(cluster, input.nowMs, (turn) => {
    replica.faulted = input.forGood;
    loseReplica(turn, volume, replica, input.forGood ? undefined : 'IoError');
  });
}

/** The target moves to another node at once, as if its own had died: counters begin anew, rebuilds start over. */
export function failOverVolume(cluster: Cluster, input: { volume: string; node: string | undefined; nowMs: number }): Effect[] {
  const volume = cluster.volumes[input.volume];
  if (volume === undefined) {
    throw notFound('Volume', input.volume);
  }
  if (liveNexus(cluster, volume) === undefined) {
    throw new Refusal('NotPublished', 'VolumeNotPublished', `Volume '${volume.uuid}' has no target to move`);
  }
  const node = input.node ?? targetCandidate(cluster, volume);
  if (
    node === undefined ||
    cluster.nodes[node]?.online !== true ||
    node === volume.nexus?.node ||
    syncedReplicas(cluster, volume).length === 0
  ) {
    throw new Refusal(
      'FailedPrecondition',
      'NoTargetNode',
      `no other online node${node === undefined ? '' : ` (${node} is not one)`} can take the target`,
    );
  }
  return change(cluster, input.nowMs, (turn) => failOver(turn, volume, node));
}

function change(cluster: Cluster, nowMs: number, apply: (turn: Turn) => void): Effect[] {
  const turn: Turn = { cluster, effects: advance(cluster, nowMs) };
  cluster.revision += 1;
  apply(turn);
  return turn.effects;
}
