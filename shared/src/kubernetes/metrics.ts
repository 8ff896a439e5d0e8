/** The metrics of everything here that talks to the API server. Made once for each registry, however many clients and reflectors share it. */
import { Counter, Gauge, type Registry } from 'prom-client';

export interface KubernetesMetrics {
  /** status: that of the answer, or `none` where there was none. */
  readonly requests: Counter<'verb' | 'status'>;
  /** reason: first, gone, refused, resync. */
  readonly lists: Counter<'resource' | 'reason'>;
  /** ended: orderly, broken, silent, gone. */
  readonly watches: Counter<'resource' | 'ended'>;
  readonly upToDate: Gauge<'resource'>;
  readonly objects: Gauge<'resource' | 'valid'>;
  /** result: done, failed. */
  readonly reconciles: Counter<'queue' | 'result'>;
  readonly queued: Gauge<'queue'>;
  /** result: sent, failed, dropped. */
  readonly events: Counter<'result'>;
}

export function kubernetesMetrics(registry: Registry): KubernetesMetrics {
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> =>
    (registry.getSingleMetric(name) as Counter<Label> | undefined) ?? new Counter({ name, help, labelNames, registers });
  const gauge = <Label extends string>(name: string, help: string, labelNames: Label[]): Gauge<Label> =>
    (registry.getSingleMetric(name) as Gauge<Label> | undefined) ?? new Gauge({ name, help, labelNames, registers });
  return {
    requests: counter('couchestor_kubernetes_requests_total', 'Calls to the API server by verb and status of the answer.', [
      'verb',
      'status',
    ]),
    lists: counter('couchestor_kubernetes_lists_total', 'Complete lists of a kind of object, by why: first, gone, refused or resync.', [
      'resource',
      'reason',
    ]),
    watches: counter('couchestor_kubernetes_watches_total', 'Watches by how they ended: orderly, broken, silent or gone.', [
      'resource',
      'ended',
    ]),
    upToDate: gauge('couchestor_kubernetes_up_to_date', '1 while a kind of object is listed and watched.', ['resource']),
    objects: gauge('couchestor_kubernetes_objects', 'Objects known, by whether their shape is one that we know.', ['resource', 'valid']),
    reconciles: counter('couchestor_kubernetes_reconciles_total', 'Keys taken from a work queue, by result: done or failed.', [
      'queue',
      'result',
    ]),
    queued: gauge('couchestor_kubernetes_queued', 'Keys waiting in a work queue.', ['queue']),
    events: counter('couchestor_kubernetes_events_total', 'Events for people on objects, by result: sent, failed or dropped.', ['result']),
  };
}
