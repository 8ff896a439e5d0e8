import { createServer } from 'node:net';
import { Counter, Registry } from 'prom-client';
import { afterEach, expect, test } from 'vitest';
import { Health } from './health.ts';
import { type OpsServer, startOpsServer } from './ops-server.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

async function start(o: { metricsAddr?: string; healthAddr?: string } = {}): Promise<OpsServer & { health: Health; registry: Registry }> {
  const health = new Health();
  const registry = new Registry();
  const server = await startOpsServer({ metricsAddr: '127.0.0.1:0', healthAddr: '127.0.0.1:0', registry, health, ...o });
  closers.push(() => server.close());
  return { ...server, health, registry };
}

/** A port that something listens on until the test ends. */
async function takenPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as { port: number }).port;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('metrics are served on the one address, health on the other', async () => {
  const server = await start();
  new Counter({ name: 'couchestor_things_total', help: 'Things.', registers: [server.registry] }).inc(3);
  const metrics = await fetch(`${server.metricsUrl}/metrics`);
  expect(metrics.headers.get('content-type')).toContain('text/plain');
  expect(await metrics.text()).toContain('couchestor_things_total 3');
  expect((await fetch(`${server.metricsUrl}/readyz`)).status).toBe(404);
  expect((await fetch(`${server.healthUrl}/healthz`)).status).toBe(200);
  expect((await fetch(`${server.healthUrl}/metrics`)).status).toBe(404);
});

test('readyz is 503 with the checks until everything is ready', async () => {
  const server = await start();
  const before = await fetch(`${server.healthUrl}/readyz`);
  expect(before.status).toBe(503);
  expect(await before.json()).toEqual({ ready: false, checks: { serving: 'starting or stopping' } });
  server.health.setServing(true);
  const after = await fetch(`${server.healthUrl}/readyz`);
  expect(after.status).toBe(200);
  expect(await after.json()).toEqual({ ready: true, checks: { serving: 'ok' } });
});

test('one address may serve both', async () => {
  const address = `127.0.0.1:${await freePort()}`;
  const server = await start({ metricsAddr: address, healthAddr: address });
  expect(server.metricsUrl).toBe(server.healthUrl);
  expect((await fetch(`${server.metricsUrl}/metrics`)).status).toBe(200);
  expect((await fetch(`${server.healthUrl}/healthz`)).status).toBe(200);
});

test.each([
  ['metricsAddr', '--metrics-addr'],
  ['healthAddr', '--health-addr'],
] as const)('a port in use for %s is one error that names %s', async (key, flag) => {
  const address = `127.0.0.1:${await takenPort()}`;
  await expect(start({ [key]: address })).rejects.toMatchObject({ code: 'OPS_ADDRESS_IN_USE', facts: { flag, address } });
});

test('closing does not wait for a scraper that keeps its connection open', async () => {
  const server = await start();
  await (await fetch(`${server.metricsUrl}/metrics`, { headers: { connection: 'keep-alive' } })).text();
  const startedAt = performance.now();
  await server.close();
  expect(performance.now() - startedAt).toBeLessThan(1_000);
});
