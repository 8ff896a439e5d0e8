/** /v1/status, /v1/operations, and what begins the operations that concern all of a vault. */
import { backupRequest } from '@couchestor/shared/contracts/vault-requests';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { VaultApi } from '../vault/vault-api.ts';
import type { Operations } from './operations.ts';
import { parseRequest } from './parse-request.ts';

const ofOperation = z.object({ id: z.string().min(1).max(64) });

export function addOperationRoutes(server: FastifyInstance, { vault, operations }: { vault: VaultApi; operations: Operations }): void {
  server.get('/v1/status', async () => vault.status());
  server.get('/v1/operations', async () => ({ operations: operations.list() }));
  server.get('/v1/operations/:id', async ({ params }) => operations.get(parseRequest(ofOperation, params).id));
  server.delete('/v1/operations/:id', async ({ params }) => operations.cancel(parseRequest(ofOperation, params).id));
  for (const kind of ['scrub', 'rebuild', 'verify'] as const) {
    server.post(`/v1/${kind}`, async (_request, reply) => reply.code(202).send(operations.begin(kind, (call) => vault[kind](call))));
  }
  server.post('/v1/backup', async ({ body }, reply) => {
    const { to } = parseRequest(backupRequest, body);
    return reply.code(202).send(operations.begin('backup', (call) => vault.backup(to, call)));
  });
}
