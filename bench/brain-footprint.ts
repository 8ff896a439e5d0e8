/**
 * Memory and processor time of the policy-brain's process, at rest and in rounds: compiled, as its image has it, with policies,
 * PersistentVolumes and claims in a real API server, a real NATS, and a Mayastor that answers over real HTTP.
 *
 * A round is a complete set of samples that arrives, one reading of all volumes from Mayastor, and a decision on every one of them. At rest
 * everything is known, watched and decided, and nothing arrives. The baseline, "earlier implementation", is what the documents of the operator
 * before this one, which was written in Rust, say of it; it was measured on other machines, so its figures are an order of magnitude.
 */

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startFakeMayastor } from '@couchestor/policy-brain/testing/fake-mayastor';
import { measured, volumeId, volumeOf } from '@couchestor/policy-brain/testing/fixtures';
import { KubeWorld } from '@couchestor/policy-brain/testing/kube-world';
import { type Bus, connectBus } from '@couchestor/shared/bus/connect';
import { volumeSampled } from '@couchestor/shared/contracts/volume-sampled';
import { createLogger } from '@couchestor/shared/logger';
import { startKubeApiServer } from '@couchestor/shared/testing/kube/api-server';
import { createBoundVolume, createNamespace } from '@couchestor/shared/testing/kube/cluster-objects';
import { startTestNats } from '@couchestor/shared/testing/servers';
import { waitUntil } from '@couchestor/shared/testing/wait-until';

const sizes = [100, 1_000, 10_000];
const warmUpRounds = 5;
const roundsMeasured = 10;
const restMs = 20_000;
const readyTimeoutMs = 120_000;
const roundTimeoutMs = 60_000;
const windowSeconds = 60;
/** Below the size that NATS takes. */
const samplesPerBatch = 2_000;
const createsAtATime = 16;
const namespace = 'bench';

/** What its documents say; of ten thousand volumes nothing that was measured. */
const earlierImplementation: readonly Row[] = [
  { process: 'earlier implementation', volumes: 100, 'MB at rest': 52, 'MB in rounds': 68, 'millicores at rest': 12 },
  { process: 'earlier implementation', volumes: 1_000, 'MB at rest': 120, 'MB in rounds': 185, 'millicores at rest': 40 },
];

const root = fileURLToPath(new URL('..', import.meta.url));

type Row = Readonly<Record<string, string | number>>;

interface Brain {
  readonly pid: number;
  metrics(): Promise<string>;
  stop(): Promise<void>;
}

export async function run(): Promise<void> {
  await build();
  const [nats, kube, mayastor] = await Promise.all([startTestNats(), startKubeApiServer(), startFakeMayastor()]);
  const bus = await connectBus({ url: nats.url, name: 'cli', logger: createLogger({ name: 'bench', level: 'warn', json: false }) });
  const world = new KubeWorld(kube.kubeconfig);
  const rows: Row[] = [];
  try {
    await world.installCrds();
    await createNamespace(world.api, namespace);
    await world.createPolicy('bench');
    const kubeconfig = await kube.kubeconfigFor(await world.applyRbac());
    const sources = ['--policy-source', 'kubernetes', '--kubeconfig', kubeconfig, '--coordination', 'kubernetes'];
    const flags = ['--nats-url', nats.url, '--mayastor-url', mayastor.url, ...sources];
    const ids: string[] = [];
    for (const size of sizes) {
      const added = Array.from({ length: size - ids.length }, (_, n) => volumeId(ids.length + n));
      await inParallel(added, (id) =>
        createBoundVolume(world.api, { uuid: id, storageClassName: 'mayastor', claim: { namespace, name: `claim-${id}` } }),
      );
      mayastor.volumes.push(...added.map((id) => volumeOf({ id })));
      ids.push(...added);
      const brain = await startBrain(flags);
      try {
        rows.push({ process: 'policy-brain', volumes: size, ...(await footprint(brain, { bus, ids })) });
      } finally {
        await brain.stop();
      }
    }
  } finally {
    await Promise.all([bus.close(), world.api.close(), mayastor.stop()]);
    await Promise.all([nats.stop(), kube.stop()]);
  }
  const load = loadavg().map((value) => value.toFixed(1));
  console.log(
    `brain-footprint: resident megabytes, and of these its own (not the program's file); processor time with garbage collection; medians of ${roundsMeasured} rounds, most memory of all of them, ${restMs / 1_000} s at rest; load of this machine ${load.join(' ')}; baseline "earlier implementation" by its documents`,
  );
  console.table([...rows, ...earlierImplementation]);
}

async function build(): Promise<void> {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  await promisify(execFile)(process.execPath, [tsc, '-b', 'services/policy-brain'], { cwd: root });
}

