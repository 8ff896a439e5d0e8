/** Every metric of the migrator. */
import type { MoveRecord } from '@couchestor/shared/contracts/migrator';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type MigratorMetrics = ReturnType<typeof migratorMetrics>;

/** What is measured when it is asked for. */
export interface MigratorGauges {
  openMoves(): Iterable<Pick<MoveRecord, 'startedAt' | 'request' | 'syncPercent' | 'step'>>;
  queueDepth(): Promise<number>;
  now(): number;
}

export function migratorMetrics(registry: Registry, gauges: MigratorGauges) {
  const registers = [registry];
  const migrations = new Counter({
    name: 'couchestor_migrations_total',
    help: 'Moves that ended after they were started: placement changed and verified, failed, or aborted.',
    labelNames: ['status'] as const,
    registers,
  });
  for (const status of ['success', 'failed', 'aborted'] as const) {
    migrations.inc({ status }, 0);
  }
  new Gauge({
    name: 'couchestor_active_migrations',
    help: 'Moves that are open.',
    registers,
    collect() {
      this.set([...gauges.openMoves()].length);
    },
  });
  new Gauge({
    name: 'couchestor_oldest_open_migration_seconds',
    help: 'Age of the oldest open move.',
    registers,
    collect() {
      const ages = [...gauges.openMoves()].map(({ startedAt }) => gauges.now() - Date.parse(startedAt));
      this.set(Math.max(0, ...ages) / 1_000);
    },
  });
  new Gauge({
    name: 'couchestor_migration_queue_depth',
    help: 'Jobs that wait for a worker. Absent while Redis does not answer.',
    registers,
    async collect() {
      this.reset();
      const depth = await gauges.queueDepth().catch(() => undefined);
      if (depth === undefined) {
        this.remove();
      } else {
        this.set(depth);
      }
    },
  });
  new Gauge({
    name: 'couchestor_rebuild_progress_percent',
    help: 'Progress of the rebuild that an open move waits for.',
    labelNames: ['volume'] as const,
    registers,
    collect() {
      this.reset();
      for (const { request, step, syncPercent } of gauges.openMoves()) {
        if (step === 'wait-sync') {
          this.set({ volume: request.volumeId }, syncPercent ?? 0);
        }
      }
    },
  });
  return {
    migrations,
    refusals: new Counter({
      name: 'couchestor_migration_refusals_total',
      help: 'Moves that were refused before anything was touched, by reason.',
      labelNames: ['code'] as const,
      registers,
    }),
    gateHeldSeconds: new Histogram({
      name: 'couchestor_gate_held_seconds',
      help: 'How long the gate lock was held, during which pools or nodes may be cordoned.',
      buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
      registers,
    }),
    mayastorUp: new Gauge({ name: 'couchestor_migrator_mayastor_up', help: '1 where the last reading of Mayastor succeeded.', registers }),
    leftoversUndone: new Counter({
      name: 'couchestor_gate_leftovers_undone_total',
      help: 'Cordons and labels of ours that an earlier holder of the gate had left.',
      registers,
    }),
  };
}
