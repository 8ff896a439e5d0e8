/**
 * From a published sample to `migration.requested`: real NATS JetStream, and a Mayastor that answers the brain's reads over real HTTP.
 *
 * In between lie: delivery of the sample, one reading of all volumes and pools from Mayastor, the decision on every volume, the ledger's
 * compare-and-set, and publishing. The baseline, "bare relay", answers each sample with a request at once: what NATS itself takes.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FakeMayastor, startFakeMayastor } from '@couchestor/policy-brain/testing/fake-mayastor';
import { measured, requestFor, volumeId, volumeOf } from '@couchestor/policy-brain/testing/fixtures';
import { startBrain } from '@couchestor/policy-brain/testing/start-brain';
import { type Bus, connectBus } from '@couchestor/shared/bus/connect';
import { windowsBucket, windowsKey } from '@couchestor/shared/contracts/brain';
import { migrationRequested } from '@couchestor/shared/contracts/migration';
import { volumeSampled } from '@couchestor/shared/contracts/volume-sampled';
import { createLogger } from '@couchestor/shared/logger';
import { startTestNats } from '@couchestor/shared/testing/servers';
import { waitUntil } from '@couchestor/shared/testing/wait-until';

const sizes = [100, 1_000, 10_000];
const requests = 40;
const windowSeconds = 60;
const answerTimeoutMs = 30_000;

interface World {
  readonly bus: Bus;
  /** When each volume's request arrived. */
  readonly arrivedMs: Map<string, number>;
  round: number;
}

export async function run(): Promise<void> {
  const rows: Record<string, string | number>[] = [];
  const relayMs = await withWorld(relay);
  rows.push({ path: 'bare relay', volumes: 1, ...summary(relayMs), 'x of relay': 1 });
  for (const size of sizes) {
    const latencies = await withWorld((world, natsUrl) => brain(world, { natsUrl, size }));
    rows.push({ path: 'brain', volumes: size, ...summary(latencies), 'x of relay': rounded(median(latencies) / median(relayMs)) });
  }
  console.log(
    `decision-latency: milliseconds from the call that publishes a sample to the arrival of migration.requested, ${requests} requests each`,
  );
  console.table(rows);
}

async function relay(world: World): Promise<number[]> {
  const stopping = await world.bus.watchEvent(volumeSampled, ({ payload }) => {
    const [sample] = payload.samples;
    if (sample !== undefined) {
      void world.bus.publish(migrationRequested, requestFor({ volumeId: sample.volumeId }));
    }
  });
  const latencies: number[] = [];
  for (let n = 0; n < requests; n += 1) {
    latencies.push(await latencyOf(world, { busy: n, size: n + 1, only: true }));
  }
  await stopping.stop();
  return latencies;
}

async function brain(world: World, o: { natsUrl: string; size: number }): Promise<number[]> {
  const mayastor: FakeMayastor = await startFakeMayastor();
  mayastor.volumes.push(...Array.from({ length: o.size }, (_, n) => volumeOf({ id: volumeId(n) })));
  const policyDir = await mkdtemp(join(tmpdir(), 'couchestor-bench-'));
  const selectors = Object.fromEntries(
    ['hot', 'warm', 'cold'].map((tier) => [`${tier}PoolSelector`, { matchLabels: { 'storage-tier': tier } }]),
  );
  const spec = { ...selectors, samplingWindow: `${windowSeconds}s` };
  await writeFile(
    join(policyDir, 'bench.yaml'),
    JSON.stringify({ apiVersion: 'storage.billyronks.io/v1', kind: 'StoragePolicy', metadata: { name: 'bench' }, spec }),
  );
  const running = await startBrain({
    natsUrl: o.natsUrl,
    mayastorUrl: mayastor.url,
    policyDir,
    flags: ['--max-concurrent-migrations', '100'],
  });
  try {
    await waitUntil(async () => (await world.bus.bucket(windowsBucket).get(windowsKey)) !== undefined);
    const latencies: number[] = [];
    for (let n = 0; n < requests; n += 1) {
      latencies.push(await latencyOf(world, { busy: n, size: o.size, only: false }));
    }
    return latencies;
  } finally {
    await running.stop();
    await mayastor.stop();
    await rm(policyDir, { recursive: true, force: true });
  }
}

/** A round in which one volume more is busy than in the one before. */
async function latencyOf({ bus, arrivedMs, ...world }: World, o: { busy: number; size: number; only: boolean }): Promise<number> {
  const ids = o.only ? [o.busy] : Array.from({ length: o.size }, (_, n) => n);
  const samples = ids.map((n) => measured(n <= o.busy ? 9_000 : 100, { id: volumeId(n) }));
  const startedMs = performance.now();
  const observedAt = new Date().toISOString();
  const batches = Math.ceil(samples.length / 2_000);
  for (let batch = 0; batch < batches; batch += 1) {
    await bus.publish(volumeSampled, {
      windowSeconds,
      round: world.round + o.busy,
      roundIntervalMs: 600_000,
      observedAt,
      batch,
      batches,
      samples: samples.slice(batch * 2_000, (batch + 1) * 2_000),
    });
  }
  const id = volumeId(o.busy);
  await waitUntil(() => arrivedMs.has(id), { timeoutMs: answerTimeoutMs, intervalMs: 1 });
  return (arrivedMs.get(id) ?? 0) - startedMs;
}

async function withWorld(measure: (world: World, natsUrl: string) => Promise<number[]>): Promise<number[]> {
  const nats = await startTestNats();
  const bus = await connectBus({
    url: nats.url,
    name: 'metrics-watcher',
    logger: createLogger({ name: 'bench', level: 'error', json: false }),
  });
  try {
    const arrivedMs = new Map<string, number>();
    await bus.watchEvent(migrationRequested, ({ payload }) => {
      if (!arrivedMs.has(payload.volumeId)) {
        arrivedMs.set(payload.volumeId, performance.now());
      }
    });
    return await measure({ bus, arrivedMs, round: 1 }, nats.url);
  } finally {
    await bus.close();
    await nats.stop();
  }
}

function summary(latenciesMs: readonly number[]): Record<string, number> {
  const sorted = [...latenciesMs].sort((left, right) => left - right);
  const at = (part: number) => rounded(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0);
  return { 'p50 ms': at(0.5), 'p95 ms': at(0.95), 'worst ms': at(1) };
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0;
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
