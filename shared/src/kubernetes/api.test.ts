import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CodedError, describeError } from '../errors.ts';
import { jsonAnswer, type RudeAnswer, type RudeHttpServer, type RudeRequest, startRudeHttpServer } from '../testing/rude-http-server.ts';
import { KubeApi } from './api.ts';
import { KubeError } from './errors.ts';
import { leases, microTimeOf, persistentVolumes } from './objects.ts';
import type { WatchEvent } from './watch-stream.ts';

const secret = 's3cr3t-t0ken';
let server: RudeHttpServer;
let folder: string;
let api: KubeApi;
let registry: Registry;

beforeEach(async () => {
  server = await startRudeHttpServer();
  folder = mkdtempSync(join(tmpdir(), 'kube-api-'));
  api = load({ tokenFile: join(folder, 'token') });
  writeFileSync(join(folder, 'token'), `${secret}\n`);
});
afterEach(async () => {
  await api.close();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

function load(user: object, requestTimeoutMs = 5_000): KubeApi {
  registry = new Registry();
  const config = {
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server: `${server.url}/prefix` } }],
    users: [{ name: 'u', user }],
  };
  writeFileSync(join(folder, 'config'), JSON.stringify(config));
  return KubeApi.load({ kubeconfig: join(folder, 'config'), requestTimeoutMs, registry });
}

function pv(name: string, resourceVersion = '1'): object {
  return { metadata: { name, uid: `uid-${name}`, resourceVersion, managedFields: [{}] }, spec: { storageClassName: 'fast', hostPath: {} } };
}

function statusAnswer(code: number, reason?: string, details?: object): RudeAnswer {
  return jsonAnswer({ kind: 'Status', apiVersion: 'v1', code, reason, details, message: `it says ${code}` }, code);
}

async function failureOf(work: Promise<unknown>): Promise<CodedError> {
  const error = await work.then(
    () => new TypeError('it did not fail'),
    (thrown: unknown) => thrown,
  );
  if (!KubeError.is(error)) {
    throw error;
  }
  expect(describeError(error)).not.toContain(secret);
  return error;
}

function watchFrom(resourceVersion: string, o: { inactivityMs?: number; signal?: AbortSignal } = {}): AsyncIterable<WatchEvent<unknown>> {
  const { inactivityMs = 5_000, signal = new AbortController().signal } = o;
  return api.watch(persistentVolumes, { resourceVersion, inactivityMs, timeoutSeconds: 300, signal });
}

async function drain(watch: AsyncIterable<WatchEvent<unknown>>): Promise<void> {
  for await (const _ of watch) {
    // Only its end is of interest.
  }
}

describe('list', () => {
  it('reads all pages, keeps what it knows of each object, and sets aside what it cannot read', async () => {
    server.answerWith(({ url }) => {
      const last = url.searchParams.get('continue') === 'more';
      const broken = { ...pv('pv-2'), spec: { capacity: 'much' } };
      return jsonAnswer({
        metadata: { resourceVersion: '10', ...(last ? {} : { continue: 'more' }) },
        items: last ? [broken] : [pv('pv-1')],
      });
    });
    const listed = await api.list(persistentVolumes);
    expect(listed).toEqual({
      items: [{ metadata: { name: 'pv-1', uid: 'uid-pv-1', resourceVersion: '1' }, spec: { storageClassName: 'fast' } }],
      resourceVersion: '10',
      invalid: [{ name: 'pv-2', namespace: undefined, message: expect.stringContaining('spec.capacity') }],
    });
    expect(server.requests.map(({ url }) => `${url.pathname}${url.search}`)).toEqual([
      '/prefix/api/v1/persistentvolumes?limit=500',
      '/prefix/api/v1/persistentvolumes?limit=500&continue=more',
    ]);
    expect(server.requests[0]?.headers.authorization).toBe(`Bearer ${secret}`);
  });

  it('starts again where a continue token has expired in the middle', async () => {
    let expired = 0;
    server.answerWith(({ url }) => {
      if (!url.searchParams.has('continue')) {
        return jsonAnswer({ metadata: { resourceVersion: '10', continue: 'more' }, items: [pv('pv-1')] });
      }
      expired += 1;
      return expired < 3 ? statusAnswer(410, 'Expired') : jsonAnswer({ metadata: { resourceVersion: '10' }, items: [pv('pv-2')] });
    });
    expect((await api.list(persistentVolumes)).items).toHaveLength(2);
    expect(server.requests).toHaveLength(6);
  });

  it('gives up on a list whose tokens always expire, and on one that goes round in a circle', async () => {
    server.answerWith(() => statusAnswer(410, 'Expired'));
    expect((await failureOf(api.list(persistentVolumes))).code).toBe('KUBE_GONE');
    expect(server.requests).toHaveLength(5);
    server.answerWith(() => jsonAnswer({ metadata: { resourceVersion: '1', continue: 'same' }, items: [] }));
    expect((await failureOf(api.list(persistentVolumes))).facts).toMatchObject({ problem: 'the continue token stands still' });
  });

  it('takes the null of an empty list', async () => {
    server.answerWith(() => jsonAnswer({ metadata: { resourceVersion: '1' }, items: null }));
    expect((await api.list(persistentVolumes)).items).toEqual([]);
  });
});

