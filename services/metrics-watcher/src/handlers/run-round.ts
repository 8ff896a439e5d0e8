/**
 * One round: Mayastor's volumes, each window's measurement, and their publication.
 *
 * Where Mayastor cannot be read, nothing tells an idle volume from a lost one, so each volume that was known is published as unknown with
 * the reason; before the first list there is none to tell of, and silence counts as unknown too. Where Prometheus cannot be used, idle
 * volumes are still idle, for that is Mayastor's word, and published ones are unknown with the reason. Nothing is ever published as zero
 * that was not measured as zero (S4).
 */
import type { VolumeSample, VolumeSampledPayload } from '@couchestor/shared/contracts/volume-sampled';
import { describeError } from '@couchestor/shared/errors';
import type { VolumeLister } from '../adapters/volume-list.ts';
import { backOffMs } from '../domain/back-off.ts';
import { batchSamples } from '../domain/batches.ts';
import { type MeasuringLimits, planMeasuring } from '../domain/measuring-plan.ts';
import { shardsFor } from '../domain/queries.ts';
import { joinSamples, type KnownVolume, unknownSample } from '../domain/samples.ts';
import type { WatcherMetrics } from '../metrics.ts';
import { type ConditionLog, kindOfProblem } from './condition-log.ts';
import { type MeasureWindowDeps, measureWindow } from './measure-window.ts';

export interface RunRoundDeps extends Omit<MeasureWindowDeps, 'metrics'> {
  readonly volumeLister: Pick<VolumeLister, 'list'>;
  readonly publish: (payload: VolumeSampledPayload, id: string) => Promise<void>;
  readonly metrics: WatcherMetrics;
  readonly conditions: ConditionLog;
  readonly limits: MeasuringLimits;
  readonly sampleIntervalMs: number;
  readonly now: () => number;
  readonly random: () => number;
}

/** Of one window whose last measurement failed. */
export interface BackOff {
  readonly failures: number;
  readonly notBeforeMs: number;
  readonly reason: string;
}

export interface Round {
  readonly windowSeconds: readonly number[];
  /** Rises from round to round, over restarts too. */
  readonly number: number;
  readonly intervalMs: number;
  readonly backOffs: Map<number, BackOff>;
  readonly signal: AbortSignal;
}

type Result = 'measured' | 'partly-measured' | 'unmeasured' | 'mayastor-unreadable' | 'unpublished';

export async function runRound(deps: RunRoundDeps, round: Round): Promise<void> {
  const { metrics, conditions } = deps;
  const list = await deps.volumeLister.list();
  round.signal.throwIfAborted();
  if ('error' in list) {
    metrics.mayastorUp.set(0);
    metrics.answerProblems.inc({ kind: kindOfProblem(list.error) });
    conditions.failing("Mayastor's volume list", list.error);
    const reason = `not measured: ${describeError(list.error)}`;
    const samples = list.lastKnownIds.map((id) => unknownSample(id, reason));
    for (const windowSeconds of round.windowSeconds) {
      await publishWindow(deps, round, {
        windowSeconds,
        observedAtMs: deps.now(),
        samples,
        result: 'mayastor-unreadable',
        publishEmpty: false,
      });
    }
    return;
  }
  metrics.mayastorUp.set(1);
  conditions.over("Mayastor's volume list");
  if (list.strange.length > 0) {
    metrics.answerProblems.inc({ kind: 'volume-id' }, list.strange.length);
    conditions.remark('Volume ids', `${list.strange.length} volumes are left out, their id is no uuid, for example ${list.strange[0]}`);
  } else {
    conditions.over('Volume ids');
  }
  await Promise.all(round.windowSeconds.map((windowSeconds) => runWindow(deps, round, { windowSeconds, volumes: list.volumes })));
}

