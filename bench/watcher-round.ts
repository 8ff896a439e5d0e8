/**
 * A round of the watcher over 10,000 volumes: a real Prometheus with an hour of real scrapes, a real NATS, and a Mayastor volume list in
 * pages. Baseline: the same five queries asked for each volume, as a tool does that asks for a volume when it decides on it.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Prometheus } from '@couchestor/metrics-watcher/adapters/prometheus';
import { VolumeLister } from '@couchestor/metrics-watcher/adapters/volume-list';
import { evaluationTimeMs, planMeasuring } from '@couchestor/metrics-watcher/domain/measuring-plan';
import { mayastorQueries, renderQuery } from '@couchestor/metrics-watcher/domain/queries';
import { ConditionLog } from '@couchestor/metrics-watcher/handlers/condition-log';
import { type RunRoundDeps, runRound } from '@couchestor/metrics-watcher/handlers/run-round';
import { watcherMetrics } from '@couchestor/metrics-watcher/metrics';
import { connectBus } from '@couchestor/shared/bus/connect';
import { volumeSampled } from '@couchestor/shared/contracts/volume-sampled';
import { createLogger } from '@couchestor/shared/logger';
import { MayastorClient } from '@couchestor/shared/mayastor/client';
import { startTestNats, startTestPrometheus, type TestServer } from '@couchestor/shared/testing/servers';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { Registry } from 'prom-client';

const volumes = 10_000;
const windowSeconds = 3_600;
const limits = { rateIntervalMs: 300_000, scrapeIntervalMs: 30_000 };
// Prometheus takes no sample that is more than an hour older than its newest.
const historyMs = 57 * 60_000;
const fillScrapeIntervalMs = 500;
const rounds = 3;
const baselineVolumes = 200;
const queriesAtATime = 4;

const ids = Array.from({ length: volumes }, (_, n) => `${(n % 16).toString(16)}${String(n).padStart(7, '0')}-0000-4000-8000-000000000000`);

/** One hour in a minute: every scrape is told the state of 30 s later than the one before, with its time, until the present is reached. */
async function startExporter(): Promise<{ server: Server; filled: () => boolean }> {
  const endMs = Date.now();
  let atMs = endMs - historyMs;
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4');
    response.end(exposition(atMs, (atMs - endMs + historyMs) / 1_000));
    atMs = Math.min(endMs, atMs + limits.scrapeIntervalMs);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, filled: () => atMs >= endMs };
}

function exposition(atMs: number, seconds: number): string {
  const lines: string[] = [];
  const add = (series: string, perSecond: number): void => {
    ids.forEach((id, n) => {
      lines.push(`${series}{node="node-${n % 50}",pv_name="pvc-${id}"} ${Math.floor(seconds * perSecond * (1 + (n % 100)))} ${atMs}`);
    });
  };
  add('volume_num_read_ops', 30);
  add('volume_num_write_ops', 10);
  add('volume_read_latency_us', 9_000);
  add('volume_write_latency_us', 9_000);
  return `${lines.join('\n')}\n`;
}

function volumeJson(uuid: string) {
  const target = {
    uuid,
    node: 'node-1',
    size: 1,
    state: 'Online',
    protocol: 'nvmf',
    deviceUri: '',
    rebuilds: 0,
    children: [{ uri: `bdev:///${uuid}`, state: 'Online' }],
  };
  const replica = {
    state: 'Online',
    node: 'node-1',
    pool: 'pool-1',
    'child-status': 'Online',
    usage: { capacity: 1, allocated: 1 },
    healthy: true,
  };
  return {
    spec: {
      uuid,
      size: 1,
      num_replicas: 1,
      status: 'Created',
      thin: false,
      target: { node: 'node-1' },
      labels: {},
      policy: { self_heal: true },
    },
    state: { uuid, size: 1, status: 'Online', target, replica_topology: { [uuid]: replica } },
  };
}

async function startVolumeList(): Promise<Server> {
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://mayastor');
    const start = Number(searchParams.get('starting_token') ?? 0);
    const end = start + Number(searchParams.get('max_entries'));
    const page = { entries: ids.slice(start, end).map(volumeJson), ...(end < volumes ? { next_token: end } : {}) };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(page));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

