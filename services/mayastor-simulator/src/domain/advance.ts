/** Virtual time: everything that happens by itself between two requests, in the order in which it is due. */
import type { Cluster, Effect, Turn, Volume } from './cluster.ts';
import { deliverLateCalls } from './dispatch.ts';
import { completeRebuild, copiedAt, rebuildEndsAtMs } from './nexus.ts';
import { failOver, reconcile } from './reconcile.ts';
import { nodeOnline, syncedReplicas } from './status.ts';
import { observe } from './views.ts';

/** Brings the cluster to a time, which never goes back. */
export function advance(cluster: Cluster, toMs: number): Effect[] {
  const turn: Turn = { cluster, effects: [] };
  for (let dueMs = nextDueMs(cluster); dueMs <= toMs; dueMs = nextDueMs(cluster)) {
    moveClock(turn, Math.max(dueMs, cluster.nowMs));
    doWhatIsDue(turn);
    cluster.revision += 1;
  }
  moveClock(turn, Math.max(toMs, cluster.nowMs));
  return turn.effects;
}

/** When something happens next by itself; Infinity where nothing will. */
export function nextDueMs(cluster: Cluster): number {
  let due = Math.min(cluster.nextReconcileMs, cluster.settings.cacheLagMs > 0 ? cluster.nextObserveMs : Number.POSITIVE_INFINITY);
  for (const call of cluster.late.calls) {
    due = Math.min(due, call.atMs);
  }
  for (const volume of Object.values(cluster.volumes)) {
    due = Math.min(due, volume.operation?.endsAtMs ?? Number.POSITIVE_INFINITY, failoverDueMs(cluster, volume));
    for (const child of volume.nexus?.children ?? []) {
      if (child.rebuild !== undefined && canCopy(cluster, volume)) {
        due = Math.min(due, rebuildEndsAtMs(cluster, volume, child.rebuild));
      }
    }
  }
  return due;
}

function doWhatIsDue(turn: Turn): void {
  const { cluster } = turn;
  const { nowMs } = cluster;
  for (const volume of Object.values(cluster.volumes)) {
    if (volume.operation !== undefined && volume.operation.endsAtMs <= nowMs) {
      volume.operation = undefined;
    }
    for (const child of [...(volume.nexus?.children ?? [])]) {
      if (child.rebuild !== undefined && child.copiedBytes >= volume.sizeBytes) {
        completeRebuild(turn, volume, child);
      }
    }
    if (failoverDueMs(cluster, volume) <= nowMs) {
      failOver(turn, volume);
    }
  }
  deliverLateCalls(turn);
  if (cluster.nextReconcileMs <= nowMs) {
    cluster.nextReconcileMs = nowMs + cluster.settings.reconcileMs;
    reconcile(turn);
  }
  if (cluster.settings.cacheLagMs > 0 && cluster.nextObserveMs <= nowMs) {
    cluster.nextObserveMs = nowMs + cluster.settings.cacheLagMs;
    cluster.observed = observe(cluster);
  }
}

/** Lets the time pass in which nothing happens but copying. */
function moveClock(turn: Turn, toMs: number): void {
  const { cluster, effects } = turn;
  const elapsedMs = toMs - cluster.nowMs;
  if (elapsedMs > 0 && Object.values(cluster.volumes).some((volume) => isUnderReplicated(cluster, volume))) {
    cluster.underReplicatedMs += elapsedMs;
  }
  for (const volume of Object.values(cluster.volumes)) {
    for (const child of volume.nexus?.children ?? []) {
      if (child.rebuild === undefined) {
        continue;
      }
      if (!canCopy(cluster, volume)) {
        // The engine that copies is away: the copy stands still and goes on from here.
        child.rebuild = { ...child.rebuild, baseBytes: child.copiedBytes, sinceMs: toMs };
        continue;
      }
      const copied = copiedAt(cluster, volume, child, toMs);
      if (copied > child.copiedBytes) {
        const range = { fromByte: child.copiedBytes, toByte: copied };
        effects.push({ kind: 'rebuild-copied', volume: volume.uuid, replica: child.replica, source: child.rebuild.source, ...range });
        child.copiedBytes = copied;
      }
    }
  }
  cluster.nowMs = toMs;
}

function isUnderReplicated(cluster: Cluster, volume: Volume): boolean {
  return volume.nexus !== undefined && syncedReplicas(cluster, volume).length < volume.replicasFloor;
}

function canCopy(cluster: Cluster, volume: Volume): boolean {
  return volume.nexus !== undefined && nodeOnline(cluster, volume.nexus.node);
}

function failoverDueMs(cluster: Cluster, volume: Volume): number {
  const due = volume.nexus?.failoverAtMs;
  return due === undefined || nodeOnline(cluster, volume.nexus?.node ?? '') ? Number.POSITIVE_INFINITY : due;
}
