import { once } from 'node:events';
import { connect } from 'node:net';
import { nodeSchema, poolSchema, type volumeSchema, volumesPageSchema } from '@couchestor/shared/mayastor/schema';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { scenarioWith } from '../domain/cluster.fixture.ts';
import { addFault } from '../domain/handle.ts';
import { faultSchema } from '../domain/request.ts';
import type { OpenSimulator } from '../open-simulator.ts';
import { openWithFiles, setCount, volumeNamed } from '../simulator.fixture.ts';
import { createRestApi } from './rest-api.ts';

let simulator: OpenSimulator;
let app: FastifyInstance;
let url: string;

beforeAll(async () => {
  simulator = openWithFiles(scenarioWith());
  app = createRestApi({ call: (request) => simulator.engine.call(request) });
  url = await app.listen({ host: '127.0.0.1', port: 0 });
});

afterAll(async () => {
  await app.close();
  simulator.close();
});

const get = (path: string) => fetch(`${url}/v0${path}`);
const put = (path: string, body: string) =>
  fetch(`${url}/v0${path}`, { method: 'PUT', body, headers: { 'content-type': 'application/json' } });

describe('the REST API over HTTP', () => {
  it('serves volumes, pools and nodes as the client knows them', async () => {
    volumesPageSchema.parse(await (await get('/volumes?max_entries=0')).json());
    z.array(poolSchema).parse(await (await get('/pools')).json());
    z.array(nodeSchema).parse(await (await get('/nodes')).json());
  });

  it('spells a rebuild in kebab case below replica_topology and in camel case below the nexus', async () => {
    await setCount(simulator, 3);
    simulator.engine.pass(2_000);
    const body = (await (await get(`/volumes/${volumeNamed(simulator).uuid}`)).json()) as z.infer<typeof volumeSchema>;
    const rebuilding = Object.values(body.state.replica_topology).find((replica) => replica.healthy === false);
    expect(rebuilding).toMatchObject({ 'child-status': 'Degraded', 'rebuild-progress': 25, state: 'Online' });
    expect(body.state.target?.children.at(-1)).toMatchObject({ state: 'Degraded', rebuildProgress: 25 });
    expect(body.state.target).toMatchObject({ deviceUri: expect.stringMatching(/^nvmf:/), rebuilds: 1, protocol: 'nvmf' });
    expect(body.state).toMatchObject({ health: { healthyReplicas: 2, onlineHealthyReplicas: 2 }, usage: { capacity: 8 * 1024 * 1024 } });
  });

  it('answers an unknown route with 404 and an empty body, an unknown thing with 404 and JSON', async () => {
    for (const path of ['/no-such-thing', '/volumes/a/b/c/d/e', '/../x']) {
      const answer = await get(path);
      expect([answer.status, await answer.text()]).toEqual([404, '']);
    }
    expect((await fetch(url)).status).toBe(404);
    const pool = await put('/pools/impossible/cordon', '{"replicas":true,"snapshots":false,"restores":false,"import":false}');
    expect([pool.status, await pool.json()]).toEqual([
      404,
      { details: "Pool 'impossible' not found", message: 'SvcError :: PoolNotFound', kind: 'NotFound' },
    ]);
  });

  it('demands max_entries, and JSON that parses', async () => {
    const listed = await get('/volumes');
    expect([listed.status, await listed.json()]).toEqual([400, expect.objectContaining({ kind: 'Deserialize' })]);
    const broken = await put('/pools/hot-n3/cordon', '{"replicas":');
    expect([broken.status, await broken.json()]).toEqual([400, expect.objectContaining({ kind: 'Deserialize' })]);
  });

  it('takes a DELETE with a body', async () => {
    const flags = JSON.stringify({ replicas: true, snapshots: false, restores: false, import: false });
    expect((await put('/pools/hot-n4/cordon', flags)).status).toBe(200);
    const answer = await fetch(`${url}/v0/pools/hot-n4/cordon`, {
      method: 'DELETE',
      body: flags,
      headers: { 'content-type': 'application/json' },
    });
    expect(answer.status).toBe(200);
    expect(simulator.engine.cluster.pools['hot-n4']?.cordon.replicas).toBe(false);
  });

  it('leaves a call unanswered where a fault says so, without losing its effect', async () => {
    addFault(
      simulator.engine.cluster,
      faultSchema.parse({ match: { pathPattern: '/v0/nodes/n4/label/*' }, answer: 'timeout', applied: true }),
    );
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    await once(socket, 'connect');
    let received = 0;
    socket.on('data', (data) => {
      received += data.length;
    });
    socket.write('PUT /v0/nodes/n4/label/zone=a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n');
    // A second connection that is answered shows that the first has had its turn.
    expect(await (await get('/nodes/n4')).json()).toMatchObject({ id: 'n4' });
    await expect.poll(() => simulator.engine.cluster.nodes['n4']?.labels).toEqual({ zone: 'a' });
    expect(received).toBe(0);
    socket.destroy();
  });

  it('answers a call that was held back once its time has come', async () => {
    addFault(simulator.engine.cluster, faultSchema.parse({ match: { method: 'GET', pathPattern: '/v0/nodes/n3' }, delayMs: 5_000 }));
    const answer = get('/nodes/n3');
    await expect.poll(() => simulator.engine.cluster.late.calls.length).toBe(1);
    simulator.engine.pass(5_000);
    expect((await answer).status).toBe(200);
  });
});