export async function run(): Promise<void> {
  const exporter = await startExporter();
  const volumeList = await startVolumeList();
  const servers: TestServer[] = [];
  const closers: (() => Promise<void>)[] = [];
  try {
    const nats = await startTestNats();
    servers.push(nats);
    const prometheusServer = await startTestPrometheus({
      scrapeIntervalMs: fillScrapeIntervalMs,
      targets: [{ job: 'io-engine', address: `127.0.0.1:${portOf(exporter.server)}` }],
    });
    servers.push(prometheusServer);
    await waitUntil(exporter.filled, { timeoutMs: 300_000, intervalMs: 500, what: 'an hour of scrapes' });

    const logger = createLogger({ name: 'bench', level: 'warn', json: false });
    const bus = await connectBus({ url: nats.url, name: 'metrics-watcher', logger });
    const mayastor = new MayastorClient({ url: `http://127.0.0.1:${portOf(volumeList)}`, requestTimeoutMs: 60_000 });
    const prometheus = new Prometheus({ url: prometheusServer.url, requestTimeoutMs: 60_000 });
    closers.push(
      () => bus.close(),
      () => mayastor.close(),
      () => prometheus.close(),
    );
    const metrics = watcherMetrics(new Registry(), { now: Date.now });
    const deps: RunRoundDeps = {
      prometheus,
      volumeLister: new VolumeLister(mayastor),
      publish: (payload, id) => bus.publish(volumeSampled, payload, { id }),
      metrics,
      conditions: new ConditionLog(logger),
      templates: mayastorQueries,
      volumeLabel: 'pv_name',
      limits,
      sampleIntervalMs: 60_000,
      now: Date.now,
      random: Math.random,
    };
    const roundMs = await medianMs(rounds, () =>
      runRound(deps, {
        windowSeconds: [windowSeconds],
        number: Date.now(),
        intervalMs: 60_000,
        backOffs: new Map(),
        signal: new AbortController().signal,
      }),
    );
    const measured = (await metrics.volumes.get()).values.find(({ labels }) => labels['status'] === 'measured')?.value ?? 0;
    if (measured !== volumes) {
      throw new Error(`only ${measured} of ${volumes} volumes were measured: the figures would not be those of a whole round`);
    }
    const querySeconds = (await metrics.querySeconds.get()).values.filter(({ metricName }) => metricName?.endsWith('_sum'));
    const baselineMs = (await queriesForEach(prometheus, ids.slice(0, baselineVolumes))) * (volumes / baselineVolumes);
    console.log(`watcher round, ${volumes} volumes, window 1h, real Prometheus and NATS (median of ${rounds})`);
    console.log(
      `  round: list, 5 bulk queries, join, publish   ${roundMs.toFixed(0)} ms   ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB resident`,
    );
    console.log(
      `    of which ${querySeconds.map(({ labels, value }) => `${labels['quantity']} ${((value * 1_000) / rounds).toFixed(0)} ms`).join(', ')} (side by side)`,
    );
    console.log(
      `  baseline: five queries for each volume, ${queriesAtATime} at a time   ${baselineMs.toFixed(0)} ms (${baselineVolumes} volumes measured, scaled to ${volumes})`,
    );
    console.log(`  ratio   ${(baselineMs / roundMs).toFixed(1)}x`);
  } finally {
    await Promise.allSettled(closers.map((close) => close()));
    await Promise.allSettled(servers.map((server) => server.stop()));
    for (const server of [exporter.server, volumeList]) {
      server.closeAllConnections();
      server.close();
    }
  }
}

/** A kind form of the baseline: nothing is joined or published. Milliseconds in all. */
async function queriesForEach(prometheus: Prometheus, some: readonly string[]): Promise<number> {
  const plan = planMeasuring(windowSeconds * 1_000, limits);
  if (plan === undefined) {
    throw new Error('the window cannot be measured');
  }
  const signal = new AbortController().signal;
  const startedAt = performance.now();
  const rest = [...some];
  await Promise.all(
    Array.from({ length: queriesAtATime }, async () => {
      for (let id = rest.pop(); id !== undefined; id = rest.pop()) {
        for (const template of Object.values(mayastorQueries)) {
          const promql = renderQuery(template, { plan, shard: { key: id, pattern: `pvc-${id}` }, label: 'pv_name' });
          await prometheus.query({ promql, atMs: evaluationTimeMs(Date.now(), plan), toleranceMs: 60_000, signal });
        }
      }
    }),
  );
  return performance.now() - startedAt;
}

async function medianMs(times: number, work: () => Promise<void>): Promise<number> {
  const taken: number[] = [];
  for (let n = 0; n < times; n += 1) {
    const startedAt = performance.now();
    await work();
    taken.push(performance.now() - startedAt);
  }
  return taken.sort((a, b) => a - b)[Math.floor(times / 2)] ?? Number.NaN;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
