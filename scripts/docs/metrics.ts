/** docs/metrics.md: every metric, as its service registers it. */
import { readFileSync } from 'node:fs';
import { ecEncoderMetrics } from '@couchestor/ec-encoder/metrics';
import { simulatorMetrics } from '@couchestor/mayastor-simulator/metrics';
import { watcherMetrics } from '@couchestor/metrics-watcher/metrics';
import { migratorMetrics } from '@couchestor/migrator/metrics';
import { brainMetrics } from '@couchestor/policy-brain/metrics';
import { busMetrics } from '@couchestor/shared/bus/metrics';
import { Counter, type MetricObject, Registry } from 'prom-client';
import { code, generatedPage, table } from './markdown.ts';

/** What prom-client keeps of each metric and its types leave out. */
interface RegisteredMetric extends Omit<MetricObject, 'type'> {
  readonly type: string;
  readonly labelNames: readonly string[];
}

const never = (): never => {
  throw new TypeError('nothing is measured here');
};

/** Made by a worker once it is given Redis, so that it is read from its source instead. */
function jobsTotal(): { name: string; help: string; labelNames: string[] } {
  const name = 'couchestor_jobs_total';
  const source = readFileSync(new URL('../../shared/src/jobs.ts', import.meta.url), 'utf8');
  const [, help, labels] = /name = 'couchestor_jobs_total'[\s\S]*?help: '([^']+)'[\s\S]*?labelNames: \[([^\]]+)\]/.exec(source) ?? [];
  if (help === undefined || labels === undefined) {
    throw new TypeError(`${name} is not found in shared/src/jobs.ts`);
  }
  return { name, help, labelNames: labels.split(',').map((label) => label.trim().slice(1, -1)) };
}

/** Registered, never collected: what they would measure is never asked. */
const sources: readonly { readonly title: string; readonly register: (registry: Registry) => unknown }[] = [
  { title: 'metrics-watcher', register: (registry) => watcherMetrics(registry, { now: never }) },
  { title: 'policy-brain', register: (registry) => brainMetrics(registry, { sampleAgesMs: never, leads: never }) },
  {
    title: 'migrator',
    register: (registry) => {
      migratorMetrics(registry, { openMoves: never, queueDepth: never, now: never });
      return new Counter({ ...jobsTotal(), registers: [registry] });
    },
  },
  { title: 'ec-encoder', register: (registry) => ecEncoderMetrics(registry, { status: never }) },
  { title: 'mayastor-simulator', register: (registry) => simulatorMetrics(registry, {} as Parameters<typeof simulatorMetrics>[1]) },
  { title: 'Every service on the bus', register: (registry) => busMetrics(registry, { connected: never, deadLetters: never }) },
];

export function metricsPage(): string {
  return generatedPage({
    title: 'Metrics',
    from: "the services' metrics.ts",
    intro:
      'Served at `/metrics` of `--metrics-addr` (`:8080`), beside the usual `process_*` and `nodejs_*` of every Node.js process. A histogram has `_bucket`, `_sum` and `_count`. Which of them call for a person stands in [operations](operations.md#what-to-watch).',
    sections: sources.map(({ title, register }) => `## ${title}\n\n${metricTable(register)}`),
  });
}

function metricTable(register: (registry: Registry) => unknown): string {
  const registry = new Registry();
  register(registry);
  const metrics = registry.getMetricsAsArray() as unknown as RegisteredMetric[];
  const rows = metrics.map(({ name, type, labelNames, help }) => [code(name), type, labelNames.map(code).join(', ') || '-', help]);
  return table(['Metric', 'Type', 'Labels', 'Meaning'], rows);
}
