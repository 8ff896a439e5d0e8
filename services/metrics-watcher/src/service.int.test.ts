import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Bus, connectBus } from '@couchestor/shared/bus/connect';
import { windowsBucket, windowsKey } from '@couchestor/shared/contracts/brain';
import { type VolumeSample, type VolumeSampledPayload, volumeSampled } from '@couchestor/shared/contracts/volume-sampled';
import { Health } from '@couchestor/shared/health';
import { Lifecycle } from '@couchestor/shared/lifecycle';
import { readOptions } from '@couchestor/shared/options';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { jsonAnswer, type RudeHttpServer, startRudeHttpServer } from '@couchestor/shared/testing/rude-http-server';
import { startTestNats, startTestPrometheus, type TestServer } from '@couchestor/shared/testing/servers';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { watcherOptions } from './config.ts';
import { metricsWatcher } from './service.ts';

const windowSeconds = 20;
const scrapeIntervalMs = 500;
// Both lie inside every window that the tests look at.
const breakAtSeconds = 8;
const gapEndsAtSeconds = 14;

interface Counters {
  readonly node: string;
  readonly readOps: number;
  readonly writeOps: number;
  readonly readUs: number;
  readonly writeUs: number;
}

/** Counters of a volume that has worked at constant rates for `seconds`. */
function worked(seconds: number, o: { readIops: number; writeIops: number; node?: string }): Counters {
  const readOps = Math.floor(o.readIops * seconds);
  const writeOps = Math.floor(o.writeIops * seconds);
  return { node: o.node ?? 'node-1', readOps, writeOps, readUs: readOps * 250, writeUs: writeOps * 1_000 };
}

const ids = {
  steady: '00000000-0000-4000-8000-000000000001',
  restarted: '00000000-0000-4000-8000-000000000002',
  failedOver: '00000000-0000-4000-8000-000000000003',
  gap: '00000000-0000-4000-8000-000000000004',
  resting: '00000000-0000-4000-8000-000000000005',
  silent: '00000000-0000-4000-8000-000000000006',
  unpublished: '00000000-0000-4000-8000-000000000007',
} as const;

/** What the exporter shows of each volume after so many seconds; undefined: nothing. */
const exported: Partial<Record<keyof typeof ids, (seconds: number) => Counters | undefined>> = {
  steady: (seconds) => worked(seconds + 1_000, { readIops: 400, writeIops: 100 }),
  // The engine restarts: its counters begin anew.
  restarted: (seconds) => worked(seconds < breakAtSeconds ? seconds + 1_000 : seconds - breakAtSeconds, { readIops: 300, writeIops: 0 }),
  failedOver: (seconds) =>
    seconds < breakAtSeconds
      ? worked(seconds + 1_000, { readIops: 200, writeIops: 200, node: 'node-1' })
      : worked(seconds - breakAtSeconds, { readIops: 200, writeIops: 200, node: 'node-2' }),
  gap: (seconds) =>
    seconds < breakAtSeconds || seconds >= gapEndsAtSeconds ? worked(seconds, { readIops: 100, writeIops: 0 }) : undefined,
  resting: () => worked(1_000, { readIops: 10, writeIops: 10 }),
};

function exposition(seconds: number): string {
  const rows = Object.entries(exported).flatMap(([name, counters]) => {
    const now = counters(seconds);
    return now === undefined ? [] : [{ labels: `{node="${now.node}",pv_name="pvc-${ids[name as keyof typeof ids]}"}`, now }];
  });
  const metric = (series: string, value: (now: Counters) => number): string =>
    `# TYPE ${series} gauge\n${rows.map(({ labels, now }) => `${series}${labels} ${value(now)}\n`).join('')}`;
  return [
    metric('volume_num_read_ops', (now) => now.readOps),
    metric('volume_num_write_ops', (now) => now.writeOps),
    metric('volume_read_latency_us', (now) => now.readUs),
    metric('volume_write_latency_us', (now) => now.writeUs),
  ].join('');
}

function volumeJson(uuid: string, published: boolean) {
  const target = {
    uuid: `nexus-${uuid}`,
    node: 'node-1',
    size: 1,
    state: 'Online',
    protocol: 'nvmf',
    deviceUri: '',
    rebuilds: 0,
    children: [],
  };
  return {
    spec: { uuid, size: 1, num_replicas: 1, status: 'Created', thin: false, ...(published ? { target: { node: 'node-1' } } : {}) },
    state: { uuid, size: 1, status: 'Online', replica_topology: {}, ...(published ? { target } : {}) },
  };
}

let exporter: Server;
let prometheus: TestServer;
let nats: TestServer;
let mayastor: RudeHttpServer;
let bus: Bus;
let lifecycle: Lifecycle;
const rounds: VolumeSampledPayload[] = [];

