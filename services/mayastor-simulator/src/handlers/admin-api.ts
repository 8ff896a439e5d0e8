/** The admin port: what no Mayastor has. Faults, mishaps, load, verification, figures. */
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { z } from 'zod';
import type { DataPlane } from '../adapters/data-plane.ts';
import type { SimulatorClock } from '../clock.ts';
import type { Volume } from '../domain/cluster.ts';
import { volumeNameLabel } from '../domain/create-cluster.ts';
import { addFault, clearFaults } from '../domain/handle.ts';
import { phaseAt } from '../domain/load.ts';
import { failOverVolume, faultReplica, setNodeOnline, setPoolOnline } from '../domain/mishaps.ts';
import { Refusal, statusOfKind } from '../domain/refusal.ts';
import { faultSchema } from '../domain/request.ts';
import { loadRepeatsSchema, loadSchema } from '../domain/scenario.ts';
import { syncedReplicas, volumeStatus } from '../domain/status.ts';
import type { Engine } from '../engine.ts';

const passMaxMs = 3_600_000;

export interface AdminApiDeps {
  readonly engine: Engine;
  readonly dataPlane: DataPlane;
  readonly clock: SimulatorClock;
}

interface IdParams {
  readonly id: string;
}

export function createAdminApi(deps: AdminApiDeps): FastifyInstance {
  const { engine, clock } = deps;
  const { cluster } = engine;
  const app = fastify({ logger: false, forceCloseConnections: true });
  app.setErrorHandler((error, _request, reply) => answerError(error, reply));

  app.post('/faults', async (request) => {
    const fault = parse(faultSchema, request.body);
    let id = 0;
    engine.change(() => {
      id = addFault(cluster, fault);
      return [];
    });
    return { id };
  });
  app.get('/faults', async () => cluster.faults.list.map(({ id, fault, passed, hits }) => ({ id, fault, passed, hits })));
  app.delete('/faults', async () => {
    const cleared = cluster.faults.list.length;
    engine.change(() => {
      clearFaults(cluster);
      return [];
    });
    return { cleared };
  });

  app.post('/verify', async () => ({ ...(await engine.verify()), ...figures(deps) }));
  app.get('/stats', async () => {
    engine.tick();
    return { nowMs: cluster.nowMs, ...figures(deps), volumes: volumeStats(deps) };
  });

  for (const online of [true, false]) {
    app.post<{ Params: IdParams }>(`/nodes/:id/${online ? 'up' : 'down'}`, async ({ params }) => {
      engine.change((nowMs) => setNodeOnline(cluster, { node: params.id, online, nowMs }));
      return { node: params.id, online };
    });
    app.post<{ Params: IdParams }>(`/pools/:id/${online ? 'online' : 'offline'}`, async ({ params }) => {
      engine.change((nowMs) => setPoolOnline(cluster, { pool: params.id, online, nowMs }));
      return { pool: params.id, online };
    });
  }

  app.post<{ Params: IdParams }>('/volumes/:id/publish', async (request, reply) => {
    const { node } = parse(z.strictObject({ node: z.string().optional() }).default({}), request.body ?? {});
    return rest(deps, reply, 'PUT', volumeOf(deps, request), {
      protocol: 'nvmf',
      publish_context: {},
      ...(node !== undefined && { node }),
    });
  });
  app.post<{ Params: IdParams }>('/volumes/:id/unpublish', async (request, reply) => rest(deps, reply, 'DELETE', volumeOf(deps, request)));
  app.post<{ Params: IdParams }>('/volumes/:id/failover', async (request) => {
    const { node } = parse(z.strictObject({ node: z.string().optional() }), request.body ?? {});
    const volume = volumeOf(deps, request);
    engine.change((nowMs) => failOverVolume(cluster, { volume: volume.uuid, node, nowMs }));
    return { volume: volume.uuid, node: cluster.volumes[volume.uuid]?.nexus?.node };
  });
  app.post<{ Params: IdParams }>('/volumes/:id/fault-replica', async (request) => {
    const body = z.strictObject({ replica: z.string().optional(), pool: z.string().optional(), forGood: z.boolean().default(false) });
    const wanted = parse(body, request.body ?? {});
    const volume = volumeOf(deps, request);
    const replica = wanted.replica ?? volume.replicas.find((uuid) => cluster.replicas[uuid]?.pool === wanted.pool);
    if (replica === undefined) {
      throw new BadRequest(`name the replica of volume ${volume.uuid}: {"replica": "<uuid>"} or {"pool": "<id>"}`);
    }
    engine.change((nowMs) => faultReplica(cluster, { volume: volume.uuid, replica, forGood: wanted.forGood, nowMs }));
    return { volume: volume.uuid, replica };
  });
  app.put<{ Params: IdParams }>('/volumes/:id/load', async (request) => {
    const load = parse(z.strictObject({ load: loadSchema, loadRepeats: loadRepeatsSchema.default('last') }), request.body);
    const volume = volumeOf(deps, request);
    engine.setLoad(volume, { phases: load.load, repeats: load.loadRepeats });
    return { volume: volume.uuid, phases: load.load.length };
  });

  app.post('/time', async (request) => {
    if (clock.mode !== 'manual') {
      throw new BadRequest('time passes by itself: start the simulator with --clock manual to move it by hand');
    }
    const { advanceMs } = parse(z.strictObject({ advanceMs: z.int().min(1).max(passMaxMs) }), request.body);
    engine.pass(advanceMs);
    return { nowMs: cluster.nowMs };
  });
  return app;
}