async function startBrain(flags: readonly string[]): Promise<Brain> {
  const main = fileURLToPath(new URL('../services/policy-brain/dist/main.js', import.meta.url));
  const ops = ['--metrics-addr', '127.0.0.1:0', '--health-addr', '127.0.0.1:0', '--log-json'];
  const env = { PATH: process.env['PATH'], NODE_ENV: 'production', COUCHESTOR_STOP_ON_STDIN_EOF: '1' };
  const child = spawn(process.execPath, [main, ...flags, ...ops], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = once(child, 'exit');
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const metrics = async (): Promise<string> => {
    const url = /"metrics":"([^"]+)"/.exec(output)?.[1];
    return url === undefined ? '' : await (await fetch(url)).text();
  };
  const leads = async (): Promise<boolean> => child.exitCode !== null || sumOf(await metrics(), 'couchestor_brain_leader') === 1;
  await waitUntil(leads, { timeoutMs: readyTimeoutMs, intervalMs: 200, what: 'the brain to lead' });
  if (child.exitCode !== null) {
    throw new Error(`the brain ended with ${child.exitCode}: ${output}`);
  }
  return {
    pid: child.pid ?? 0,
    metrics,
    stop: async () => {
      child.kill('SIGTERM');
      await gone;
    },
  };
}

async function footprint(brain: Brain, o: { bus: Bus; ids: readonly string[] }): Promise<Row> {
  for (let n = 0; n < warmUpRounds; n += 1) {
    await decideOnce(brain, o);
  }
  const cpuMs: number[] = [];
  const residentMb: number[] = [];
  for (let n = 0; n < roundsMeasured; n += 1) {
    const beforeMs = await cpuMsOf(brain);
    const watched = watchResident(brain.pid);
    await decideOnce(brain, o);
    residentMb.push(await watched.peakMb());
    cpuMs.push((await cpuMsOf(brain)) - beforeMs);
  }
  const watched = Number(sumOf(await brain.metrics(), 'couchestor_volumes'));
  if (watched !== o.ids.length) {
    throw new Error(`${watched} of ${o.ids.length} volumes were decided on: the figures would not be those of a whole round`);
  }
  const beforeMs = await cpuMsOf(brain);
  const startedAt = performance.now();
  await new Promise((resolve) => setTimeout(resolve, restMs));
  const restCpuMs = (await cpuMsOf(brain)) - beforeMs;
  const restedMs = performance.now() - startedAt;
  return {
    'MB at rest': Math.round(await residentMbOf(brain.pid)),
    'own MB at rest': await ownMbOf(brain.pid),
    'MB in rounds': Math.round(Math.max(...residentMb)),
    'millicores at rest': rounded((restCpuMs * 1_000) / restedMs),
    'cpu ms/round': rounded(median(cpuMs)),
    'cpu us/volume': rounded((median(cpuMs) * 1_000) / o.ids.length),
  };
}

let round = 0;

/** Resolves once a round by new samples is over. */
async function decideOnce(brain: Brain, { bus, ids }: { bus: Bus; ids: readonly string[] }): Promise<void> {
  const before = await decided(brain);
  round += 1;
  const observedAt = new Date().toISOString();
  const batches = Math.ceil(ids.length / samplesPerBatch);
  for (let batch = 0; batch < batches; batch += 1) {
    const samples = ids.slice(batch * samplesPerBatch, (batch + 1) * samplesPerBatch).map((id) => measured(100 + (round % 7), { id }));
    await bus.publish(volumeSampled, { windowSeconds, round, roundIntervalMs: 60_000, observedAt, batch, batches, samples });
  }
  await waitUntil(async () => (await decided(brain)) > before, { timeoutMs: roundTimeoutMs, intervalMs: 250, what: 'a round' });
}

async function decided(brain: Brain): Promise<number> {
  return sumOf(await brain.metrics(), 'couchestor_reconcile_total{result="decided"}') ?? 0;
}

/** Asking costs it some milliseconds too. */
async function cpuMsOf(brain: Brain): Promise<number> {
  return (sumOf(await brain.metrics(), 'process_cpu_seconds_total') ?? Number.NaN) * 1_000;
}

/** The sum over all series whose name, or name and labels, begin so. */
function sumOf(metrics: string, series: string): number | undefined {
  const values = metrics
    .split('\n')
    .filter((line) => line.startsWith(series) && /^[ {]/.test(line.slice(series.length)))
    .map((line) => Number(line.split(' ').at(-1)));
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0);
}

async function residentMbOf(pid: number): Promise<number> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)]);
  return (Number(stdout) * 1_024) / 1_000_000;
}

/** Without what it shares with every other process of its program. Linux alone tells. */
async function ownMbOf(pid: number): Promise<number | string> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kibibytes = /^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1];
  return kibibytes === undefined ? '-' : Math.round((Number(kibibytes) * 1_024) / 1_000_000);
}

function watchResident(pid: number): { peakMb(): Promise<number> } {
  let peakMb = 0;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      peakMb = Math.max(peakMb, await residentMbOf(pid));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return {
    peakMb: async () => {
      isOver = true;
      await watching;
      return peakMb;
    },
  };
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async (): Promise<void> => {
    for (const item of rest) {
      await work(item);
    }
  };
  await Promise.all(Array.from({ length: createsAtATime }, worker));
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
