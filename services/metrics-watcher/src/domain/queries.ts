/**
 * The queries of one window: one for each quantity, whatever the number of volumes, and sixteen times that above 20,000 volumes.
 *
 * They are templates, so that another exporter's series can be used. Placeholders: `$window`, `$step` (Prometheus durations), `$points`
 * (steps in the window), `$scrapes` (samples that are scraped in it), `$label` (the label that names the volume) and `$shard` (a regular
 * expression for its value). Each query must give one series for each volume.
 */
import type { MeasuringPlan } from './measuring-plan.ts';

/** IOPS are means over the window, latencies are means in microseconds of the operations in it, coverage is 0 to 1, more where
 * Prometheus scrapes more often than it is said to. */
export const quantities = ['readIops', 'writeIops', 'coverage', 'readLatencyUs', 'writeLatencyUs'] as const;
export type Quantity = (typeof quantities)[number];

/** A quantity without a template is not asked for; only latencies may be. */
export type QueryTemplates = Readonly<
  Record<'readIops' | 'writeIops' | 'coverage', string> & Record<'readLatencyUs' | 'writeLatencyUs', string | undefined>
>;

/** Prometheus limits the samples that one query may load. */
export const volumesPerQueryMax = 20_000;

export interface Shard {
  /** First hexadecimal digit of the volume ids, or `all`. */
  readonly key: string;
  /** Matches the volume label's values: the id, with or without Mayastor's `pvc-` before it. */
  readonly pattern: string;
}

const oneShard: readonly Shard[] = [{ key: 'all', pattern: '.+' }];
const hexShards: readonly Shard[] = [...'0123456789abcdef'].map((digit) => ({
  key: digit,
  pattern: /\d/.test(digit) ? `(pvc-)?${digit}.*` : `(pvc-)?[${digit}${digit.toUpperCase()}].*`,
}));

export function shardsFor(volumes: number): readonly Shard[] {
  return volumes <= volumesPerQueryMax ? oneShard : hexShards;
}

/** The key of the shard in which a volume is asked for. */
export function shardKeyOf(volumeId: string, shards: readonly Shard[]): string {
  return shards.length === 1 ? (shards[0]?.key ?? '') : volumeId.charAt(0).toLowerCase();
}

const placeholders = ['window', 'step', 'points', 'scrapes', 'label', 'shard'] as const;
type Placeholder = (typeof placeholders)[number];
const placeholderPattern = /\$([a-zA-Z_]+)/g;

/** What is wrong with a template, as the end of a sentence that began with its flag; undefined where it can be used. */
export function problemOfTemplate(template: string): string | undefined {
  const used = [...template.matchAll(placeholderPattern)].map(([, name]) => name ?? '');
  const unknown = used.find((name) => !placeholders.some((known) => known === name));
  if (unknown !== undefined) {
    return `has the unknown placeholder $${unknown}; known are ${placeholders.map((name) => `$${name}`).join(', ')}`;
  }
  const missing = (['window', 'shard'] as const).find((name) => !used.includes(name));
  return missing === undefined ? undefined : `must contain $${missing}`;
}

export function renderQuery(template: string, o: { plan: MeasuringPlan; shard: Shard; label: string }): string {
  const values: Record<Placeholder, string> = {
    window: `${o.plan.windowMs}ms`,
    step: `${o.plan.stepMs}ms`,
    points: String(o.plan.points),
    scrapes: String(o.plan.scrapes),
    label: o.label,
    shard: o.shard.pattern,
  };
  return template.replaceAll(placeholderPattern, (_whole, name: Placeholder) => values[name]);
}

const selector = (series: string): string => `${series}{$label=~"$shard"}`;

/**
 * One figure of each step, over the steps of the window. The inner `max` takes a node's series once where two scrape jobs read the same
 * exporter; the `sum` joins the old and the new node of a fail-over.
 */
function overSteps(aggregate: 'avg_over_time' | 'sum_over_time', ofStep: 'rate' | 'count_over_time', series: string): string {
  return `${aggregate}((sum by ($label) (max by ($label, node) (${ofStep}(${selector(series)}[$step]))))[$window:$step])`;
}

/** Time by number over the whole window. What rate() does at gaps and restarts, it does to both alike. Without operations NaN, read as "none". */
function perOperation(microseconds: string, operations: string): string {
  return `sum by ($label) (rate(${selector(microseconds)}[$window])) / sum by ($label) (rate(${selector(operations)}[$window]))`;
}

/** For Mayastor's own exporter: cumulative operations and microseconds, by `pv_name` and the target's `node`. */
export const mayastorQueries = {
  readIops: overSteps('avg_over_time', 'rate', 'volume_num_read_ops'),
  writeIops: overSteps('avg_over_time', 'rate', 'volume_num_write_ops'),
  coverage: `${overSteps('sum_over_time', 'count_over_time', 'volume_num_read_ops')} / $scrapes`,
  readLatencyUs: perOperation('volume_read_latency_us', 'volume_num_read_ops'),
  writeLatencyUs: perOperation('volume_write_latency_us', 'volume_num_write_ops'),
} as const satisfies QueryTemplates;
