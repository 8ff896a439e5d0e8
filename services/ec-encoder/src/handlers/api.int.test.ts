import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { CodedError } from '@couchestor/shared/errors';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { VaultClient, VaultClientError } from '@couchestor/shared/vault-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeVault } from '../vault/fake-vault.fixture.ts';
import { type ApiListen, type RunningApi, startApi } from './api.ts';
import { Operations } from './operations.ts';

const logger = quietLogger();
const token = 'a-token-of-some-length';
let folder: string;
let vault: FakeVault;
let operations: Operations;
const closing: (() => Promise<void>)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'couchestor-api-'));
  vault = new FakeVault();
  operations = new Operations({ now: Date.now, logger });
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) {
    await close();
  }
  await rm(folder, { recursive: true });
});

async function serve(listen: ApiListen): Promise<RunningApi> {
  const api = await startApi({ vault, operations, listen, logger });
  closing.push(() => api.close());
  return api;
}

function client(at: ConstructorParameters<typeof VaultClient>[0]['at']): VaultClient {
  const made = new VaultClient({ at, timeoutMs: 5_000 });
  closing.push(() => made.close());
  return made;
}

async function local(): Promise<VaultClient> {
  const unixPath = join(folder, 'api.sock');
  await serve({ unixPath });
  return client({ unixPath });
}

/** The error that a call is refused with. */
async function refusal(call: Promise<unknown>): Promise<CodedError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(CodedError);
  return error as CodedError;
}

