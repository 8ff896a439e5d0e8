/** Every metric of the brain. What the migrator refuses, it counts itself. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type BrainMetrics = ReturnType<typeof brainMetrics>;

/** @param o.sampleAgesMs age of the newest complete round by window in seconds, asked at each scrape */
export function brainMetrics(registry: Registry, o: { sampleAgesMs: () => ReadonlyMap<number, number> }) {
  const registers = [registry];
  const reconciles = new Counter({
    name: 'couchestor_reconcile_total',
    help: 'Rounds in which all volumes were decided on, by result: decided, mayastor-unreadable, failed.',
    labelNames: ['result'] as const,
    registers,
  });
  for (const result of ['decided', 'mayastor-unreadable', 'failed'] as const) {
    reconciles.inc({ result }, 0);
  }
  return {
    reconciles,
    reconcileSeconds: new Histogram({
      name: 'couchestor_reconcile_seconds',
      help: 'How long a round took: part `read` reads Mayastor, `decide` decides, `request` stores and publishes.',
      labelNames: ['part'] as const,
      buckets: [0.001, 0.005, 0.02, 0.1, 0.3, 1, 3, 10, 30],
      registers,
    }),
    volumes: new Gauge({
      name: 'couchestor_volumes',
      help: 'Volumes by the tier in which their replicas lie.',
      labelNames: ['tier'] as const,
      registers,
    }),
    decisions: new Gauge({
      name: 'couchestor_decisions',
      help: 'Volumes by verb and rule of their last decision; docs/decision.md lists the rules.',
      labelNames: ['verb', 'rule'] as const,
      registers,
    }),
    unknownVolumes: new Gauge({
      name: 'couchestor_unknown_volumes',
      help: 'Volumes without a measurement that may be decided on. They are left where they are.',
      registers,
    }),
    wanted: new Gauge({
      name: 'couchestor_migrations_wanted',
      help: 'Moves that are wanted and that nothing but a free slot holds back.',
      registers,
    }),
    pending: new Gauge({
      name: 'couchestor_migrations_pending',
      help: 'Requests that are out: accepted by a migrator, or not yet.',
      labelNames: ['accepted'] as const,
      registers,
    }),
    policyConditions: new Gauge({
      name: 'couchestor_policy_conditions',
      help: '1 where the condition of the policy is True, else 0.',
      labelNames: ['policy', 'type'] as const,
      registers,
    }),
    epoch: new Gauge({ name: 'couchestor_brain_epoch', help: 'Term of office of this brain.', registers }),
    sampleAge: new Gauge({
      name: 'couchestor_sample_age_seconds',
      help: 'Age of the newest complete round of samples, by sampling window in seconds.',
      labelNames: ['window'] as const,
      registers,
      collect() {
        this.reset();
        for (const [window, ageMs] of o.sampleAgesMs()) {
          this.set({ window: String(window) }, ageMs / 1_000);
        }
      },
    }),
  };
}
