/** The metrics of a connection to the bus. Made once for each registry, however many connections share it. */
import { Counter, Gauge, type Registry } from 'prom-client';

export interface BusMetrics {
  readonly published: Counter<'type'>;
  /** result: acked, retried, dead_lettered. */
  readonly handled: Counter<'type' | 'result'>;
  readonly connected: Gauge;
}

export function busMetrics(registry: Registry, bus: { connected(): boolean; deadLetters(): Promise<number> }): BusMetrics {
  const registers = [registry];
  const known = registry.getSingleMetric('couchestor_bus_published_total');
  if (known !== undefined) {
    return {
      published: known as Counter<'type'>,
      handled: registry.getSingleMetric('couchestor_bus_handled_total') as Counter<'type' | 'result'>,
      connected: registry.getSingleMetric('couchestor_bus_connected') as Gauge,
    };
  }
  new Gauge({
    name: 'couchestor_dead_letters',
    help: 'Messages in the dead-letter stream, waiting for a person.',
    registers,
    async collect() {
      // Without an answer the gauge is absent rather than wrong; couchestor_bus_connected tells why.
      const count = await bus.deadLetters().catch(() => undefined);
      if (count === undefined) {
        this.remove();
      } else {
        this.set(count);
      }
    },
  });
  return {
    published: new Counter({
      name: 'couchestor_bus_published_total',
      help: 'Events stored in JetStream.',
      labelNames: ['type'],
      registers,
    }),
    handled: new Counter({
      name: 'couchestor_bus_handled_total',
      help: 'Deliveries of events by how they ended: acked, retried or dead_lettered.',
      labelNames: ['type', 'result'],
      registers,
    }),
    connected: new Gauge({
      name: 'couchestor_bus_connected',
      help: '1 while connected to NATS.',
      registers,
      collect() {
        this.set(bus.connected() ? 1 : 0);
      },
    }),
  };
}
