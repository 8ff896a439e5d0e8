/** /v1/blobs: bodies go through as they come, in neither direction held as a whole. */
import { Readable } from 'node:stream';
import { type BlobInfo, blobKeySchema } from '@couchestor/shared/contracts/vault';
import { listBlobsQuery } from '@couchestor/shared/contracts/vault-requests';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { EcError } from '../errors.ts';
import { VaultError } from '../vault/errors.ts';
import type { VaultApi } from '../vault/vault-api.ts';
import { parseRequest } from './parse-request.ts';
import { rangeOf } from './range-header.ts';

const ofBlob = z.object({ key: blobKeySchema });

export function addBlobRoutes(server: FastifyInstance, { blobs }: Pick<VaultApi, 'blobs'>): void {
  server.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload));

  server.get('/v1/blobs', async ({ query }) => {
    const { limit, after, state } = parseRequest(listBlobsQuery, query);
    return { blobs: await blobs.list({ limit, ...(after === undefined ? {} : { after }), ...(state === undefined ? {} : { state }) }) };
  });

  server.put('/v1/blobs/:key', async (request, reply) => {
    const { body } = request;
    if (!(body instanceof Readable)) {
      throw new EcError('INVALID', { problem: 'a blob is sent as application/octet-stream' });
    }
    const length = request.headers['content-length'];
    const stored = await blobs.put({
      key: keyOf(request),
      body,
      ...(length === undefined ? {} : { sizeBytes: Number(length) }),
      signal: goneSignal(request, reply),
    });
    return reply.code(201).send(stored);
  });

  server.head('/v1/blobs/:key', async (request, reply) => {
    const info = found(await blobs.head(keyOf(request)));
    return describe(reply, info).header('content-length', info.sizeBytes).send();
  });

  server.get('/v1/blobs/:key', async (request, reply) => {
    const key = keyOf(request);
    const { sizeBytes } = found(await blobs.head(key));
    const range = rangeOf(request.headers.range, sizeBytes);
    if (range === 'unsatisfiable') {
      reply.header('content-range', `bytes */${sizeBytes}`);
      throw new VaultError('BAD_RANGE', { range: request.headers.range, sizeBytes });
    }
    const { info, body } = found(await blobs.get(range === undefined ? { key } : { key, range }));
    describe(reply, info).header('content-length', range?.lengthBytes ?? sizeBytes);
    if (range !== undefined) {
      const last = range.offsetBytes + range.lengthBytes - 1;
      reply.code(206).header('content-range', `bytes ${range.offsetBytes}-${last}/${sizeBytes}`);
    }
    // A reader that goes away destroys the stream, and that ends the body.
    return reply.send(Readable.from(body, { objectMode: false }));
  });

  server.post('/v1/blobs/:key/adopt', async (request) => blobs.adopt(keyOf(request)));
  server.post('/v1/blobs/:key/release', async (request, reply) => {
    await blobs.release(keyOf(request));
    return reply.code(204).send();
  });
}

function keyOf({ params }: FastifyRequest): string {
  return parseRequest(ofBlob, params).key;
}

function found<T>(value: T | undefined): T {
  if (value === undefined) {
    throw new EcError('NOT_FOUND');
  }
  return value;
}

/** vault-client.ts reads these headers again. */
function describe(reply: FastifyReply, info: BlobInfo): FastifyReply {
  return reply.headers({
    'content-type': 'application/octet-stream',
    'accept-ranges': 'bytes',
    'couchestor-blob-id': info.blobId,
    'couchestor-blob-state': info.state,
    'couchestor-blob-created-at': info.createdAt,
    'couchestor-blob-size': info.sizeBytes,
  });
}

/** Aborted when the caller goes away before it was answered. */
function goneSignal({ raw }: FastifyRequest, reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) {
      gone.abort(new Error(raw.complete ? 'the caller went away' : 'the caller went away in the middle of the body'));
    }
  });
  return gone.signal;
}
