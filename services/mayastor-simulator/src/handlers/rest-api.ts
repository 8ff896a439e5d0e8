/** Mayastor's REST API over HTTP. The model answers every path; here are only bytes and waiting. */
import { sleep } from '@couchestor/shared/time';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { Answer, ModelRequest } from '../domain/request.ts';

/** A call that gets no answer keeps its connection this long; clients give up earlier. */
const unansweredMaxMs = 120_000;
const bodyMaxBytes = 1024 * 1024;

export interface RestApiDeps {
  readonly call: (request: ModelRequest) => Promise<Answer | 'never'>;
}

export function createRestApi(deps: RestApiDeps): FastifyInstance {
  const app = fastify({ logger: false, forceCloseConnections: true, bodyLimit: bodyMaxBytes, routerOptions: { maxParamLength: 8_192 } });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  app.route({ method: ['GET', 'PUT', 'POST', 'DELETE'], url: '/*', handler: (request, reply) => answer(deps, request, reply) });
  app.setNotFoundHandler((_request, reply) => reply.code(404).send());
  return app;
}

async function answer(deps: RestApiDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const body = parseBody(request.body);
  if (body.problem !== undefined) {
    const error = { details: `Json deserialize error: ${body.problem}`, message: 'SvcError :: Deserialize', kind: 'Deserialize' };
    return reply.code(400).type('application/json').send(JSON.stringify(error));
  }
  const url = new URL(request.raw.url ?? '/', 'http://simulator');
  const method = request.method as ModelRequest['method'];
  const outcome = await deps.call({ method, path: url.pathname, query: Object.fromEntries(url.searchParams), body: body.value });
  if (outcome === 'never') {
    reply.hijack();
    const timer = setTimeout(() => request.raw.socket.destroy(), unansweredMaxMs).unref();
    request.raw.socket.once('close', () => clearTimeout(timer));
    return reply;
  }
  if (outcome.delayMs > 0) {
    await sleep(outcome.delayMs);
  }
  if (outcome.body === undefined) {
    return reply.code(outcome.status).send();
  }
  return typeof outcome.body === 'string'
    ? reply.code(outcome.status).type('text/html').send(outcome.body)
    : reply.code(outcome.status).type('application/json').send(JSON.stringify(outcome.body));
}

function parseBody(body: unknown): { value?: unknown; problem?: string } {
  if (typeof body !== 'string' || body === '') {
    return {};
  }
  try {
    return { value: JSON.parse(body) };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}
