import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CodedError } from '../errors.ts';
import { jsonAnswer, type RudeAnswer, type RudeHttpServer, startRudeHttpServer } from '../testing/rude-http-server.ts';
import { MayastorClient } from './client.ts';
import { mayHaveHadEffect } from './errors.ts';

const volumeId = '5f4e5f0c-6a5b-4c51-9e0d-0d5c8b8f0a01';

function volumeJson(uuid = volumeId): Record<string, unknown> {
  return {
    spec: { uuid, size: 1_073_741_824, num_replicas: 1, status: 'Created', thin: true, policy: { self_heal: true }, tomorrow: { more: 1 } },
    state: {
      uuid,
      size: 1_073_741_824,
      status: 'Sleepy',
      replica_topology: { r1: { state: 'Online', node: 'n1', pool: 'p1', 'child-status': 'Online', healthy: true } },
      surprise: [1, 2],
    },
  };
}

const cordonFlags = { replicas: true, snapshots: false, restores: false, import: false };

let server: RudeHttpServer;
let client: MayastorClient;

beforeEach(async () => {
  server = await startRudeHttpServer();
  client = new MayastorClient({ url: server.url, requestTimeoutMs: 300 });
});

afterEach(async () => {
  await client.close();
  await server.close();
});

async function failureOf(promise: Promise<unknown>): Promise<CodedError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof CodedError)) {
    throw new Error(`expected a coded error, saw ${String(error)}`);
  }
  return error;
}

describe('reading', () => {
  it('passes unknown words and extra fields through', async () => {
    server.answerWith(() => jsonAnswer(volumeJson()));
    expect((await client.getVolume(volumeId))?.state.status).toBe('Sleepy');
    expect(server.requests[0]?.url.pathname).toBe(`/v0/volumes/${volumeId}`);
  });

  it('keeps a path prefix of the URL, with or without a slash at its end', async () => {
    server.answerWith(() => jsonAnswer([]));
    for (const url of [`${server.url}/gateway`, `${server.url}/gateway/`]) {
      const prefixed = new MayastorClient({ url, requestTimeoutMs: 300 });
      expect(await prefixed.listPools()).toEqual([]);
      await prefixed.close();
    }
    expect(server.requests.map(({ url }) => url.pathname)).toEqual(['/gateway/v0/pools', '/gateway/v0/pools']);
  });

  it('says that a volume is not there only when Mayastor itself says so', async () => {
    server.answerWith(() => jsonAnswer({ details: 'no such volume', message: '', kind: 'NotFound' }, 404));
    expect(await client.getVolume(volumeId)).toBeUndefined();
    server.answerWith(() => ({ kind: 'body', status: 404, body: '' }));
    expect((await failureOf(client.getVolume(volumeId))).code).toBe('MAYASTOR_NO_ROUTE');
    server.answerWith(() => ({ kind: 'body', status: 404, body: '<html>Not Found</html>' }));
    expect((await failureOf(client.getVolume(volumeId))).code).toBe('MAYASTOR_INVALID_ANSWER');
  });

  it.each<[string, RudeAnswer, string, string | undefined]>([
    ['an HTML page', { kind: 'body', status: 200, body: '<html>Welcome</html>' }, 'INVALID_ANSWER', 'not JSON'],
    ['JSON that breaks off', { kind: 'body', status: 200, body: '{"spec":{"uuid":"5f' }, 'INVALID_ANSWER', 'not JSON'],
    ['an array where an object belongs', jsonAnswer([]), 'INVALID_ANSWER', undefined],
    ['null', jsonAnswer(null), 'INVALID_ANSWER', undefined],
    ['a redirect', { kind: 'body', status: 302, body: '' }, 'INVALID_ANSWER', 'a redirect'],
    ['a deadline that passes before the head', { kind: 'hang' }, 'UNREACHABLE', undefined],
    ['a deadline that passes in mid-body', { kind: 'stall', body: '{"spec":' }, 'UNREACHABLE', undefined],
    ['a connection closed in mid-answer', { kind: 'cut', body: '{"spec":' }, 'UNREACHABLE', undefined],
    ['a connection closed instead of an answer', { kind: 'close' }, 'UNREACHABLE', undefined],
    ['503 with a body', jsonAnswer({ details: 'x', message: 'y', kind: 'Unavailable' }, 503), 'UNREACHABLE', undefined],
    ['503 without a body', { kind: 'body', status: 503, body: '' }, 'UNREACHABLE', undefined],
  ])('turns %s into a coded error without effect', async (_name, answer, code, problem) => {
    server.answerWith(() => answer);
    const error = await failureOf(client.getVolume(volumeId));
    expect(error.code).toBe(`MAYASTOR_${code}`);
    expect(error.facts).toMatchObject({ method: 'GET', path: `/volumes/${volumeId}` });
    if (problem !== undefined) {
      expect(error.facts['problem']).toBe(problem);
    }
  });

  it('names the field of a wrong shape', async () => {
    const volume = volumeJson();
    (volume['spec'] as Record<string, unknown>)['num_replicas'] = 'three';
    server.answerWith(() => jsonAnswer({ entries: [volume] }));
    expect((await failureOf(client.listVolumes())).facts['field']).toBe('entries.0.spec.num_replicas');
  });

  it('reports a server that is not there as unreachable', async () => {
    await server.close();
    const error = await failureOf(client.setReplicaCount(volumeId, 2));
    expect(error.code).toBe('MAYASTOR_UNREACHABLE');
    expect(mayHaveHadEffect(error)).toBe(false);
  });
});

