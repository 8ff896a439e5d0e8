/** Looking at real servers: as they should be, set wrongly, silent, and away. */
import { scenarioWith } from '@couchestor/mayastor-simulator/domain/cluster.fixture';
import { createExporter } from '@couchestor/mayastor-simulator/handlers/exporter';
import { openWithFiles } from '@couchestor/mayastor-simulator/simulator.fixture';
import { connectBus } from '@couchestor/shared/bus/connect';
import { journalBucket } from '@couchestor/shared/contracts/migrator';
import { bucketStream } from '@couchestor/shared/contracts/subjects';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { startRudeHttpServer } from '@couchestor/shared/testing/rude-http-server';
import { startTestNats, startTestPrometheus, startTestRedis, type TestServer } from '@couchestor/shared/testing/servers';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { Redis } from 'ioredis';
import { connect, StorageType } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatherFacts, type Places } from '../gather.ts';
import { lookAtNats, lookAtRedis } from './brokers.ts';
import { lookAtClock } from './clock.ts';
import { lookAtPrometheus } from './prometheus.ts';

const timeoutMs = 2_000;
const o = { timeoutMs };

describe('NATS', () => {
  let nats: TestServer;

  beforeAll(async () => {
    nats = await startTestNats();
  });

  afterAll(() => nats.stop());

  it('tells its version and that its JetStream is on, and no stream is made by asking', async () => {
    expect(await lookAtNats(nats.url, o)).toEqual({ version: expect.stringMatching(/^2\.\d+/), jetStream: true, streams: [] });
    expect(await lookAtNats(nats.url, o)).toMatchObject({ streams: [] });
  });

  it('tells which of our streams are on disk, and of nobody else’s', async () => {
    const connection = await connect({ servers: nats.url });
    const manager = await connection.jetstreamManager();
    const inMemory = bucketStream(journalBucket);
    await manager.streams.add({ name: inMemory, subjects: ['$KV.COUCHESTOR_journal.>'], storage: StorageType.Memory });
    await manager.streams.add({ name: 'somebody-elses', subjects: ['else'], storage: StorageType.Memory });
    const bus = await connectBus({ url: nats.url, name: 'cli', logger: quietLogger() });
    const { streams } = await lookAtNats(nats.url, o);
    expect(streams.filter(({ onDisk }) => !onDisk).map(({ name }) => name)).toEqual([inMemory]);
    expect(streams.length).toBeGreaterThan(5);
    expect(streams.map(({ name }) => name)).not.toContain('somebody-elses');
    await bus.close();
    await connection.close();
  });
});

describe('Redis', () => {
  let redis: TestServer;

  beforeAll(async () => {
    redis = await startTestRedis();
  });

  afterAll(() => redis.stop());

  it('tells the settings that lose data', async () => {
    expect(await lookAtRedis(redis.url, o)).toEqual({
      version: expect.stringMatching(/^\d+\.\d+/),
      maxmemoryPolicy: 'noeviction',
      appendOnly: true,
    });
    const client = new Redis(redis.url);
    await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await client.config('SET', 'appendonly', 'no');
    expect(await lookAtRedis(redis.url, o)).toMatchObject({ maxmemoryPolicy: 'allkeys-lru', appendOnly: false });
    client.disconnect();
  });
});

describe('Prometheus', () => {
  it('tells measured volumes and targets, those too that have gone down, and its time', async () => {
    const simulator = openWithFiles(scenarioWith());
    const { cluster } = simulator.engine;
    const counters = () => ({ reads: 1, writes: 1, bytesRead: 1, bytesWritten: 1, readUs: 1, writeUs: 1 });
    const exporter = createExporter({ cluster, dataPlane: { nexusCounters: counters, replicaCounters: counters, poolCounters: counters } });
    const address = new URL(await exporter.listen({ host: '127.0.0.1', port: 0 })).host;
    const prometheus = await startTestPrometheus({ targets: [{ job: 'mayastor', address }], scrapeIntervalMs: 1_000 });
    const look = () => lookAtPrometheus(prometheus.url, AbortSignal.timeout(timeoutMs));
    try {
      await waitUntil(async () => (await look()).volumesMeasured === 1);
      expect((await look()).targets).toEqual([{ instance: address, up: true }]);
      await exporter.close();
      await waitUntil(async () => (await look()).targets[0]?.up === false);
      const clock = await lookAtClock({ whose: 'Prometheus', url: prometheus.url }, AbortSignal.timeout(timeoutMs));
      expect(Math.abs(clock.aheadMs)).toBeLessThan(5_000);
    } finally {
      await prometheus.stop();
      simulator.close();
    }
  });

  it('is told from a page that is none of its', async () => {
    const server = await startRudeHttpServer();
    server.answerWith(() => ({ kind: 'body', status: 200, body: '<html>hello</html>' }));
    await expect(lookAtPrometheus(server.url, AbortSignal.timeout(timeoutMs))).rejects.toThrow(/not one of Prometheus/);
    server.answerWith(() => ({ kind: 'body', status: 400, body: 'bad  query' }));
    await expect(lookAtPrometheus(server.url, AbortSignal.timeout(timeoutMs))).rejects.toThrow(/HTTP 400: bad query/);
    await server.close();
  });
});

it('servers that hold the line and say nothing are given up, all together, at their deadline', async () => {
  const [silent, nats, redis] = await Promise.all([startRudeHttpServer(), startTestNats(), startTestRedis()]);
  silent.answerWith(() => ({ kind: 'hang' }));
  nats.signal('SIGSTOP');
  redis.signal('SIGSTOP');
  const places: Places = {
    mayastor: { kind: 'seen', value: { url: silent.url, cluster: { pools: [], nodes: [], volumes: [] }, poolCordon: true } },
    mayastorCaFile: undefined,
    natsUrl: nats.url,
    redisUrl: redis.url,
    prometheusUrl: silent.url,
    policyDir: '/nonexistent',
    kubernetes: { kubeconfig: '/nonexistent/config', namespace: 'x', env: {} },
    timeoutMs: 500,
  };
  const facts = await gatherFacts(places);
  expect(facts.nats).toMatchObject({ kind: 'failed' });
  expect(facts.redis).toMatchObject({ kind: 'failed' });
  expect(facts.prometheus).toMatchObject({ kind: 'failed', why: expect.stringContaining('500 ms') });
  expect(facts.policies).toMatchObject({ kind: 'failed', why: expect.stringContaining('ENOENT') });
  expect(facts.rights).toMatchObject({ kind: 'failed', why: expect.stringContaining('/nonexistent/config') });
  expect(facts.clocks.map(({ seen }) => seen.kind)).toEqual(['failed', 'absent', 'failed']);
  await Promise.all([silent.close(), nats.stop(), redis.stop()]);
});