describe('a refused call', () => {
  it.each([
    [401, 'Unauthorized', 'UNAUTHORIZED', true],
    [403, 'Forbidden', 'FORBIDDEN', false],
    [404, 'NotFound', 'NOT_FOUND', false],
    [409, 'Conflict', 'CONFLICT', true],
    [409, 'AlreadyExists', 'ALREADY_EXISTS', false],
    [410, 'Gone', 'GONE', true],
    [422, 'Invalid', 'INVALID', false],
    [429, 'TooManyRequests', 'THROTTLED', true],
    [500, 'InternalError', 'SERVER_ERROR', true],
    [503, undefined, 'SERVER_ERROR', true],
    [302, undefined, 'INVALID_ANSWER', true],
  ] as const)('with %i %s is %s', async (status, reason, code, retry) => {
    server.answerWith(() => statusAnswer(status, reason));
    const error = await failureOf(api.create(persistentVolumes, pv('pv-1')));
    expect(error).toMatchObject({
      code: `KUBE_${code}`,
      retry,
      facts: { method: 'POST', path: '/api/v1/persistentvolumes', status, reason },
    });
  });

  it('is nothing for an object that is not there, and an error for a kind that is not there', async () => {
    server.answerWith(() => statusAnswer(404, 'NotFound', { name: 'pv-1', kind: 'persistentvolumes' }));
    expect(await api.get(persistentVolumes, { name: 'pv-1' })).toBeUndefined();
    expect(await api.remove(persistentVolumes, { name: 'pv-1' })).toBe(false);
    for (const unknown of [statusAnswer(404, 'NotFound', {}), { kind: 'body', status: 404, body: '404 page not found' } as const]) {
      server.answerWith(() => unknown);
      expect((await failureOf(api.get(persistentVolumes, { name: 'pv-1' }))).code).toBe('KUBE_NOT_FOUND');
    }
  });
});

describe('an answer', () => {
  it.each([
    ['that is not JSON', { kind: 'body', status: 200, body: `<html>${secret}</html>` }, 'INVALID_ANSWER'],
    ['of another shape', { kind: 'body', status: 200, body: '{"metadata":{}}' }, 'INVALID_ANSWER'],
    ['that is cut off', { kind: 'cut', body: '{' }, 'UNREACHABLE'],
    ['that never comes', { kind: 'close' }, 'UNREACHABLE'],
    ['that hangs', { kind: 'hang' }, 'TIMED_OUT'],
    ['that stalls', { kind: 'stall', body: '{' }, 'TIMED_OUT'],
    ['that comes a byte at a time', { kind: 'drip', intervalMs: 10 }, 'TIMED_OUT'],
  ] as const)('%s is an error', async (_, answer, code) => {
    await api.close();
    api = load({ token: secret }, 300);
    server.answerWith(() => answer as RudeAnswer);
    expect((await failureOf(api.get(persistentVolumes, { name: 'pv-1' }))).code).toBe(`KUBE_${code}`);
  });

  it('larger than any is refused', async () => {
    server.answerWith(() => ({ kind: 'body', status: 200, body: ' '.repeat(65 * 1024 * 1024) }));
    expect((await failureOf(api.get(persistentVolumes, { name: 'pv-1' }))).facts['problem']).toContain('larger than');
  });

  it('of nobody says that nothing was sent', async () => {
    await server.close();
    expect((await failureOf(api.version())).facts).toMatchObject({ sent: false, method: 'GET', path: '/version' });
  });
});

