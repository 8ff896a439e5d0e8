import { z } from 'zod';
import type { Child, Nexus, Observed, Volume } from '../cluster.ts';
import { detachChild } from '../nexus.ts';
import { notFound, Refusal } from '../refusal.ts';
import { createReplica, disown } from '../replicas.ts';
import { blockBytes } from '../scenario.ts';
import { liveNexus, poolUsage } from '../status.ts';
import { childJson, childUri, nexusJson, poolSpec, replicaJson, volumeSpec } from '../views.ts';
import { type Call, noContent, nodeOf, ok, param, parseBody, poolOf, type Route, type RouteAnswer, replicaOf } from './route.ts';

const createReplicaSchema = z.object({ size: z.int().positive(), thin: z.boolean() });

type ReplicaView = Observed['replicas'][string] & { readonly node: string; readonly pool: string };

export const replicaRoutes: readonly Route[] = [
  { method: 'GET', path: '/replicas', run: (call) => ok(replicas(call, () => true)) },
  { method: 'GET', path: '/replicas/:replica', run: (call) => ok(replicaView(call)) },
  {
    method: 'GET',
    path: '/nodes/:node/replicas',
    run: (call) => {
      const node = nodeOf(call);
      return ok(replicas(call, (replica) => replica.node === node.id));
    },
  },
  {
    method: 'GET',
    path: '/nodes/:node/pools/:pool/replicas',
    run: (call) => {
      const pool = poolOf(call);
      return ok(replicas(call, (replica) => replica.pool === pool.id));
    },
  },
  { method: 'GET', path: '/nodes/:node/pools/:pool/replicas/:replica', run: (call) => ok(replicaView(call)) },
  { method: 'PUT', path: '/pools/:pool/replicas/:replica', run: putReplica },
  { method: 'PUT', path: '/nodes/:node/pools/:pool/replicas/:replica', run: putReplica },
  { method: 'DELETE', path: '/pools/:pool/replicas/:replica', run: deleteReplica },
  { method: 'DELETE', path: '/nodes/:node/pools/:pool/replicas/:replica', run: deleteReplica },
  { method: 'GET', path: '/nexuses', run: (call) => ok(nexuses(call, () => true)) },
  {
    method: 'GET',
    path: '/nodes/:node/nexuses',
    run: (call) => {
      const node = nodeOf(call);
      return ok(nexuses(call, (nexus) => (nexus as { node: string }).node === node.id));
    },
  },
  {
    method: 'GET',
    path: '/nexuses/:nexus',
    run: (call) => {
      const { volume, nexus } = nexusOf(call);
      return ok(call.seen?.nexuses[nexus.uuid] ?? nexusJson(call.turn.cluster, volume, nexus));
    },
  },
  {
    method: 'GET',
    path: '/nexuses/:nexus/children',
    run: (call) => {
      const { volume, nexus } = nexusOf(call);
      return ok(nexus.children.map((child) => childJson(call.turn.cluster, volume, nexus, child)));
    },
  },
  {
    method: 'GET',
    path: '/nexuses/:nexus/children/:uri',
    run: (call) => {
      const { volume, nexus, child } = childOf(call);
      return ok(childJson(call.turn.cluster, volume, nexus, child));
    },
  },
  {
    // The volume still owns the replica: self-healing attaches it again.
    method: 'DELETE',
    path: '/nexuses/:nexus/children/:uri',
    run: (call) => {
      const { volume, nexus, child } = childOf(call);
      if (child.state === 'Online' && nexus.children.filter((other) => other.state === 'Online').length === 1) {
        throw new Refusal(
          'FailedPrecondition',
          'LastHealthyReplica',
          `Cannot remove the last healthy replica '${child.replica}' of volume '${volume.uuid}'`,
        );
      }
      detachChild(call.turn, volume, child.replica);
      const replica = call.turn.cluster.replicas[child.replica];
      if (replica !== undefined) {
        replica.healthy = false;
      }
      return noContent;
    },
  },
  { method: 'GET', path: '/specs', run: (call) => ok(specs(call)) },
];

function replicas(call: Call, wanted: (replica: ReplicaView) => boolean): unknown[] {
  const { cluster } = call.turn;
  const views =
    call.seen?.replicas ??
    Object.fromEntries(Object.values(cluster.replicas).map((replica) => [replica.uuid, replicaJson(cluster, replica)]));
  const reachable = (view: ReplicaView) => call.seen !== undefined || cluster.nodes[view.node]?.online === true;
  return (Object.values(views) as ReplicaView[]).filter((view) => reachable(view) && wanted(view));
}

