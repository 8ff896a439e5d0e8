/** /v1/volumes. */
import { snapshotInfoSchema, volumeNameSchema } from '@couchestor/shared/contracts/vault';
import { createVolumeRequest, nameRequest, resizeVolumeRequest } from '@couchestor/shared/contracts/vault-requests';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { VaultApi } from '../vault/vault-api.ts';
import { parseRequest } from './parse-request.ts';

const ofVolume = z.object({ volume: volumeNameSchema });
const ofSnapshot = z.object({ volume: volumeNameSchema, snapshot: snapshotInfoSchema.shape.name });
const removeQuery = z.strictObject({ withSnapshots: z.enum(['true', 'false']).default('false') });

export function addVolumeRoutes(server: FastifyInstance, { volumes }: Pick<VaultApi, 'volumes'>): void {
  server.get('/v1/volumes', async () => ({ volumes: await volumes.list() }));
  server.post('/v1/volumes', async (request, reply) => {
    const created = await volumes.create(parseRequest(createVolumeRequest, request.body));
    return reply.code(201).send(created);
  });
  server.get('/v1/volumes/:volume', async ({ params }) => volumes.show(parseRequest(ofVolume, params).volume));
  server.patch('/v1/volumes/:volume', async ({ params, body }) => {
    const { sizeBytes, force = false } = parseRequest(resizeVolumeRequest, body);
    return volumes.resize({ name: parseRequest(ofVolume, params).volume, sizeBytes, force });
  });
  server.delete('/v1/volumes/:volume', async ({ params, query }, reply) => {
    const { withSnapshots } = parseRequest(removeQuery, query);
    await volumes.remove({ name: parseRequest(ofVolume, params).volume, withSnapshots: withSnapshots === 'true' });
    return reply.code(204).send();
  });
  server.post('/v1/volumes/:volume/snapshots', async ({ params, body }, reply) => {
    const { name } = parseRequest(nameRequest, body);
    return reply.code(201).send(await volumes.snapshot({ volume: parseRequest(ofVolume, params).volume, name }));
  });
  server.delete('/v1/volumes/:volume/snapshots/:snapshot', async ({ params }, reply) => {
    const { volume, snapshot } = parseRequest(ofSnapshot, params);
    await volumes.removeSnapshot({ volume, name: snapshot });
    return reply.code(204).send();
  });
  server.post('/v1/volumes/:volume/snapshots/:snapshot/clones', async ({ params, body }, reply) => {
    const { name } = parseRequest(nameRequest, body);
    return reply.code(201).send(await volumes.clone({ ...parseRequest(ofSnapshot, params), name }));
  });
}
