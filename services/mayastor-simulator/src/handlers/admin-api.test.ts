import type { FastifyInstance, InjectOptions } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scenarioWith } from '../domain/cluster.fixture.ts';
import type { OpenSimulator } from '../open-simulator.ts';
import { openWithFiles, volumeNamed } from '../simulator.fixture.ts';
import { createAdminApi } from './admin-api.ts';

let simulator: OpenSimulator;
let app: FastifyInstance;

beforeAll(() => {
  simulator = openWithFiles(scenarioWith({}, { filledPercent: 20 }));
  app = createAdminApi(simulator);
});

afterAll(async () => {
  await app.close();
  simulator.close();
});

async function call(method: NonNullable<InjectOptions['method']>, url: string, payload?: object) {
  const answer = await app.inject({ method, url, ...(payload !== undefined && { payload }) });
  return { status: answer.statusCode, body: answer.json() };
}

describe('the admin port', () => {
  it('sets, lists and clears faults', async () => {
    const fault = { match: { pathPattern: '/v0/volumes/**' }, answer: 503, times: 2 };
    expect(await call('POST', '/faults', fault)).toEqual({ status: 200, body: { id: 1 } });
    expect((await call('GET', '/faults')).body).toMatchObject(
      [{ id: 1, hits: 0, fault: { applied: undefined, times: 2 } }].map(({ fault: { times }, ...rest }) => ({ ...rest, fault: { times } })),
    );
    expect((await call('DELETE', '/faults')).body).toEqual({ cleared: 1 });
  });

  it.each([
    ['POST', '/faults', { match: { pathPattern: '/v0/nodes' } }, 400, 'answer: the fault does nothing: give it answer, delayMs or stale'],
    ['POST', '/faults', { match: { pathPattern: '/v0/nodes' }, answer: 12 }, 400, 'answer'],
    ['PUT', '/volumes/data/load', { load: [{ forSeconds: 1, iops: -5 }] }, 400, 'load.0.iops'],
    ['PUT', '/volumes/nobody/load', { load: [] }, 404, 'no volume has the uuid or name "nobody"'],
    ['POST', '/nodes/n9/down', undefined, 404, "Node 'n9' not found"],
    ['POST', '/volumes/data/fault-replica', {}, 400, 'name the replica of volume'],
    ['POST', '/time', { advanceMs: 0 }, 400, 'advanceMs'],
    ['POST', '/volumes/data/publish', undefined, 412, 'already published'],
  ] as const)('%s %s with %j is answered %i: %s', async (method, url, payload, status, message) => {
    const answer = await call(method, url, payload);
    expect(answer.status).toBe(status);
    expect(answer.body.error).toContain(message);
  });

  it('verifies and tells the figures', async () => {
    await call('PUT', '/volumes/data/load', { load: [{ forSeconds: 60, iops: 200, readFraction: 0.5 }] });
    expect((await call('POST', '/time', { advanceMs: 1_000 })).body).toEqual({ nowMs: 1_000 });
    expect((await call('POST', '/verify')).body).toMatchObject({
      corrupt: 0,
      bytesVerified: 16 * 1024 * 1024,
      operations: 200,
      underReplicatedMs: 0,
    });
    const stats = (await call('GET', '/stats')).body;
    expect(stats.volumes[volumeNamed(simulator).uuid]).toMatchObject({
      name: 'data',
      status: 'Online',
      targetIops: 200,
      synced: 2,
      published: true,
    });
    expect(stats.volumes[volumeNamed(simulator).uuid].generation).toBeGreaterThan(409);
  });

  it('lets mishaps befall the cluster and takes them back', async () => {
    expect((await call('POST', '/pools/hot-n2/offline')).status).toBe(200);
    expect((await call('GET', '/stats')).body.volumes[volumeNamed(simulator).uuid]).toMatchObject({ status: 'Degraded', synced: 1 });
    await call('POST', '/pools/hot-n2/online');
    await call('POST', '/time', { advanceMs: 30_000 });
    expect((await call('GET', '/stats')).body.volumes[volumeNamed(simulator).uuid]).toMatchObject({ status: 'Online', synced: 2 });
    expect((await call('POST', '/volumes/data/failover', { node: 'n4' })).body).toMatchObject({ node: 'n4' });
    expect((await call('POST', '/volumes/data/unpublish')).status).toBe(200);
    expect((await call('POST', '/volumes/data/failover')).status).toBe(412);
    expect((await call('POST', '/volumes/data/publish', { node: 'n2' })).body).toMatchObject({ node: 'n2' });
  });
});