function replicaView(call: Call): unknown {
  const replica = replicaOf(call);
  return call.seen?.replicas[replica.uuid] ?? replicaJson(call.turn.cluster, replica);
}

/** A replica that no volume owns, and that no call gives to one. */
function putReplica(call: Call): RouteAnswer {
  const { cluster } = call.turn;
  const { size, thin } = parseBody(createReplicaSchema, call);
  const pool = poolOf(call);
  const uuid = param(call, 'replica');
  if (cluster.replicas[uuid] !== undefined) {
    throw new Refusal('AlreadyExists', 'AlreadyExists', `Resource Kind Replica '${uuid}' already exists`);
  }
  const sizeBytes = Math.ceil(size / blockBytes) * blockBytes;
  if (!thin && pool.capacityBytes - poolUsage(cluster, pool).usedBytes < sizeBytes) {
    throw new Refusal('ResourceExhausted', 'NotEnoughResources', `Pool '${pool.id}' has not enough space`);
  }
  return ok(replicaJson(cluster, createReplica(call.turn, { pool, volume: undefined, sizeBytes, thin, healthy: false, uuid })));
}

function deleteReplica(call: Call): RouteAnswer {
  const replica = replicaOf(call);
  if (replica.volume !== undefined) {
    throw new Refusal('InUse', 'InUse', `Replica '${replica.uuid}' is owned by volume '${replica.volume}'`);
  }
  disown(call.turn, replica);
  return noContent;
}

function nexuses(call: Call, wanted: (nexus: unknown) => boolean): unknown[] {
  const { cluster } = call.turn;
  const views =
    call.seen === undefined
      ? Object.values(cluster.volumes).flatMap((volume) => {
          const nexus = liveNexus(cluster, volume);
          return nexus === undefined ? [] : [nexusJson(cluster, volume, nexus)];
        })
      : Object.values(call.seen.nexuses);
  return views.filter(wanted);
}

function nexusOf(call: Call): { volume: Volume; nexus: Nexus } {
  const id = param(call, 'nexus');
  for (const volume of Object.values(call.turn.cluster.volumes)) {
    const nexus = liveNexus(call.turn.cluster, volume);
    if (nexus?.uuid === id) {
      return { volume, nexus };
    }
  }
  throw notFound('Nexus', id);
}

function childOf(call: Call): { volume: Volume; nexus: Nexus; child: Child } {
  const { volume, nexus } = nexusOf(call);
  const uri = param(call, 'uri');
  const child = nexus.children.find((other) => childUri(call.turn.cluster, nexus, other.replica) === uri);
  if (child === undefined) {
    throw notFound('Child', uri);
  }
  return { volume, nexus, child };
}

function specs(call: Call): unknown {
  const { cluster } = call.turn;
  const volumes = Object.values(cluster.volumes);
  return {
    volumes: volumes.map((volume) => volumeSpec(cluster, volume)),
    replicas: Object.values(cluster.replicas).map((replica) => {
      const nexus = replica.volume === undefined ? undefined : cluster.volumes[replica.volume]?.nexus;
      return {
        uuid: replica.uuid,
        name: replica.uuid,
        size: replica.sizeBytes,
        pool: replica.pool,
        share: 'none',
        thin: replica.thin,
        status: 'Created',
        managed: replica.volume !== undefined,
        owners: {
          ...(replica.volume !== undefined && { volume: replica.volume }),
          nexuses: nexus === undefined ? [] : [nexus.uuid],
          disown_all: replica.garbage,
        },
      };
    }),
    nexuses: volumes.flatMap((volume) => {
      const { nexus } = volume;
      if (nexus === undefined) {
        return [];
      }
      const children = nexus.children.map((child) => childUri(cluster, nexus, child.replica));
      return [
        {
          uuid: nexus.uuid,
          name: volume.uuid,
          node: nexus.node,
          children,
          size: volume.sizeBytes,
          status: 'Created',
          share: 'nvmf',
          managed: true,
          owner: volume.uuid,
        },
      ];
    }),
    pools: Object.values(cluster.pools).map((pool) => poolSpec(cluster, pool)),
  };
}