describe('credentials', () => {
  const accepts = (token: string) => (request: RudeRequest) =>
    request.headers.authorization === `Bearer ${token}`
      ? jsonAnswer({ gitVersion: 'v1.31.0+k3s1', major: '1', minor: '31+' })
      : statusAnswer(401, 'Unauthorized');

  it('are read again where the API server no longer takes them', async () => {
    server.answerWith(accepts(secret));
    expect(await api.version()).toEqual({ gitVersion: 'v1.31.0+k3s1', major: 1, minor: 31 });
    writeFileSync(join(folder, 'token'), 'rotated');
    server.answerWith(accepts('rotated'));
    expect((await api.version()).minor).toBe(31);
    expect(server.requests).toHaveLength(3);
    expect(await registry.getSingleMetricAsString('couchestor_kubernetes_requests_total')).toContain('{verb="get",status="200"} 2');
  });

  it('come from a plugin, which runs once for many calls and anew after a refusal', async () => {
    const plugin = join(folder, 'plugin.sh');
    const expirationTimestamp = '2999-01-01T00:00:00Z';
    const answer = {
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      status: { token: secret, expirationTimestamp },
    };
    writeFileSync(join(folder, 'answer.json'), JSON.stringify(answer));
    writeFileSync(plugin, `#!/bin/sh\necho "$KUBERNETES_EXEC_INFO" >> ${folder}/runs\ncat ${folder}/answer.json\n`);
    chmodSync(plugin, 0o755);
    await api.close();
    api = load({ exec: { apiVersion: 'client.authentication.k8s.io/v1', command: './plugin.sh' } });
    server.answerWith(accepts(secret));
    await Promise.all([api.version(), api.version(), api.version()]);
    const runs = (): string[] => readFileSync(join(folder, 'runs'), 'utf8').trim().split('\n');
    expect(runs().map((line) => JSON.parse(line).spec.cluster.server)).toEqual([`${server.url}/prefix`]);

    writeFileSync(join(folder, 'answer.json'), JSON.stringify({ ...answer, status: { token: 'renewed', expirationTimestamp } }));
    server.answerWith(accepts('renewed'));
    await api.version();
    expect(runs()).toHaveLength(2);
  });

  it('with other certificates than before get connections of their own, and watches go on over the old ones until the end', async () => {
    await api.close();
    writeFileSync(join(folder, 'cert'), 'first');
    api = load({ tokenFile: join(folder, 'token'), 'client-certificate': join(folder, 'cert') });
    server.answerWith(() => ({ kind: 'stall', body: `${JSON.stringify({ type: 'ADDED', object: pv('pv-1') })}\n` }));
    const watch = watchFrom('1')[Symbol.asyncIterator]();
    await watch.next();
    const ended = failureOf(watch.next());

    writeFileSync(join(folder, 'token'), 'rotated');
    writeFileSync(join(folder, 'cert'), 'second');
    server.answerWith(accepts('rotated'));
    expect((await api.version()).minor).toBe(31);
    expect(await Promise.race([ended, api.version()])).toMatchObject({ minor: 31 });
    await api.close();
    expect((await ended).code).toBe('KUBE_UNREACHABLE');
    expect((await failureOf(api.version())).facts).toMatchObject({ sent: false });
  });

  it('that cannot be had are an error without what was in them', async () => {
    rmSync(join(folder, 'token'));
    expect((await failureOf(api.version())).facts).toMatchObject({ file: join(folder, 'token') });
    const plugin = join(folder, 'plugin.sh');
    for (const script of [`echo '{"token":"${secret}'`, `echo ${secret} >&2; exit 1`]) {
      writeFileSync(plugin, `#!/bin/sh\n${script}\n`);
      chmodSync(plugin, 0o755);
      const asked = load({ exec: { apiVersion: 'client.authentication.k8s.io/v1', command: plugin } });
      expect((await failureOf(asked.version())).code).toBe('KUBE_CREDENTIALS');
      await asked.close();
    }
    expect(server.requests).toEqual([]);
  });
});