class BadRequest extends Error {}

function answerError(error: unknown, reply: FastifyReply): FastifyReply {
  if (error instanceof BadRequest) {
    return reply.code(400).send({ error: error.message });
  }
  if (error instanceof Refusal) {
    return reply.code(statusOfKind[error.body.kind]).send({ error: error.body.details });
  }
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  return reply.code(status).send({ error: error instanceof Error ? error.message : String(error) });
}

function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (!parsed.success) {
    throw new BadRequest(parsed.error.issues.map((issue) => `${issue.path.join('.') || '(body)'}: ${issue.message}`).join('; '));
  }
  return parsed.data;
}

/** A volume by uuid or by its friendly name. */
function volumeOf({ engine }: AdminApiDeps, request: FastifyRequest<{ Params: IdParams }>): Volume {
  const { id } = request.params;
  const volumes = Object.values(engine.cluster.volumes);
  const found = engine.cluster.volumes[id] ?? volumes.find((volume) => volume.labels[volumeNameLabel] === id);
  if (found === undefined) {
    throw new Refusal('NotFound', 'VolumeNotFound', `no volume has the uuid or name "${id}"; GET /stats lists them`);
  }
  return found;
}

/** The application attaches or detaches: the same call that the CSI driver makes. */
async function rest(
  { engine }: AdminApiDeps,
  reply: FastifyReply,
  method: 'PUT' | 'DELETE',
  volume: Volume,
  body?: unknown,
): Promise<unknown> {
  const answer = await engine.call({ method, path: `/v0/volumes/${volume.uuid}/target`, body });
  if (answer === 'never') {
    throw new BadRequest('a fault swallowed the call: DELETE /faults first');
  }
  reply.code(answer.status);
  return answer.status < 300
    ? { volume: volume.uuid, node: volume.nexus?.node }
    : { error: (answer.body as { details?: string } | undefined)?.details };
}

function figures({ engine, dataPlane }: AdminApiDeps) {
  const { reads, writes, bytesRead, bytesWritten } = dataPlane.totals;
  const { corruptReads, bytesRebuilt } = dataPlane;
  return {
    operations: reads + writes,
    reads,
    writes,
    bytesRead,
    bytesWritten,
    bytesRebuilt,
    corruptReads,
    underReplicatedMs: engine.cluster.underReplicatedMs,
  };
}

function volumeStats({ engine, dataPlane }: AdminApiDeps): Record<string, unknown> {
  const { cluster, loads } = engine;
  return Object.fromEntries(
    Object.values(cluster.volumes).map((volume) => {
      const load = loads[volume.uuid];
      const { generation, bytes } = dataPlane.acknowledged(volume);
      const stats = {
        name: volume.labels[volumeNameLabel],
        status: volumeStatus(cluster, volume),
        published: volume.nexus !== undefined,
        targetIops: (load === undefined ? undefined : phaseAt(load, cluster.nowMs)?.iops) ?? 0,
        generation,
        allocatedBytes: bytes,
        synced: syncedReplicas(cluster, volume).length,
        replicas: volume.replicas.map((uuid) => ({ uuid, pool: cluster.replicas[uuid]?.pool, healthy: cluster.replicas[uuid]?.healthy })),
      };
      return [volume.uuid, stats];
    }),
  );
}
