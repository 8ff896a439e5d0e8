/** Every metric of the watcher. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type WatcherMetrics = ReturnType<typeof watcherMetrics>;

/** @param o.now epoch ms, for ages */
export function watcherMetrics(registry: Registry, o: { now: () => number }) {
  const registers = [registry];
  /** By window in seconds: when something was last measured. */
  const measuredAtMs = new Map<number, number>();
  /** Shown once it has been set: where no window is in use nothing is asked, and a 0 would look like an outage. */
  const unsetGauge = (name: string, help: string): Gauge => {
    const gauge = new Gauge({ name, help, registers });
    gauge.remove();
    return gauge;
  };
  return {
    measuredAtMs,
    rounds: new Counter({
      name: 'couchestor_watcher_rounds_total',
      help: 'Rounds by sampling window and result: measured, partly-measured, unmeasured (Prometheus failed), mayastor-unreadable, unpublished (the bus failed).',
      labelNames: ['result'],
      registers,
    }),
    volumes: new Gauge({
      name: 'couchestor_watcher_volumes',
      help: 'Volumes in the last round by sampling window in seconds and status: measured, idle or unknown.',
      labelNames: ['window', 'status'],
      registers,
    }),
    querySeconds: new Histogram({
      name: 'couchestor_watcher_query_seconds',
      help: 'How long Prometheus took for one query, by quantity.',
      labelNames: ['quantity'],
      buckets: [0.005, 0.02, 0.1, 0.3, 1, 3, 10, 30],
      registers,
    }),
    prometheusUp: unsetGauge(
      'couchestor_prometheus_up',
      '1 where Prometheus answered the last query, 0 where not; absent before the first.',
    ),
    mayastorUp: unsetGauge(
      'couchestor_mayastor_up',
      '1 where Mayastor answered the last volume list, 0 where not; absent before the first.',
    ),
    answerProblems: new Counter({
      name: 'couchestor_watcher_answer_problems_total',
      help: 'Answers that could not be used as they came, by kind: errors of Prometheus and Mayastor, warnings, and values that are no measurement.',
      labelNames: ['kind'],
      registers,
    }),
    sampleAge: new Gauge({
      name: 'couchestor_watcher_sample_age_seconds',
      help: 'Time since a volume was last measured, by sampling window in seconds.',
      labelNames: ['window'],
      registers,
      collect() {
        this.reset();
        for (const [window, atMs] of measuredAtMs) {
          this.set({ window }, Math.max(0, o.now() - atMs) / 1_000);
        }
      },
    }),
  };
}
