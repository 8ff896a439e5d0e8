import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { expect, it } from 'vitest';
import { DeviceError } from './memory-device.fixture.ts';
import type { NbdMetrics } from './metrics.ts';
import { RawClient, request } from './raw-client.fixture.ts';
import { closeServersAfterEach, serve } from './server.fixture.ts';

closeServersAfterEach();

class RecordedMetrics implements NbdMetrics {
  readonly requests: (string | number)[][] = [];
  readonly times: number[] = [];
  readonly connections: string[] = [];

  request(...[command, result, bytes, ms]: Parameters<NbdMetrics['request']>): void {
    this.requests.push([command, result, bytes]);
    this.times.push(ms);
  }

  connected(): void {
    this.connections.push('connected');
  }

  disconnected(): void {
    this.connections.push('disconnected');
  }

  refused(): void {
    this.connections.push('refused');
  }
}

it('tells of every request once: what it was, how it ended, its bytes and its time', async () => {
  const metrics = new RecordedMetrics();
  const { server, device } = await serve({ metrics });
  const client = await RawClient.ready(server);
  for (const one of [
    { type: 1, payload: Buffer.alloc(5_000, 1) },
    { type: 0, length: 5_000 },
    { type: 0, offset: 65_536, length: 40_000 },
    { type: 0, length: 0 },
    { type: 3 },
    { type: 4, length: 4_096 },
    { type: 6, length: 4_096 },
    { type: 5, length: 100 },
    { type: 7, length: 8_192 },
    { type: 9, length: 3 },
    { type: 0, offset: 4 * 2 ** 20, length: 1 },
    { type: 1, offset: 4 * 2 ** 20, payload: Buffer.alloc(10) },
  ]) {
    await client.ask(one);
  }
  device.failure = new DeviceError('NO_SPACE');
  await client.ask({ type: 1, payload: Buffer.alloc(7) });
  expect(metrics.requests).toEqual([
    ['write', 'ok', 5_000],
    ['read', 'ok', 5_000],
    ['read', 'ok', 40_000],
    ['read', 'ok', 0],
    ['flush', 'ok', 0],
    ['trim', 'ok', 4_096],
    ['writeZeroes', 'ok', 4_096],
    ['cache', 'ok', 100],
    ['blockStatus', 'ok', 8_192],
    ['unknown', 'EINVAL', 0],
    ['read', 'EINVAL', 0],
    ['write', 'ENOSPC', 0],
    ['write', 'ENOSPC', 7],
  ]);
  expect(metrics.times.every((ms) => ms >= 0 && ms < 60_000)).toBe(true);
  client.close();
});

it('counts the time of a request from its arrival in whole, not while its bytes come in', async () => {
  const metrics = new RecordedMetrics();
  const { server, device } = await serve({ metrics });
  const client = await RawClient.ready(server);
  const bytes = request({ type: 1, payload: Buffer.alloc(1_000, 1) });
  client.send(bytes.subarray(0, 500));
  const begunMs = performance.now();
  await waitUntil(() => performance.now() - begunMs > 100, { what: 'the rest is late' });
  const lateMs = performance.now();
  client.send(bytes.subarray(500));
  expect((await client.reply()).error).toBe(0);
  expect(metrics.times[0]).toBeLessThanOrEqual(performance.now() - lateMs);
  expect(device.calls.write).toBe(1);
  client.close();
});

it('tells of connections, those too that were refused or gave up in the negotiation', async () => {
  const metrics = new RecordedMetrics();
  const { server } = await serve({ metrics, limits: { connectionsMax: 1 } });
  const first = await RawClient.connect(server);
  await waitUntil(() => server.connections() === 1);
  const second = await RawClient.connect(server);
  await second.over();
  first.close();
  await waitUntil(() => server.connections() === 0);
  const third = await RawClient.ready(server);
  third.close();
  await waitUntil(() => server.connections() === 0);
  expect(metrics.connections).toEqual(['connected', 'refused', 'disconnected', 'connected', 'disconnected']);
  second.close();
});
