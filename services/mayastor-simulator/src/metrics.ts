/** The simulator's own metrics; those of the cluster that it plays are on the exporter's port. */
import { Gauge, type Registry } from 'prom-client';
import type { OpenSimulator } from './open-simulator.ts';

export function simulatorMetrics(registry: Registry, { engine, dataPlane }: OpenSimulator): void {
  const registers = [registry];
  const figures = {
    couchestor_simulator_operations: [
      'Reads and writes done to volumes since the start of the process.',
      () => dataPlane.totals.reads + dataPlane.totals.writes,
    ],
    couchestor_simulator_corrupt_reads: ['Reads that returned a wrong block.', () => dataPlane.corruptReads],
    couchestor_simulator_under_replicated_seconds: [
      'Time during which some published volume had fewer synced replicas than it began with.',
      () => engine.cluster.underReplicatedMs / 1_000,
    ],
  } as const;
  for (const [name, [help, value]] of Object.entries(figures)) {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  }
}
