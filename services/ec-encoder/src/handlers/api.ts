/**
 * The HTTP API of a vault: for the command line, for the gateway, for people with curl.
 *
 * On the unix socket in the data folder the file's permissions are the door. On TCP it is a bearer token; without one only programs of this
 * machine are answered, and no page in a browser, which would reach a loopback address as well.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { chmod, rm } from 'node:fs/promises';
import { loopbackUrl } from '@couchestor/shared/address';
import type { Logger } from '@couchestor/shared/logger';
import { type FastifyError, type FastifyInstance, type FastifyRequest, fastify } from 'fastify';
import { EcError } from '../errors.ts';
import type { VaultApi } from '../vault/vault-api.ts';
import { addBlobRoutes } from './blob-routes.ts';
import { addDriveRoutes } from './drive-routes.ts';
import { errorBodyOf, statusOf } from './error-body.ts';
import { addOperationRoutes } from './operation-routes.ts';
import type { Operations } from './operations.ts';
import { addVolumeRoutes } from './volume-routes.ts';

export type ApiListen =
  | { readonly unixPath: string }
  | { readonly host: string; readonly port: number; readonly token?: () => Promise<string> };

export interface ApiOptions {
  readonly vault: VaultApi;
  readonly operations: Operations;
  readonly listen: ApiListen;
  readonly logger: Logger;
}

export interface RunningApi {
  /** `http://127.0.0.1:9100`, or the socket's path. */
  readonly address: string;
  close(): Promise<void>;
}

/** JSON of requests is a few names and numbers. */
const jsonBytesMax = 64 * 1_024;
const headerBytesMax = 16 * 1_024;
/** Of a blob's key, with each character written as %XX. */
const paramLengthMax = 2_048;
/** A connection on which nothing moves. Writers wait for a full journal this long, at the most. */
const idleTimeoutMs = 120_000;
const headersTimeoutMs = 10_000;

export async function startApi(o: ApiOptions): Promise<RunningApi> {
  const server = buildApi(o);
  const { listen } = o;
  if (!('unixPath' in listen)) {
    await server.listen({ host: listen.host, port: listen.port });
    const bound = server.server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : listen.port;
    return { address: loopbackUrl({ host: listen.host, port }), close: () => server.close() };
  }
  // The vault holds the lock of its data folder, so that a socket which is there has been left by a process that is gone.
  await rm(listen.unixPath, { force: true });
  await server.listen({ path: listen.unixPath });
  await chmod(listen.unixPath, 0o600);
  return { address: listen.unixPath, close: () => server.close() };
}

function buildApi({ vault, operations, listen, logger }: ApiOptions): FastifyInstance {
  const server = fastify({
    bodyLimit: jsonBytesMax,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    connectionTimeout: idleTimeoutMs,
    // Of a whole request: a blob may take its time as long as it moves.
    requestTimeout: 0,
    http: { maxHeaderSize: headerBytesMax, headersTimeout: headersTimeoutMs },
    routerOptions: { maxParamLength: paramLengthMax },
  });
  server.setNotFoundHandler(async (request, reply) =>
    reply.code(404).send(errorBodyOf(new EcError('NOT_FOUND', { request: `${request.method} ${request.url.slice(0, 200)}` }))),
  );
  server.setErrorHandler(async (error: FastifyError, request, reply) => {
    const told = ofFastify(error);
    const status = statusOf(told);
    if (status >= 500) {
      logger.warn({ method: request.method, url: request.url.slice(0, 200), err: told }, 'a request failed');
    }
    return reply.code(status).send(errorBodyOf(told));
  });
  if (!('unixPath' in listen)) {
    const { token } = listen;
    server.addHook('onRequest', async (request) => (token === undefined ? assertLocal(request) : assertToken(request, await token())));
  }
  addVolumeRoutes(server, vault);
  addDriveRoutes(server, { vault, operations });
  addOperationRoutes(server, { vault, operations });
  addBlobRoutes(server, vault);
  return server;
}

/** What Fastify finds wrong with a request before we see it, in our words. */
function ofFastify(error: FastifyError): Error {
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new EcError('TOO_LARGE', { bytesMax: jsonBytesMax });
  }
  return typeof error.code === 'string' && error.code.startsWith('FST_') && (error.statusCode ?? 500) < 500
    ? new EcError('INVALID', { problem: error.message })
    : error;
}

function assertToken({ headers }: FastifyRequest, token: string): void {
  const [, given = ''] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
  // Hashes have one length, whatever was sent, so that comparing them tells nothing of the token.
  if (!timingSafeEqual(digest(given), digest(token))) {
    throw new EcError('UNAUTHORIZED');
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** A browser names the page that asks, and the name under which it was led to this address. */
function assertLocal({ headers }: FastifyRequest): void {
  const host = headers.host?.replace(/:\d+$/, '') ?? '';
  if (headers.origin !== undefined || !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(host)) {
    throw new EcError('FORBIDDEN');
  }
}
