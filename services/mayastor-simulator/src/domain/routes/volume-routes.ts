import { z } from 'zod';
import type { Volume } from '../cluster.ts';
import { createNexus, destroyNexus } from '../nexus.ts';
import { targetCandidate } from '../reconcile.ts';
import { notFound, Refusal } from '../refusal.ts';
import { setReplicaCount } from '../replica-count.ts';
import { liveNexus, nodeOnline, syncedReplicas } from '../status.ts';
import { childUri, volumeJson } from '../views.ts';
import { createVolume, createVolumeSchema, deleteVolume, resizeVolume } from '../volumes.ts';
import {
  type Call,
  noContent,
  ok,
  operate,
  page,
  pageQuerySchema,
  param,
  parseBody,
  parseQuery,
  type Route,
  type RouteAnswer,
  volumeOf,
} from './route.ts';

const publishSchema = z.object({
  publish_context: z.record(z.string(), z.string()).optional(),
  protocol: z.literal('nvmf'),
  node: z.string().optional(),
  frontend_node: z.string().optional(),
});

export const volumeRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/volumes',
    run: (call) => {
      const { cluster } = call.turn;
      const query = parseQuery(pageQuerySchema, call);
      if (query.volume_id !== undefined && cluster.volumes[query.volume_id] === undefined) {
        throw notFound('Volume', query.volume_id);
      }
      const volumes = Object.values(cluster.volumes).filter((volume) => query.volume_id === undefined || volume.uuid === query.volume_id);
      return page(volumes, query, (volume) => volumeJson(cluster, volume, call.seen));
    },
  },
  { method: 'GET', path: '/volumes/:volume', run: (call) => ok(volumeJson(call.turn.cluster, volumeOf(call), call.seen)) },
  {
    method: 'PUT',
    path: '/volumes/:volume',
    run: (call) => {
      const volume = createVolume(call.turn, param(call, 'volume'), parseBody(createVolumeSchema, call));
      return ok(volumeJson(call.turn.cluster, volume));
    },
  },
  {
    method: 'DELETE',
    path: '/volumes/:volume',
    run: (call) => {
      const volume = volumeOf(call);
      operate(call, { volume, operation: 'Destroy', change: () => deleteVolume(call.turn, volume) });
      return { ...noContent, delayMs: call.turn.cluster.settings.operationMs };
    },
  },
  {
    method: 'PUT',
    path: '/volumes/:volume/replica_count/:count',
    run: (call) => {
      const text = param(call, 'count');
      if (!/^\d{1,3}$/.test(text) || Number(text) > 255) {
        throw new Refusal('Deserialize', 'Deserialize', `Path deserialize error: can not parse "${text}" to a u8`);
      }
      const volume = volumeOf(call);
      return operate(call, { volume, operation: 'SetReplica', change: () => setReplicaCount(call.turn, volume, Number(text)) });
    },
  },
  {
    method: 'PUT',
    path: '/volumes/:volume/property',
    run: (call) => {
      const { max_snapshots: maxSnapshots } = parseBody(z.strictObject({ max_snapshots: z.int().min(0) }), call);
      const volume = volumeOf(call);
      const change = () => {
        volume.maxSnapshots = maxSnapshots;
      };
      return operate(call, { volume, operation: 'SetVolumeProperty', change });
    },
  },
  {
    method: 'PUT',
    path: '/volumes/:volume/size',
    run: (call) => {
      const { size } = parseBody(z.object({ size: z.int().positive() }), call);
      const volume = volumeOf(call);
      return operate(call, { volume, operation: 'Resize', change: () => resizeVolume(call.turn, volume, size) });
    },
  },
  {
    method: 'PUT',
    path: '/volumes/:volume/target',
    run: (call) => {
      const wanted = parseBody(publishSchema, call);
      const volume = volumeOf(call);
      return operate(call, { volume, operation: 'Publish', change: () => publish(call, volume, wanted) });
    },
  },
  {
    method: 'DELETE',
    path: '/volumes/:volume/target',
    run: (call) => {
      const volume = volumeOf(call);
      const change = () => {
        if (volume.nexus === undefined) {
          throw new Refusal('NotPublished', 'VolumeNotPublished', `Volume '${volume.uuid}' is not published`);
        }
        if (liveNexus(call.turn.cluster, volume) === undefined && call.query['force'] !== 'true') {
          throw new Refusal('Unavailable', 'NodeNotOnline', `Node '${volume.nexus.node}' is not online`);
        }
        destroyNexus(call.turn, volume);
        volume.frontendNodes = [];
      };
      return operate(call, { volume, operation: 'Unpublish', change });
    },
  },
  { method: 'GET', path: '/volumes/:volume/rebuild-history', run: (call) => ok(rebuildHistory(call, volumeOf(call))) },
  {
    method: 'DELETE',
    path: '/volumes/:volume/shutdown_targets',
    run: (call): RouteAnswer => {
      // A target that failed over leaves nothing behind here, so that there is never one to clear away.
      volumeOf(call);
      return noContent;
    },
  },
];

function publish(call: Call, volume: Volume, wanted: z.infer<typeof publishSchema>): void {
  const { cluster } = call.turn;
  if (volume.nexus !== undefined) {
    throw new Refusal(
      'AlreadyPublished',
      'VolumeAlreadyPublished',
      `Volume '${volume.uuid}' is already published on node '${volume.nexus.node}'`,
    );
  }
  if (wanted.node !== undefined && cluster.nodes[wanted.node] === undefined) {
    throw notFound('Node', wanted.node);
  }
  if (wanted.node !== undefined && !nodeOnline(cluster, wanted.node)) {
    throw new Refusal('Unavailable', 'NodeNotOnline', `Node '${wanted.node}' is not online`);
  }
  const node = wanted.node ?? targetCandidate(cluster, volume);
  if (node === undefined || syncedReplicas(cluster, volume).length === 0) {
    throw new Refusal('FailedPrecondition', 'NoHealthyReplicas', `No healthy replicas are available for Volume '${volume.uuid}'`);
  }
  createNexus(call.turn, volume, node);
  volume.frontendNodes = wanted.frontend_node === undefined ? [] : [wanted.frontend_node];
}

function rebuildHistory(call: Call, volume: Volume): unknown {
  const { cluster } = call.turn;
  const nexus = liveNexus(cluster, volume);
  if (nexus === undefined) {
    throw new Refusal('NotPublished', 'VolumeNotPublished', `Volume '${volume.uuid}' has no target`);
  }
  const blockSize = 512;
  const records = volume.rebuilds
    .filter((record) => nexus.children.some((child) => child.replica === record.replica) && record.startedAtMs >= nexus.createdAtMs)
    .map((record) => ({
      childUri: childUri(cluster, nexus, record.replica),
      srcUri: childUri(cluster, nexus, record.source),
      rebuildJobState: record.state,
      blocksTotal: record.bytesTotal / blockSize,
      blocksRecovered: record.bytesCopied / blockSize,
      blocksTransferred: record.bytesCopied / blockSize,
      blocksRemaining: (record.bytesTotal - record.bytesCopied) / blockSize,
      blockSize,
      isPartial: false,
      startTime: new Date(record.startedAtMs).toISOString(),
      endTime: new Date(record.endedAtMs).toISOString(),
    }));
  return { targetUuid: nexus.uuid, records };
}