beforeAll(async () => {
  exporter = createServer((_request, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4');
    response.end(exposition((performance.now() - startedAt) / 1_000));
  });
  await new Promise<void>((resolve) => exporter.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${(exporter.address() as AddressInfo).port}`;
  mayastor = await startRudeHttpServer();
  mayastor.answerWith(() => jsonAnswer({ entries: Object.values(ids).map((id) => volumeJson(id, id !== ids.unpublished)) }));
  nats = await startTestNats();
  // Two jobs read one exporter, as a ServiceMonitor and an annotation do by mistake: no figure may double.
  prometheus = await startTestPrometheus({
    scrapeIntervalMs,
    targets: [
      { job: 'io-engine', address },
      { job: 'io-engine-again', address },
    ],
  });
  const startedAt = performance.now();

  const logger = quietLogger();
  bus = await connectBus({ url: nats.url, name: 'metrics-watcher', logger });
  await bus.watchEvent(volumeSampled, ({ payload }) => void rounds.push(payload));
  lifecycle = new Lifecycle({ logger });
  const { values } = readOptions(watcherOptions, {
    argv: ['--prometheus-url', prometheus.url, '--mayastor-url', mayastor.url, '--sample-interval', '1s', '--prometheus-timeout', '5s'],
    env: {},
  });
  await metricsWatcher.start({
    config: { ...values, scrapeInterval: scrapeIntervalMs },
    env: {},
    logger,
    registry: new Registry(),
    bus,
    health: new Health(),
    lifecycle,
  });
  await bus.bucket(windowsBucket).create(windowsKey, { windowSeconds: [windowSeconds] });
});

afterAll(async () => {
  await lifecycle?.stop('end of the test');
  await bus?.close();
  await Promise.all([nats?.stop(), prometheus?.stop(), mayastor?.close()]);
  exporter?.closeAllConnections();
  exporter?.close();
});

function newest(volumeId: string): VolumeSample | undefined {
  return rounds.at(-1)?.samples.find((sample) => sample.volumeId === volumeId);
}

function coverageOf(volumeId: string): number {
  const sample = newest(volumeId);
  return sample?.status === 'measured' ? sample.coverage : 0;
}

function readIopsOf(volumeId: string): number {
  const sample = newest(volumeId);
  return sample?.status === 'measured' ? sample.readIops : Number.NaN;
}

describe('the watcher with a real Prometheus', () => {
  it('measures true rates through a restarted engine, a fail-over and a double scrape, and shows a gap as coverage', {
    timeout: 60_000,
  }, async () => {
    await waitUntil(() => coverageOf(ids.steady) >= 0.9 && coverageOf(ids.failedOver) >= 0.9, {
      timeoutMs: 50_000,
      what: 'a window that is covered',
    });

    const within = (value: number) => expect.toSatisfy((seen: number) => Math.abs(seen - value) <= value * 0.08, `within 8 % of ${value}`);
    expect(newest(ids.steady)).toMatchObject({ status: 'measured', readIops: within(400), writeIops: within(100), iops: within(500) });
    expect(newest(ids.steady)).toMatchObject({ readLatencyUs: within(250), writeLatencyUs: within(1_000) });
    expect(newest(ids.restarted)).toMatchObject({ status: 'measured', readIops: within(300), writeIops: 0 });
    expect(newest(ids.restarted)).not.toHaveProperty('writeLatencyUs');
    expect(newest(ids.failedOver)).toMatchObject({ status: 'measured', readIops: within(200), writeIops: within(200) });
    // Six of twenty seconds are missing: the coverage tells so, and the mean is nearer to the truth than 70 %, which counts them as rest.
    expect(coverageOf(ids.gap)).toBeGreaterThan(0.5);
    expect(coverageOf(ids.gap)).toBeLessThan(0.8);
    expect(readIopsOf(ids.gap)).toBeGreaterThan(80);
    expect(readIopsOf(ids.gap)).toBeLessThan(108);
    expect(newest(ids.resting)).toMatchObject({ status: 'measured', iops: 0 });
    expect(newest(ids.silent)).toMatchObject({ status: 'unknown', reason: expect.stringContaining('no read IOPS') });
    expect(newest(ids.unpublished)).toEqual({ status: 'idle', volumeId: ids.unpublished });
  });

  it('began with little coverage and rose, round after round', () => {
    const coverages = rounds.flatMap(({ samples }) =>
      samples.flatMap((sample) => (sample.volumeId === ids.steady && sample.status === 'measured' ? [sample.coverage] : [])),
    );
    expect(coverages[0]).toBeLessThan(0.5);
    const numbers = rounds.map(({ round }) => round);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  });

  it('publishes unknown while Prometheus is gone, and measures again when it is back', { timeout: 60_000 }, async () => {
    await prometheus.kill();
    await waitUntil(() => newest(ids.steady)?.status === 'unknown', { what: 'unknown' });
    expect(newest(ids.steady)).toMatchObject({ reason: expect.stringContaining('PROM_UNREACHABLE') });
    expect(newest(ids.unpublished)?.status).toBe('idle');
    await prometheus.restart();
    await waitUntil(() => newest(ids.steady)?.status === 'measured', { timeoutMs: 40_000, what: 'measured again' });
  });

  it('makes every volume unknown while Mayastor cannot be read', async () => {
    mayastor.answerWith(() => ({ kind: 'body', status: 503, body: '' }));
    await waitUntil(() => newest(ids.unpublished)?.status === 'unknown', { what: 'unknown' });
    expect(new Set(rounds.at(-1)?.samples.map(({ status }) => status))).toEqual(new Set(['unknown']));
    expect(rounds.at(-1)?.samples).toHaveLength(Object.keys(ids).length);
  });

  it('follows the windows that are in use', async () => {
    const bucket = bus.bucket(windowsBucket);
    const entry = await bucket.get(windowsKey);
    await bucket.update(windowsKey, { windowSeconds: [30] }, entry?.revision ?? 0);
    await waitUntil(() => rounds.at(-1)?.windowSeconds === 30, { what: 'a round of the new window' });
  });
});
