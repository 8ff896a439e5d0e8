/** Every metric of the brain. What the migrator refuses, it counts itself. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type BrainMetrics = ReturnType<typeof brainMetrics>;

export interface BrainGauges {
  /** Age of the newest complete round by window in seconds, asked at each scrape. */
  readonly sampleAgesMs: () => ReadonlyMap<number, number>;
  /** Asked at each scrape too: a process that stood still must not be seen leading when it goes on. */
  readonly leads: () => boolean;
}

export function brainMetrics(registry: Registry, o: BrainGauges) {
  const registers = [registry];
  const reconciles = new Counter({
    name: 'couchestor_reconcile_total',
    help: 'Rounds in which all volumes were decided on, by result: decided, mayastor-unreadable, kubernetes-unreadable, failed.',
    labelNames: ['result'] as const,
    registers,
  });
  for (const result of ['decided', 'mayastor-unreadable', 'kubernetes-unreadable', 'failed'] as const) {
    reconciles.inc({ result }, 0);
  }
  new Gauge({
    name: 'couchestor_brain_leader',
    help: '1 where this brain leads, 0 where it stands by.',
    registers,
    collect() {
      this.set(o.leads() ? 1 : 0);
    },
  });
  const metrics = {
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
  const ofTheTerm = [metrics.volumes, metrics.decisions, metrics.unknownVolumes, metrics.wanted, metrics.pending, metrics.policyConditions];
  return {
    ...metrics,
    /** A brain that stands by says nothing of volumes: another one does. */
    forgetTerm(): void {
      for (const gauge of [...ofTheTerm, metrics.epoch]) {
        gauge.reset();
      }
    },
  };
}