describe('a proxy', () => {
  it('is gone through where the kubeconfig names one', async () => {
    const tunnels: string[] = [];
    const proxy = createServer().on('connect', (request, near: Socket) => {
      tunnels.push(request.url ?? '');
      const [host, port] = (request.url ?? '').split(':');
      const far = connect({ host: host ?? '', port: Number(port) }, () => near.write('HTTP/1.1 200 OK\r\n\r\n'));
      far.pipe(near).pipe(far);
      near.on('error', () => far.destroy());
      far.on('error', () => near.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const config = JSON.parse(readFileSync(join(folder, 'config'), 'utf8'));
    config.clusters[0].cluster['proxy-url'] = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    writeFileSync(join(folder, 'config'), JSON.stringify(config));
    const through = KubeApi.load({ kubeconfig: join(folder, 'config') });
    server.answerWith(() => jsonAnswer({ gitVersion: 'v1.31.0', major: '1', minor: '31' }));
    expect((await through.version()).minor).toBe(31);
    expect(tunnels).toEqual([new URL(server.url).host]);
    await through.close();
    await new Promise<void>((resolve) => proxy.close(() => resolve()));
  });
});

describe('a change', () => {
  it('is sent as the API server wants it', async () => {
    server.answerWith(() => jsonAnswer({ metadata: { name: 'l', namespace: 'n', uid: 'u', resourceVersion: '2' }, spec: {} }));
    const at = { name: 'l', namespace: 'n' };
    await api.create(leases, { metadata: at });
    await api.replace(leases, { metadata: { ...at, uid: 'u', resourceVersion: '1' }, spec: { renewTime: microTimeOf(0) } });
    await api.mergePatch(leases, { ...at, subresource: 'status' }, { status: { a: null } });
    expect(await api.remove(leases, at)).toBe(true);

    const folderPath = '/prefix/apis/coordination.k8s.io/v1/namespaces/n/leases';
    expect(
      server.requests.map(({ method, url, headers, body }) => [method, `${url.pathname}${url.search}`, headers['content-type'], body]),
    ).toEqual([
      ['POST', folderPath, 'application/json', expect.stringContaining('"kind":"Lease"')],
      ['PUT', `${folderPath}/l`, 'application/json', expect.stringContaining('"renewTime":"1970-01-01T00:00:00.000000Z"')],
      ['PATCH', `${folderPath}/l/status`, 'application/merge-patch+json', '{"status":{"a":null}}'],
      ['DELETE', `${folderPath}/l`, undefined, ''],
    ]);
  });
});

describe('watch', () => {
  const line = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`;

  it('asks for bookmarks from the version given, says when it is open, and ends with the answer', async () => {
    const text = line('ADDED', pv('pv-1', '11')) + line('BOOKMARK', { metadata: { resourceVersion: '12' } });
    server.answerWith(() => ({ kind: 'body', status: 200, body: text }));
    let opened = 0;
    const seen: string[] = [];
    const onOpen = (): void => {
      opened += 1;
    };
    const signal = new AbortController().signal;
    for await (const event of api.watch(persistentVolumes, {
      resourceVersion: '10',
      inactivityMs: 5_000,
      timeoutSeconds: 300,
      signal,
      onOpen,
    })) {
      seen.push(`${event.type} ${event.resourceVersion}`);
    }
    expect(seen).toEqual(['ADDED 11', 'BOOKMARK 12']);
    expect(opened).toBe(1);
    expect(Object.fromEntries(server.requests[0]?.url.searchParams ?? [])).toEqual({
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: '10',
      timeoutSeconds: '300',
    });
  });

  it.each([
    ['refused as too old', statusAnswer(410, 'Expired'), 'GONE'],
    ['refused for now', statusAnswer(429, 'TooManyRequests'), 'THROTTLED'],
    ['told that its version is too old', { kind: 'body', status: 200, body: line('ERROR', { kind: 'Status', code: 410 }) }, 'GONE'],
    ['cut', { kind: 'cut', body: line('ADDED', pv('pv-1')) }, 'UNREACHABLE'],
    ['not given a connection', { kind: 'close' }, 'UNREACHABLE'],
    ['silent', { kind: 'stall', body: line('ADDED', pv('pv-1')) }, 'TIMED_OUT'],
  ] as const)('that is %s is an error', async (_, answer, code) => {
    server.answerWith(() => answer as RudeAnswer);
    expect((await failureOf(drain(watchFrom('1', { inactivityMs: 200 })))).code).toBe(`KUBE_${code}`);
  });

  it('that is never answered ends at the deadline', async () => {
    await api.close();
    api = load({ token: secret }, 200);
    server.answerWith(() => ({ kind: 'hang' }));
    expect((await failureOf(drain(watchFrom('1')))).code).toBe('KUBE_TIMED_OUT');
  });

  it('ends with the signal, before and after it was accepted', async () => {
    server.answerWith(() => ({ kind: 'stall', body: line('ADDED', pv('pv-1')) }));
    const controller = new AbortController();
    const reason = new Error('enough');
    const watched = (async () => {
      for await (const _ of watchFrom('1', { signal: controller.signal })) {
        controller.abort(reason);
      }
    })();
    await expect(watched).rejects.toBe(reason);
    await expect(drain(watchFrom('1', { signal: controller.signal }))).rejects.toBe(reason);
    expect(server.requests).toHaveLength(1);
  });
});
