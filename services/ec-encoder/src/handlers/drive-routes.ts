/** /v1/drives. What moves shards is answered with an operation at once. */
import { driveRequest, failDriveRequest } from '@couchestor/shared/contracts/vault-requests';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { EcError } from '../errors.ts';
import type { GivenDrive, VaultApi } from '../vault/vault-api.ts';
import type { Operations } from './operations.ts';
import { parseRequest } from './parse-request.ts';

const ofDrive = z.object({ number: z.coerce.number().int().positive() });

export function addDriveRoutes(server: FastifyInstance, o: { vault: Pick<VaultApi, 'drives'>; operations: Operations }): void {
  const { drives } = o.vault;
  server.get('/v1/drives', async () => ({ drives: drives.list() }));
  server.post('/v1/drives', async ({ body }, reply) => reply.code(201).send(await drives.add(driveOf(body))));
  server.post('/v1/drives/fail', async ({ body }) => drives.fail(parseRequest(failDriveRequest, body).drive));
  server.post('/v1/drives/:number/drain', async ({ params }, reply) => {
    const number = known(params);
    return reply.code(202).send(o.operations.begin('drain', (call) => drives.drain(number, call)));
  });
  server.post('/v1/drives/:number/replace', async ({ params, body }, reply) => {
    const number = known(params);
    const drive = driveOf(body);
    return reply.code(202).send(o.operations.begin('replace', (call) => drives.replace({ number, drive }, call)));
  });

  /** Refused at once where there is no such drive, and not by an operation that fails. */
  function known(params: unknown): number {
    const { number } = parseRequest(ofDrive, params);
    if (!drives.list().some((drive) => drive.number === number)) {
      throw new EcError('NOT_FOUND', { drive: number });
    }
    return number;
  }
}

function driveOf(body: unknown): GivenDrive {
  const { path, domain = {} } = parseRequest(driveRequest, body);
  return { path, domain: Object.fromEntries(Object.entries(domain).filter(([, value]) => value !== undefined)) };
}
