/** Asks Prometheus all queries of one window, and turns every failure into the reason why its volumes are unknown. */
import { CodedError, describeError } from '@couchestor/shared/errors';
import type { Prometheus } from '../adapters/prometheus.ts';
import { evaluationTimeMs, type MeasuringPlan } from '../domain/measuring-plan.ts';
import { type Quantity, type QueryTemplates, quantities, renderQuery, type Shard } from '../domain/queries.ts';
import type { ShardReadings, WindowReadings } from '../domain/samples.ts';
import { readVector, type VectorReadings } from '../domain/vector.ts';
import { PrometheusError } from '../errors.ts';
import type { WatcherMetrics } from '../metrics.ts';
import { kindOfProblem } from './condition-log.ts';

export interface MeasureWindowDeps {
  readonly prometheus: Pick<Prometheus, 'query'>;
  readonly metrics: Pick<WatcherMetrics, 'querySeconds' | 'answerProblems' | 'prometheusUp'>;
  readonly templates: QueryTemplates;
  readonly volumeLabel: string;
}

export interface MeasuredWindow {
  readonly readings: WindowReadings;
  /** The first failure, where there was one. */
  readonly error: unknown;
  readonly failedShards: number;
}

/** Clocks of the watcher and Prometheus differ, and an answer may come from a cache; more than this apart it is about another time. */
const toleranceMs = 60_000;

export async function measureWindow(
  deps: MeasureWindowDeps,
  o: { plan: MeasuringPlan; shards: readonly Shard[]; nowMs: number; signal: AbortSignal },
): Promise<MeasuredWindow> {
  const byShard = new Map<string, ShardReadings | { failed: string }>();
  let firstError: unknown;
  let failedShards = 0;
  let down: string | undefined;
  // One shard after the other, so that Prometheus need not hold sixteen of them, and is not asked sixteen times while it is down.
  for (const shard of o.shards) {
    if (down !== undefined) {
      byShard.set(shard.key, { failed: down });
      failedShards += 1;
      continue;
    }
    try {
      byShard.set(shard.key, await measureShard(deps, { ...o, shard }));
      deps.metrics.prometheusUp.set(1);
    } catch (error) {
      o.signal.throwIfAborted();
      firstError ??= error;
      failedShards += 1;
      deps.metrics.answerProblems.inc({ kind: kindOfProblem(error) });
      const failed = reasonOf(error);
      byShard.set(shard.key, { failed });
      const concernsQueryOnly = isAboutQuery(error);
      deps.metrics.prometheusUp.set(concernsQueryOnly ? 1 : 0);
      down = concernsQueryOnly ? undefined : failed;
    }
  }
  return { readings: { shards: o.shards, byShard }, error: firstError, failedShards };
}

async function measureShard(
  deps: MeasureWindowDeps,
  o: { plan: MeasuringPlan; shard: Shard; nowMs: number; signal: AbortSignal },
): Promise<ShardReadings> {
  const giveUp = new AbortController();
  const signal = AbortSignal.any([o.signal, giveUp.signal]);
  try {
    const entries = await Promise.all(
      quantities.map(async (quantity) => {
        const template = deps.templates[quantity];
        return template === undefined ? [] : [[quantity, await measureQuantity(deps, { ...o, quantity, template, signal })] as const];
      }),
    );
    return Object.fromEntries(entries.flat());
  } finally {
    // One failed query makes the others useless.
    giveUp.abort();
  }
}

async function measureQuantity(
  { prometheus, metrics, volumeLabel }: MeasureWindowDeps,
  o: { plan: MeasuringPlan; shard: Shard; nowMs: number; quantity: Quantity; template: string; signal: AbortSignal },
): Promise<VectorReadings> {
  const promql = renderQuery(o.template, { plan: o.plan, shard: o.shard, label: volumeLabel });
  const stopTimer = metrics.querySeconds.startTimer({ quantity: o.quantity });
  const answer = await prometheus.query({ promql, atMs: evaluationTimeMs(o.nowMs, o.plan), toleranceMs, signal: o.signal });
  stopTimer();
  if (answer.warnings.length > 0) {
    throw new PrometheusError('PARTIAL', { warning: answer.warnings[0], warnings: answer.warnings.length });
  }
  const isLatency = o.quantity === 'readLatencyUs' || o.quantity === 'writeLatencyUs';
  const readings = readVector(answer.series, { label: volumeLabel, nanIsAbsent: isLatency });
  for (const [kind, count] of readings.problems) {
    metrics.answerProblems.inc({ kind }, count);
  }
  return readings;
}

/** The failure lies in this query: the next one may well be answered. */
function isAboutQuery(error: unknown): boolean {
  return (['QUERY_INVALID', 'QUERY_FAILED', 'TOO_LARGE', 'PARTIAL'] as const).some((code) => PrometheusError.is(error, code));
}

function reasonOf(error: unknown): string {
  return `not measured: ${error instanceof CodedError ? error.message : describeError(error)}`;
}