describe('paging', () => {
  it('follows next_token to the end and gives each volume once', async () => {
    server.answerWith(({ url }) => {
      const start = Number(url.searchParams.get('starting_token') ?? 0);
      const ids = [start, start + 1].map((n) => `5f4e5f0c-6a5b-4c51-9e0d-${String(n).padStart(12, '0')}`);
      return jsonAnswer({ entries: ids.map(volumeJson), ...(start < 4 ? { next_token: start + (start === 0 ? 1 : 3) } : {}) });
    });
    // Pages start at 0, 1 and 4: volume 1 comes twice.
    expect((await client.listVolumes()).map(({ spec }) => Number(spec.uuid.slice(-12)))).toEqual([0, 1, 2, 4, 5]);
    expect(server.requests.every(({ url }) => url.searchParams.has('max_entries'))).toBe(true);
  });

  it('stops when the token does not rise', async () => {
    server.answerWith(() => jsonAnswer({ entries: [], next_token: 5 }));
    const error = await failureOf(client.listVolumes());
    expect(error.code).toBe('MAYASTOR_INVALID_ANSWER');
    expect(server.requests).toHaveLength(2);
  });

  it('stops a server that pages for ever', async () => {
    server.answerWith(({ url }) => jsonAnswer({ entries: [], next_token: Number(url.searchParams.get('starting_token') ?? 0) + 1 }));
    expect((await failureOf(client.listVolumes())).message).toContain('no last page after 1000');
  });
});

