/** Making, resizing and deleting volumes. */
import { z } from 'zod';
import { replicasOf, type Topology, type Turn, type Volume } from './cluster.ts';
import { destroyNexus } from './nexus.ts';
import { rankPools } from './placement.ts';
import { Refusal } from './refusal.ts';
import { createReplica, disown, noPools } from './replicas.ts';
import { blockBytes } from './scenario.ts';
import { poolUsage, volumeStatus } from './status.ts';

const labels = z.record(z.string(), z.string());
const labelledSchema = z.object({
  inclusion: labels.default({}),
  exclusion: labels.default({}),
  affinity_key: z.array(z.string()).optional(),
});

export const createVolumeSchema = z.object({
  policy: z.object({ self_heal: z.boolean() }),
  replicas: z.int().min(1).max(255),
  size: z.int().positive(),
  thin: z.boolean(),
  topology: z
    .object({
      node_topology: z
        .object({
          explicit: z.object({ allowed_nodes: z.array(z.string()), preferred_nodes: z.array(z.string()) }).optional(),
          labelled: labelledSchema.optional(),
        })
        .optional(),
      pool_topology: z.object({ labelled: labelledSchema.optional() }).optional(),
    })
    .optional(),
  labels: labels.optional(),
  affinity_group: z.object({ id: z.string() }).optional(),
  max_snapshots: z.int().min(0).optional(),
});
type CreateVolumeBody = z.infer<typeof createVolumeSchema>;

/** All replicas or none: nothing is left behind where the pools do not suffice. */
export function createVolume(turn: Turn, uuid: string, body: CreateVolumeBody): Volume {
  const { cluster, effects } = turn;
  if (cluster.volumes[uuid] !== undefined) {
    throw new Refusal('AlreadyExists', 'AlreadyExists', `Resource Kind Volume '${uuid}' already exists`);
  }
  const volume = newVolume(uuid, body);
  const effectsBefore = effects.length;
  cluster.volumes[uuid] = volume;
  effects.push({ kind: 'volume-created', volume: uuid, sizeBytes: volume.sizeBytes });
  for (let made = 0; made < body.replicas; made += 1) {
    const [pool] = rankPools(cluster, volume);
    if (pool === undefined) {
      for (const replica of volume.replicas) {
        delete cluster.replicas[replica];
      }
      delete cluster.volumes[uuid];
      effects.length = effectsBefore;
      throw noPools(made, body.replicas);
    }
    createReplica(turn, { pool, volume, sizeBytes: volume.sizeBytes, thin: volume.thin, healthy: true });
  }
  return volume;
}

export function deleteVolume(turn: Turn, volume: Volume): void {
  destroyNexus(turn, volume);
  for (const replica of replicasOf(turn.cluster, volume)) {
    disown(turn, replica);
  }
  delete turn.cluster.volumes[volume.uuid];
  turn.effects.push({ kind: 'volume-deleted', volume: volume.uuid });
}

/** Volumes only become larger, while they are whole. */
export function resizeVolume({ cluster, effects }: Turn, volume: Volume, sizeBytes: number): void {
  const wanted = Math.ceil(sizeBytes / blockBytes) * blockBytes;
  if (wanted <= volume.sizeBytes) {
    throw new Refusal('InvalidArgument', 'VolumeResizeSize', `Volume '${volume.uuid}' can only grow: it has ${volume.sizeBytes} bytes`);
  }
  if (volumeStatus(cluster, volume) !== 'Online') {
    throw new Refusal('FailedPrecondition', 'VolumeResizeState', `Volume '${volume.uuid}' cannot be resized while it is not Online`);
  }
  const grownBy = wanted - volume.sizeBytes;
  for (const replica of replicasOf(cluster, volume)) {
    const pool = cluster.pools[replica.pool];
    if (pool !== undefined && !volume.thin && pool.capacityBytes - poolUsage(cluster, pool).usedBytes < grownBy) {
      throw noPools(0, 1);
    }
  }
  volume.sizeBytes = wanted;
  effects.push({ kind: 'volume-resized', volume: volume.uuid, sizeBytes: wanted });
  for (const replica of replicasOf(cluster, volume)) {
    replica.sizeBytes = wanted;
    effects.push({ kind: 'replica-resized', replica: replica.uuid, sizeBytes: wanted });
  }
  for (const child of volume.nexus?.children ?? []) {
    child.copiedBytes = wanted;
  }
}

function newVolume(uuid: string, body: CreateVolumeBody): Volume {
  return {
    uuid,
    sizeBytes: Math.ceil(body.size / blockBytes) * blockBytes,
    numReplicas: body.replicas,
    replicasFloor: body.replicas,
    thin: body.thin,
    selfHeal: body.policy.self_heal,
    labels: body.labels ?? {},
    topology: body.topology === undefined ? undefined : topologyOf(body.topology),
    affinityGroup: body.affinity_group?.id,
    maxSnapshots: body.max_snapshots,
    replicas: [],
    nexus: undefined,
    frontendNodes: [],
    operation: undefined,
    allocatedBytes: 0,
    rebuilds: [],
  };
}

function topologyOf(topology: NonNullable<CreateVolumeBody['topology']>): Topology {
  const explicit = topology.node_topology?.explicit;
  return {
    poolInclusion: topology.pool_topology?.labelled?.inclusion ?? {},
    poolExclusion: topology.pool_topology?.labelled?.exclusion ?? {},
    allowedNodes: explicit?.allowed_nodes,
    preferredNodes: explicit?.preferred_nodes,
    nodeInclusion: topology.node_topology?.labelled?.inclusion ?? {},
    nodeSpread: Object.keys(topology.node_topology?.labelled?.exclusion ?? {}),
  };
}
