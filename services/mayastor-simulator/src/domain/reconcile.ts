/** The control plane's own loop: fail-over, self-healing, garbage collection. It may place a replica on any eligible tier. */
import { type Child, type Cluster, childOf, type Replica, replicasOf, type Turn, type Volume } from './cluster.ts';
import { attachForRebuild, createNexus, destroyNexus, loseReplica, reviveChild } from './nexus.ts';
import { pick } from './random.ts';
import { Refusal } from './refusal.ts';
import { rankRemovals } from './removal.ts';
import { addReplica, collectGarbage, removeReplica } from './replicas.ts';
import { liveNexus, nodeCordoned, nodeOnline, replicaReachable, syncedReplicas } from './status.ts';

/** One round over all volumes. */
export function reconcile(turn: Turn): void {
  const { cluster } = turn;
  for (const replica of Object.values(cluster.replicas)) {
    collectGarbage(turn, replica);
  }
  for (const volume of Object.values(cluster.volumes)) {
    if (volume.operation !== undefined || !volume.selfHeal) {
      continue;
    }
    removeExtra(turn, volume);
    if (liveNexus(cluster, volume) !== undefined) {
      heal(turn, volume);
    }
  }
}

/** A node has gone or come, or a pool, or a replica: what children notice at once. */
export function noticeReachability(turn: Turn): void {
  const { cluster } = turn;
  for (const volume of Object.values(cluster.volumes)) {
    const nexus = volume.nexus;
    if (nexus === undefined) {
      continue;
    }
    if (!nodeOnline(cluster, nexus.node)) {
      nexus.failoverAtMs ??= cluster.nowMs + cluster.settings.failoverMs;
      continue;
    }
    if (nexus.failoverAtMs !== undefined) {
      nexus.failoverAtMs = undefined;
      restartTarget(turn, volume, nexus.node);
    }
    for (const child of [...(volume.nexus?.children ?? [])]) {
      const replica = cluster.replicas[child.replica];
      if (replica !== undefined && !replicaReachable(cluster, replica)) {
        loseReplica(turn, volume, replica, undefined);
      } else if (replica?.healthy === true) {
        reviveChild(turn, volume, child);
      }
    }
  }
}

/** Gives the volume a target on another node, once its own has been away for long enough. */
export function failOver(turn: Turn, volume: Volume, wantedNode?: string): void {
  const { cluster } = turn;
  const node = wantedNode ?? targetCandidate(cluster, volume);
  if (node === undefined || syncedReplicas(cluster, volume).length === 0) {
    if (volume.nexus !== undefined) {
      volume.nexus.failoverAtMs = cluster.nowMs + cluster.settings.reconcileMs;
    }
    return;
  }
  destroyNexus(turn, volume);
  createNexus(turn, volume, node);
}

/** A node for the target: online, best one that holds a healthy replica. */
export function targetCandidate(cluster: Cluster, volume: Volume): string | undefined {
  const online = Object.values(cluster.nodes).filter(
    (node) => node.online && node.id !== volume.nexus?.node && !nodeCordoned(cluster, node.id),
  );
  const local = online.filter((node) => syncedReplicas(cluster, volume).some((replica) => cluster.pools[replica.pool]?.node === node.id));
  const choice = local.length > 0 ? local : online;
  return choice.length === 0 ? undefined : pick(cluster.random, choice).id;
}

/** The engine of the target's node was away and is back before anybody took over: the same nexus, new counters. */
function restartTarget(turn: Turn, volume: Volume, node: string): void {
  const before = volume.nexus;
  if (before === undefined || syncedReplicas(turn.cluster, volume).length === 0) {
    return;
  }
  destroyNexus(turn, volume);
  const nexus = createNexus(turn, volume, node);
  volume.nexus = { ...nexus, uuid: before.uuid, incarnation: before.incarnation + 1 };
}

function heal(turn: Turn, volume: Volume): void {
  const { cluster } = turn;
  for (const child of [...(volume.nexus?.children ?? [])]) {
    reviveChild(turn, volume, child);
  }
  for (const replica of replicasOf(cluster, volume)) {
    if (childOf(volume, replica.uuid) === undefined && replicaReachable(cluster, replica)) {
      attachForRebuild(turn, volume, replica);
    }
  }
  for (const child of [...(volume.nexus?.children ?? [])]) {
    const replica = cluster.replicas[child.replica];
    if (replica !== undefined && hasWaitedLongEnough(cluster, volume, child, replica)) {
      replaceReplica(turn, volume, replica);
    }
  }
  while (volume.replicas.length < volume.numReplicas && syncedReplicas(cluster, volume).length > 0 && tryToAdd(turn, volume)) {
    // Until there are enough, or no pool is left.
  }
}

/** One replica more than wanted, left by an operation that failed half-way. Only one that holds nothing is removed. */
function removeExtra(turn: Turn, volume: Volume): void {
  const [extra] = volume.replicas.length > volume.numReplicas ? rankRemovals(turn.cluster, volume) : [];
  if (extra !== undefined && !extra.healthy) {
    removeReplica(turn, volume, extra);
  }
}

/** A child that is gone for good is replaced while another one is healthy; the new replica comes before the old one goes. */
function replaceReplica(turn: Turn, volume: Volume, replica: Replica): void {
  if (syncedReplicas(turn.cluster, volume).length > 0 && tryToAdd(turn, volume)) {
    removeReplica(turn, volume, replica);
  }
}

function hasWaitedLongEnough(cluster: Cluster, volume: Volume, child: Child, replica: Replica): boolean {
  const since = child.faultedAtMs;
  const owned = replica.volume === volume.uuid;
  return (
    owned &&
    since !== undefined &&
    !replica.healthy &&
    cluster.nowMs - since >= cluster.settings.faultedChildWaitMs &&
    !replicaReachable(cluster, replica)
  );
}

function tryToAdd(turn: Turn, volume: Volume): boolean {
  try {
    addReplica(turn, volume);
    return true;
  } catch (error) {
    if (error instanceof Refusal) {
      return false;
    }
    throw error;
  }
}