describe('changing', () => {
  it.each<[string, RudeAnswer, string]>([
    ['408', jsonAnswer({ details: '', message: '', kind: 'Timeout' }, 408), 'AMBIGUOUS'],
    ['500', jsonAnswer({ details: '', message: '', kind: 'Internal' }, 500), 'AMBIGUOUS'],
    ['503 with a body', jsonAnswer({ details: '', message: '', kind: 'Unavailable' }, 503), 'AMBIGUOUS'],
    ['503 without a body', { kind: 'body', status: 503, body: '' }, 'AMBIGUOUS'],
    ['504', { kind: 'body', status: 504, body: '<html>' }, 'AMBIGUOUS'],
    ['a deadline', { kind: 'hang' }, 'AMBIGUOUS'],
    ['a deadline in mid-body', { kind: 'stall', body: '{' }, 'AMBIGUOUS'],
    ['a closed connection', { kind: 'close' }, 'AMBIGUOUS'],
    ['an answer cut off', { kind: 'cut', body: '{' }, 'AMBIGUOUS'],
    ['200 with HTML', { kind: 'body', status: 200, body: '<html>' }, 'INVALID_ANSWER'],
    ['507 on storing the change', jsonAnswer({ details: '', message: '', kind: 'FailedPersist' }, 507), 'AMBIGUOUS'],
  ])('leaves the outcome open after %s', async (_name, answer, code) => {
    server.answerWith(() => answer);
    const error = await failureOf(client.setReplicaCount(volumeId, 2));
    expect(error.code).toBe(`MAYASTOR_${code}`);
    expect(mayHaveHadEffect(error)).toBe(true);
    expect(server.requests).toHaveLength(1);
  });

  it.each([
    [400, 'InvalidArgument', 'REFUSED'],
    [401, 'Unauthorized', 'REFUSED'],
    [404, 'NotFound', 'NOT_FOUND'],
    [409, 'Conflict', 'CONFLICT'],
    [412, 'FailedPrecondition', 'PRECONDITION'],
    [416, 'OutOfRange', 'REFUSED'],
    [422, 'AlreadyExists', 'ALREADY_EXISTS'],
    [501, 'Unimplemented', 'REFUSED'],
    [507, 'ResourceExhausted', 'NO_RESOURCES'],
    [409, 'SomethingNew', 'CONFLICT'],
  ])('%i %s is %s, with the kind and the details among its facts', async (status, kind, code) => {
    server.answerWith(() =>
      jsonAnswer({ details: 'Not enough suitable pools available, 0/1', message: 'm', kind, diagnostics: {} }, status),
    );
    const error = await failureOf(client.setReplicaCount(volumeId, 2));
    expect(error.code).toBe(`MAYASTOR_${code}`);
    expect(error.facts).toMatchObject({ status, kind, details: 'Not enough suitable pools available, 0/1' });
    expect(mayHaveHadEffect(error)).toBe(false);
  });

  it('sends cordons with their flags, labels as key=value in the path, and takes 204', async () => {
    server.answerWith(() => ({ kind: 'body', status: 204, body: '' }));
    await client.cordonPool('pool-1', cordonFlags);
    await client.uncordonPool('pool-1', cordonFlags);
    await client.labelPool('pool-1', { key: 'couchestor-gate', value: 'm0..cordon', overwrite: false });
    await client.unlabelPool('pool-1', 'a/b');
    await client.cordonNode('node-1', 'couchestor-m0');
    await client.uncordonNode('node-1', 'couchestor-m0');
    expect(server.requests.map(({ method, url, body }) => `${method} ${url.pathname}${url.search} ${body}`)).toEqual([
      `PUT /v0/pools/pool-1/cordon ${JSON.stringify(cordonFlags)}`,
      `DELETE /v0/pools/pool-1/cordon ${JSON.stringify(cordonFlags)}`,
      'PUT /v0/pools/pool-1/label/couchestor-gate=m0..cordon?overwrite=false ',
      'DELETE /v0/pools/pool-1/label/a%2Fb ',
      'PUT /v0/nodes/node-1/cordon/couchestor-m0 ',
      'DELETE /v0/nodes/node-1/cordon/couchestor-m0 ',
    ]);
  });

  it('does not take a page of another server for a pool', async () => {
    server.answerWith(() => jsonAnswer({ ok: true }));
    expect((await failureOf(client.cordonPool('pool-1', cordonFlags))).code).toBe('MAYASTOR_INVALID_ANSWER');
  });
});

describe('the capability probe', () => {
  it('reads a NotFound of the control plane as: the cordon route exists', async () => {
    server.answerWith(() => jsonAnswer({ details: '', message: '', kind: 'NotFound' }, 404));
    expect(await client.probeCapabilities()).toEqual({ poolCordon: true });
    expect(server.requests[0]).toMatchObject({ method: 'PUT' });
  });

  it('reads an empty 404 as: no such route', async () => {
    server.answerWith(() => ({ kind: 'body', status: 404, body: '' }));
    expect(await client.probeCapabilities()).toEqual({ poolCordon: false });
  });

  it.each<[string, RudeAnswer, string]>([
    ['a proxy page', { kind: 'body', status: 404, body: '<html>' }, 'INVALID_ANSWER'],
    ['503', { kind: 'body', status: 503, body: '' }, 'AMBIGUOUS'],
    ['success', { kind: 'body', status: 204, body: '' }, 'INVALID_ANSWER'],
  ])('does not guess from %s', async (_name, answer, code) => {
    server.answerWith(() => answer);
    expect((await failureOf(client.probeCapabilities())).code).toBe(`MAYASTOR_${code}`);
  });
});