async function runWindow(deps: RunRoundDeps, round: Round, o: { windowSeconds: number; volumes: readonly KnownVolume[] }): Promise<void> {
  const observedAtMs = deps.now();
  const { samples, result } = await measure(deps, round, { ...o, nowMs: observedAtMs });
  await publishWindow(deps, round, { windowSeconds: o.windowSeconds, observedAtMs, samples, result, publishEmpty: true });
}

async function measure(
  deps: RunRoundDeps,
  round: Round,
  { windowSeconds, volumes, nowMs }: { windowSeconds: number; volumes: readonly KnownVolume[]; nowMs: number },
): Promise<{ samples: VolumeSample[]; result: Result }> {
  const unmeasured = (reason: string) => ({
    samples: joinSamples(volumes, { shards: shardsFor(0), byShard: new Map([['all', { failed: reason }]]) }),
    result: 'unmeasured' as const,
  });
  const plan = planMeasuring(windowSeconds * 1_000, deps.limits);
  if (plan === undefined) {
    const reason = `a sampling window of ${windowSeconds} s is shorter than four scrape intervals of ${deps.limits.scrapeIntervalMs} ms: lengthen samplingWindow, or correct --scrape-interval`;
    deps.conditions.remark(`Window of ${windowSeconds} s`, reason);
    return unmeasured(reason);
  }
  const backOff = round.backOffs.get(windowSeconds);
  if (backOff !== undefined && nowMs < backOff.notBeforeMs) {
    return unmeasured(backOff.reason);
  }
  const { readings, error, failedShards } = await measureWindow(deps, {
    plan,
    shards: shardsFor(volumes.length),
    nowMs,
    signal: round.signal,
  });
  if (failedShards === 0) {
    round.backOffs.delete(windowSeconds);
    deps.conditions.over(`Window of ${windowSeconds} s`);
    deps.metrics.measuredAtMs.set(windowSeconds, nowMs);
    return { samples: joinSamples(volumes, readings), result: 'measured' };
  }
  const failures = (backOff?.failures ?? 0) + 1;
  const waitMs = backOffMs({ failures, roundIntervalMs: deps.sampleIntervalMs, random: deps.random() });
  round.backOffs.set(windowSeconds, { failures, notBeforeMs: deps.now() + waitMs, reason: `not measured: ${describeError(error)}` });
  deps.conditions.failing(`Window of ${windowSeconds} s`, error);
  return { samples: joinSamples(volumes, readings), result: failedShards === readings.shards.length ? 'unmeasured' : 'partly-measured' };
}

async function publishWindow(
  deps: RunRoundDeps,
  round: Round,
  o: { windowSeconds: number; observedAtMs: number; samples: readonly VolumeSample[]; result: Result; publishEmpty: boolean },
): Promise<void> {
  const { metrics, conditions } = deps;
  for (const status of ['measured', 'idle', 'unknown'] as const) {
    metrics.volumes.set({ window: o.windowSeconds, status }, o.samples.filter((sample) => sample.status === status).length);
  }
  if (o.samples.length === 0 && !o.publishEmpty) {
    metrics.rounds.inc({ result: o.result });
    return;
  }
  const batches = batchSamples(o.samples);
  try {
    for (const [batch, samples] of batches.entries()) {
      const payload: VolumeSampledPayload = {
        windowSeconds: o.windowSeconds,
        round: round.number,
        roundIntervalMs: round.intervalMs,
        observedAt: new Date(o.observedAtMs).toISOString(),
        batch,
        batches: batches.length,
        samples,
      };
      await deps.publish(payload, `sampled.${o.windowSeconds}.${round.number}.${batch}`);
    }
    metrics.rounds.inc({ result: o.result });
    conditions.over('Publishing samples');
  } catch (error) {
    // The next round tries anew; whoever reads sees this round incomplete, and soon the last whole one too old.
    round.signal.throwIfAborted();
    metrics.rounds.inc({ result: 'unpublished' });
    conditions.failing('Publishing samples', error);
  }
}