describe('the API of a vault', () => {
  it('answers on its socket, which only its owner may open', async () => {
    const api = await local();
    expect(await api.status()).toEqual(vault.status());
    expect((await stat(join(folder, 'api.sock'))).mode & 0o777).toBe(0o600);
  });

  it('takes the place of a socket that a killed process has left', async () => {
    const api = await local();
    await serve({ unixPath: join(folder, 'api.sock') });
    expect((await api.status()).vaultId).toBe('v-1');
  });

  it('carries a volume through its life', async () => {
    const api = await local();
    expect(await api.createVolume({ name: 'data', sizeBytes: 2 ** 30 })).toMatchObject({ name: 'data', sizeBytes: 2 ** 30 });
    expect(await api.resizeVolume({ name: 'data', sizeBytes: 2 ** 31 })).toMatchObject({ sizeBytes: 2 ** 31 });
    expect(await api.snapshot({ volume: 'data', name: 'monday' })).toMatchObject({ name: 'monday', sizeBytes: 2 ** 31 });
    expect(await api.clone({ volume: 'data', snapshot: 'monday', name: 'copy' })).toMatchObject({ name: 'copy' });
    expect((await api.showVolume('data')).map).toContain('degraded');
    expect((await refusal(api.removeVolume({ name: 'data' }))).code).toBe('VAULT_IN_USE');
    await api.removeSnapshot({ volume: 'data', name: 'monday' });
    await api.removeVolume({ name: 'data' });
    expect((await api.listVolumes()).map(({ name }) => name)).toEqual(['copy']);
  });

  it('tells what the vault refuses as it was thrown there: code, facts and cure', async () => {
    const api = await local();
    const error = await refusal(api.showVolume('nowhere'));
    expect(error).toMatchObject({ code: 'VAULT_NO_SUCH_VOLUME', facts: { volume: 'nowhere' }, retry: false });
    expect(error.help).toMatch(/volume list/);
  });

  it.each([
    ['a name of strange characters', (api: VaultClient) => api.createVolume({ name: '../etc', sizeBytes: 4_096 }), /name/],
    ['a size that is no multiple of a block', (api: VaultClient) => api.createVolume({ name: 'a', sizeBytes: 4_097 }), /sizeBytes/],
    ['a drive of a relative path', (api: VaultClient) => api.addDrive({ path: 'drive' }), /path/],
    ['a key with a space', (api: VaultClient) => api.adoptBlob('a b'), /key/],
  ])('refuses %s and names the field', async (_what, call, names) => {
    const error = await refusal(call(await local()));
    expect(error.code).toBe('EC_INVALID');
    expect(error.facts['problem']).toMatch(names);
  });

  it('adds, fails, drains and replaces drives', async () => {
    const api = await local();
    expect(await api.addDrive({ path: '/drives/7', domain: { zone: 'east' } })).toMatchObject({ number: 7, domain: { zone: 'east' } });
    expect(await api.failDrive(2)).toMatchObject({ number: 2, state: 'failed' });
    expect(await api.failDrive('/drives/3')).toMatchObject({ number: 3, state: 'failed' });
    expect((await refusal(api.drainDrive(99))).facts).toEqual({ drive: 99 });
    const { id } = await api.replaceDrive({ number: 2, path: '/drives/new' });
    await waitUntil(async () => (await api.operation(id)).phase === 'done');
    expect(vault.calls).toEqual(['replace 2 by /drives/new']);
  });

  it('runs what takes long under an id, with progress, and keeps its result', async () => {
    const api = await local();
    let goOn: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    vault.duringOperation = () => held;
    const begun = await api.begin('scrub');
    expect(begun).toMatchObject({ kind: 'scrub', phase: 'running' });
    await waitUntil(async () => (await api.operation(begun.id)).done === 50);
    expect(await api.operation(begun.id)).toMatchObject({ done: 50, total: 100, unit: 'stripes' });
    goOn();
    await waitUntil(async () => (await api.operation(begun.id)).phase === 'done');
    expect(await api.operation(begun.id)).toMatchObject({ result: { stripesChecked: 100 } });
    expect((await api.listOperations()).map(({ id }) => id)).toEqual([begun.id]);
    expect((await refusal(api.operation('nothing'))).code).toBe('EC_NOT_FOUND');
  });

  it('cancels an operation, and tells the error of one that fails', async () => {
    const api = await local();
    vault.duringOperation = ({ signal }) => once(signal, 'abort').then(() => undefined);
    const endless = await api.begin('verify');
    await api.cancelOperation(endless.id);
    await waitUntil(async () => (await api.operation(endless.id)).phase === 'cancelled');
    vault.duringOperation = async () => {
      throw new Error('the disk is on fire');
    };
    const failing = await api.backup('/backups/one');
    await waitUntil(async () => (await api.operation(failing.id)).phase === 'failed');
    expect((await api.operation(failing.id)).error).toMatchObject({ code: 'EC_UNEXPECTED', facts: { cause: 'the disk is on fire' } });
  });

  it('takes no more than so many operations at a time', async () => {
    const api = await local();
    vault.duringOperation = ({ signal }) => once(signal, 'abort').then(() => undefined);
    for (let index = 0; index < 16; index += 1) {
      await api.begin('scrub');
    }
    expect(await refusal(api.begin('scrub'))).toMatchObject({ code: 'EC_BUSY', retry: true });
    await operations.stop();
    expect((await api.listOperations()).every(({ phase }) => phase === 'cancelled')).toBe(true);
  });
});

