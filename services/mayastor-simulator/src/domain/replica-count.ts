/** PUT /volumes/{id}/replica_count/{n}: the only way to grow or shrink a volume, one step per call. */
import { nodeOfReplica, replicasOf, type Turn, type Volume } from './cluster.ts';
import { detachChild } from './nexus.ts';
import { Refusal } from './refusal.ts';
import { removalCandidate } from './removal.ts';
import { addReplica, removeReplica } from './replicas.ts';
import { liveNexus, volumeStatus } from './status.ts';

export function setReplicaCount(turn: Turn, volume: Volume, count: number): void {
  const { cluster } = turn;
  if (volume.nexus !== undefined && liveNexus(cluster, volume) === undefined) {
    throw new Refusal('Unavailable', 'NodeNotOnline', `Node '${volume.nexus.node}' is not online`);
  }
  if (count === volume.numReplicas) {
    throw new Refusal('FailedPrecondition', 'ReplicaCountAchieved', `Replica count of Volume '${volume.uuid}' is already '${count}'`);
  }
  if (count < 1) {
    throw new Refusal('FailedPrecondition', 'LastReplica', `Cannot remove the last replica of volume '${volume.uuid}'`);
  }
  if (Math.abs(count - volume.numReplicas) > 1) {
    throw new Refusal('FailedPrecondition', 'ReplicaChangeCount', 'Replica count only allowed to change by a maximum of one at a time');
  }
  if (count > volume.numReplicas) {
    grow(turn, volume);
  } else {
    shrink(turn, volume, count);
  }
  volume.numReplicas = count;
}

/** Takes back the last growth but for the replica that it made: unattached, one too many, until self-healing removes it. */
export function undoGrowth(turn: Turn, volume: Volume): void {
  const added = volume.replicas.at(-1);
  if (added !== undefined) {
    detachChild(turn, volume, added);
  }
  volume.numReplicas -= 1;
  volume.operation = undefined;
}

function grow(turn: Turn, volume: Volume): void {
  const { cluster } = turn;
  const status = volumeStatus(cluster, volume);
  if (status !== 'Online') {
    throw new Refusal(
      'FailedPrecondition',
      'ReplicaIncrease',
      `Unable to increase replica count due to volume '${volume.uuid}' in state 'VolumeStatus :: ${status}'`,
    );
  }
  const hasSnapshots = Object.values(cluster.snapshots).some((snapshot) => snapshot.volume === volume.uuid);
  const engines = [volume.nexus?.node, ...replicasOf(cluster, volume).map((replica) => nodeOfReplica(cluster, replica)?.id)];
  const old = engines.find((node) => node !== undefined && cluster.nodes[node]?.rebuildsSnapshots === false);
  if (hasSnapshots && old !== undefined) {
    throw new Refusal('FailedPrecondition', 'UpgradeRequired', `Node '${old}' needs to be upgraded to rebuild a volume with snapshots`);
  }
  addReplica(turn, volume);
}

function shrink(turn: Turn, volume: Volume, count: number): void {
  if (volume.affinityGroup !== undefined && count < 2) {
    throw new Refusal(
      'FailedPrecondition',
      'RestrictedReplicaCount',
      'Cannot reduce the replica count of a volume of an affinity group below 2',
    );
  }
  const replica = removalCandidate(turn.cluster, volume, count);
  if (replica === undefined) {
    throw new Refusal(
      'FailedPrecondition',
      'ReplicaRemovalNoCandidates',
      `No suitable replica removal candidates found for Volume '${volume.uuid}'`,
    );
  }
  removeReplica(turn, volume, replica);
}
