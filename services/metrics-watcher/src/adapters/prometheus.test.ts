import { CodedError } from '@couchestor/shared/errors';
import { jsonAnswer, type RudeAnswer, type RudeHttpServer, startRudeHttpServer } from '@couchestor/shared/testing/rude-http-server';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Prometheus } from './prometheus.ts';

const atMs = 1_800_000_000_123;

function vector(result: unknown, extra: object = {}): RudeAnswer {
  return jsonAnswer({ status: 'success', data: { resultType: 'vector', result }, ...extra });
}

const oneSeries = [{ metric: { pv_name: 'pvc-a' }, value: [atMs / 1_000, '1.5'] }];

let server: RudeHttpServer;
let prometheus: Prometheus;

beforeEach(async () => {
  server = await startRudeHttpServer();
  prometheus = new Prometheus({ url: server.url, requestTimeoutMs: 250 });
});

afterEach(async () => {
  await prometheus.close();
  await server.close();
});

async function ask() {
  return await prometheus.query({ promql: 'up', atMs, toleranceMs: 60_000, signal: new AbortController().signal });
}

async function failure(): Promise<CodedError> {
  const error = await ask().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof CodedError)) {
    throw new Error(`expected a coded error, saw ${String(error)}`);
  }
  return error;
}

describe('a query', () => {
  it('asks for one instant, with the deadline, and gives the series', async () => {
    server.answerWith(() => vector(oneSeries));
    expect(await ask()).toEqual({ series: [{ labels: { pv_name: 'pvc-a' }, value: '1.5' }], warnings: [], infos: [] });
    const form = new URLSearchParams(server.requests[0]?.body);
    expect(Object.fromEntries(form)).toMatchObject({ query: 'up', time: '1800000000.123', timeout: '250ms' });
    expect(server.requests[0]).toMatchObject({ method: 'POST', url: { pathname: '/api/v1/query' } });
  });

  it('keeps a path and sends the user of the URL', async () => {
    const behindProxy = new Prometheus({ url: `${server.url.replace('//', '//watcher:p%40ss@')}/prometheus/`, requestTimeoutMs: 250 });
    server.answerWith(() => vector([]));
    await behindProxy.query({ promql: 'up', atMs, toleranceMs: 60_000, signal: new AbortController().signal });
    await behindProxy.close();
    expect(server.requests[0]?.url.pathname).toBe('/prometheus/api/v1/query');
    expect(server.requests[0]?.headers['authorization']).toBe(`Basic ${Buffer.from('watcher:p@ss').toString('base64')}`);
  });

  it('tells warnings, which doubt the data, from remarks on style, wherever the version puts them', async () => {
    server.answerWith(() =>
      vector(oneSeries, { warnings: ['PromQL info: metric might not be a counter', 'store offline'], infos: ['PromQL info: other'] }),
    );
    expect(await ask()).toMatchObject({
      warnings: ['store offline'],
      infos: ['PromQL info: other', 'PromQL info: metric might not be a counter'],
    });
  });

  it.each<[string, RudeAnswer, string]>([
    ['an HTML page', { kind: 'body', status: 200, body: '<html>Sign in</html>' }, 'INVALID_ANSWER'],
    ['JSON that breaks off', { kind: 'body', status: 200, body: '{"status":"success","data":{"resultType":"vec' }, 'INVALID_ANSWER'],
    ['JSON of something else', jsonAnswer({ hello: 'world' }), 'INVALID_ANSWER'],
    ['null', jsonAnswer(null), 'INVALID_ANSWER'],
    ['a redirect to a login page', { kind: 'body', status: 302, body: '' }, 'INVALID_ANSWER'],
    ['a matrix', jsonAnswer({ status: 'success', data: { resultType: 'matrix', result: [] } }), 'INVALID_ANSWER'],
    ['a scalar', jsonAnswer({ status: 'success', data: { resultType: 'scalar', result: [1, '1'] } }), 'INVALID_ANSWER'],
    ['a value that is a number and not text', vector([{ metric: {}, value: [atMs / 1_000, 1.5] }]), 'INVALID_ANSWER'],
    ['a series without a value', vector([{ metric: {} }]), 'INVALID_ANSWER'],
    ['success without data', jsonAnswer({ status: 'success' }), 'INVALID_ANSWER'],
    ['an answer from a cache', vector([{ metric: { pv_name: 'pvc-a' }, value: [atMs / 1_000 - 3_600, '1'] }]), 'STALE'],
    ['200 with status error', jsonAnswer({ status: 'error', errorType: 'execution', error: 'too many samples' }), 'QUERY_FAILED'],
    ['422 for too many samples', jsonAnswer({ status: 'error', errorType: 'execution', error: 'too many samples' }, 422), 'QUERY_FAILED'],
    [
      '400 for a query that it cannot read',
      jsonAnswer({ status: 'error', errorType: 'bad_data', error: 'parse error' }, 400),
      'QUERY_INVALID',
    ],
    ['503 for a query that took too long', jsonAnswer({ status: 'error', errorType: 'timeout', error: 'query timed out' }, 503), 'TIMEOUT'],
    ['503 without a body', { kind: 'body', status: 503, body: '' }, 'UNAVAILABLE'],
    ['502 of a proxy', { kind: 'body', status: 502, body: '<html>Bad gateway</html>' }, 'UNAVAILABLE'],
    ['429', { kind: 'body', status: 429, body: '' }, 'UNAVAILABLE'],
    ['401', { kind: 'body', status: 401, body: 'Unauthorized' }, 'REFUSED'],
    ['404 of another server', { kind: 'body', status: 404, body: 'page not found' }, 'REFUSED'],
    ['no answer', { kind: 'hang' }, 'TIMEOUT'],
    ['an answer that stops in the middle', { kind: 'stall', body: '{"status":' }, 'TIMEOUT'],
    ['a connection closed in mid-answer', { kind: 'cut', body: '{"status":' }, 'UNREACHABLE'],
    ['a connection closed instead of an answer', { kind: 'close' }, 'UNREACHABLE'],
  ])('turns %s into a coded error', async (_name, answer, code) => {
    server.answerWith(() => answer);
    expect((await failure()).code).toBe(`PROM_${code}`);
  });

  it('gives up on an answer that drips past the deadline', async () => {
    server.answerWith(() => ({ kind: 'drip', intervalMs: 20 }));
    expect((await failure()).code).toBe('PROM_TIMEOUT');
  });

  it('says that nobody listens', async () => {
    await server.close();
    expect((await failure()).code).toBe('PROM_UNREACHABLE');
  });

  it('shows what Prometheus said', async () => {
    server.answerWith(() => jsonAnswer({ status: 'error', errorType: 'bad_data', error: '1:8: parse error: unexpected "]"' }, 400));
    expect((await failure()).message).toContain('unexpected "]"');
  });
});