describe('blobs over the API', () => {
  const body = randomBytes(300_000);

  it('stores a stream of unknown length and gives it back, whole and in ranges', async () => {
    const api = await local();
    const key = 'store-1/bucket/v%2F1?a=b#c';
    const stored = await api.putBlob({ key, body: Readable.from([body.subarray(0, 100_000), body.subarray(100_000)]) });
    expect(stored).toMatchObject({ sizeBytes: 300_000, state: 'pending' });
    const whole = await api.getBlob({ key });
    expect(whole?.info).toEqual(stored);
    expect((await buffer(whole?.body as Readable)).equals(body)).toBe(true);
    const part = await api.getBlob({ key, range: { offsetBytes: 70_000, lengthBytes: 5_000 } });
    expect(part?.lengthBytes).toBe(5_000);
    expect((await buffer(part?.body as Readable)).equals(body.subarray(70_000, 75_000))).toBe(true);
    expect((await refusal(api.getBlob({ key, range: { offsetBytes: 300_000, lengthBytes: 1 } }))).code).toBe('VAULT_BAD_RANGE');
  });

  it('adopts, lists and releases, and says nothing of what is not there', async () => {
    const api = await local();
    const { blobId } = await api.putBlob({ key: 'one', body });
    expect(await api.listBlobs({ state: 'adopted' })).toEqual([]);
    expect(await api.adoptBlob('one')).toMatchObject({ state: 'adopted' });
    expect(await api.headBlob('one')).toMatchObject({ blobId, state: 'adopted', sizeBytes: body.length });
    expect((await api.listBlobs({ state: 'adopted', limit: 10 })).map((blob) => blob.blobId)).toEqual([blobId]);
    expect(await api.listBlobs({ after: blobId })).toEqual([]);
    await api.releaseBlob('one');
    await api.releaseBlob('one');
    expect(await api.headBlob('one')).toBeUndefined();
    expect(await api.getBlob({ key: 'one' })).toBeUndefined();
    expect((await refusal(api.adoptBlob('one'))).code).toBe('VAULT_NO_SUCH_BLOB');
  });

  it('stores nothing of a body that breaks off', async () => {
    const api = await local();
    const broken = Readable.from(
      (async function* () {
        yield body;
        await delay(1);
        throw new Error('the source failed');
      })(),
    );
    await refusal(api.putBlob({ key: 'broken', body: broken }));
    expect(await api.headBlob('broken')).toBeUndefined();
  });
});

describe('the API over TCP', () => {
  it('answers who brings the token, and nobody else', async () => {
    const { address: url } = await serve({ host: '127.0.0.1', port: 0, token: async () => token });
    expect((await client({ url, token }).status()).vaultId).toBe('v-1');
    expect(await refusal(client({ url, token: `${token}x` }).status())).toMatchObject({ code: 'EC_UNAUTHORIZED' });
    expect(await refusal(client({ url }).status())).toMatchObject({ code: 'EC_UNAUTHORIZED' });
    expect((await raw(url, { path: '/nowhere' })).statusCode).toBe(401);
  });

  it('answers no page in a browser where it has no token', async () => {
    const { address: url } = await serve({ host: '127.0.0.1', port: 0 });
    expect((await raw(url, { path: '/v1/status' })).statusCode).toBe(200);
    expect((await raw(url, { path: '/v1/status', headers: { origin: 'http://example.org' } })).statusCode).toBe(403);
    expect((await raw(url, { path: '/v1/status', headers: { host: 'example.org' } })).statusCode).toBe(403);
  });

  it('refuses bodies and headers beyond its limits, what is no JSON, and what it has no route for', async () => {
    const { address: url } = await serve({ host: '127.0.0.1', port: 0 });
    const json = { 'content-type': 'application/json' };
    const post = { method: 'POST', path: '/v1/volumes' };
    expect((await raw(url, { ...post, headers: json, body: JSON.stringify({ name: 'x'.repeat(100_000) }) })).statusCode).toBe(413);
    expect((await raw(url, { ...post, headers: json, body: '{' })).statusCode).toBe(400);
    expect((await raw(url, { ...post, headers: { 'content-type': 'text/html' }, body: 'x' })).statusCode).toBe(400);
    expect((await raw(url, { path: '/v1/status', headers: { 'x-long': 'x'.repeat(20_000) } })).statusCode).toBe(431);
    expect((await raw(url, { path: '/v2/status' })).statusCode).toBe(404);
  });
});

describe('the client', () => {
  it('says where nobody answers', async () => {
    const error = await refusal(client({ unixPath: join(folder, 'none.sock') }).status());
    expect(VaultClientError.is(error, 'UNREACHABLE')).toBe(true);
    expect(error.facts['at']).toBe(join(folder, 'none.sock'));
  });

  it('takes no answer of something else for one of a vault', async () => {
    vault.overrides = { phase: 'splendid' as never };
    expect(VaultClientError.is(await refusal((await local()).status()), 'BAD_ANSWER')).toBe(true);
  });
});

async function raw(
  url: string,
  o: { path: string; method?: string; headers?: Record<string, string>; body?: string },
): Promise<IncomingMessage> {
  const request = httpRequest(`${url}${o.path}`, { method: o.method ?? 'GET', headers: o.headers ?? {}, agent: false });
  request.end(o.body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  return response;
}
