/** Mayastor's metrics exporter. All series are gauges, though most only rise until their nexus or engine begins anew. */
import { type FastifyInstance, fastify } from 'fastify';
import type { DataPlane } from '../adapters/data-plane.ts';
import type { Cluster } from '../domain/cluster.ts';
import { liveNexus, nodeOnline, poolReachable, poolUsage } from '../domain/status.ts';
import type { IoCounters } from '../io-counters.ts';

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [name: string, labels: Labels, value: number];

const poolStatusNumbers = { Online: 1, Faulted: 3 } as const;

export interface ExporterDeps {
  readonly cluster: Cluster;
  readonly dataPlane: Pick<DataPlane, 'nexusCounters' | 'replicaCounters' | 'poolCounters'>;
}

export function createExporter(deps: ExporterDeps): FastifyInstance {
  const app = fastify({ logger: false, forceCloseConnections: true });
  app.get('/metrics', async (_request, reply) => reply.type('text/plain; version=0.0.4; charset=utf-8').send(renderSamples(samples(deps))));
  return app;
}

/** What the engines of all nodes that answer expose: each only what lives on it. */
export function samples({ cluster, dataPlane }: ExporterDeps): Sample[] {
  const found: Sample[] = [];
  for (const volume of Object.values(cluster.volumes)) {
    const nexus = liveNexus(cluster, volume);
    if (nexus !== undefined) {
      found.push(...ioSamples('volume', { node: nexus.node, pv_name: `pvc-${volume.uuid}` }, dataPlane.nexusCounters(volume)));
    }
  }
  for (const replica of Object.values(cluster.replicas)) {
    const node = cluster.pools[replica.pool]?.node;
    if (node !== undefined && nodeOnline(cluster, node)) {
      const labels = { node, name: replica.uuid, ...(replica.volume !== undefined && { pv_name: `pvc-${replica.volume}` }) };
      found.push(...ioSamples('replica', labels, dataPlane.replicaCounters(replica.uuid)));
    }
  }
  for (const pool of Object.values(cluster.pools)) {
    if (!nodeOnline(cluster, pool.node)) {
      continue;
    }
    const labels = { node: pool.node, name: pool.id };
    const { usedBytes, committedBytes } = poolUsage(cluster, pool);
    found.push(
      ...ioSamples('diskpool', labels, dataPlane.poolCounters(pool.id)),
      ['diskpool_total_size_bytes', labels, pool.capacityBytes],
      ['diskpool_used_size_bytes', labels, usedBytes],
      ['diskpool_committed_size_bytes', labels, committedBytes],
      ['diskpool_status', labels, poolStatusNumbers[poolReachable(cluster, pool) ? 'Online' : 'Faulted']],
    );
  }
  return found;
}

function ioSamples(kind: string, labels: Labels, counters: IoCounters): Sample[] {
  return [
    [`${kind}_num_read_ops`, labels, counters.reads],
    [`${kind}_num_write_ops`, labels, counters.writes],
    [`${kind}_bytes_read`, labels, counters.bytesRead],
    [`${kind}_bytes_written`, labels, counters.bytesWritten],
    [`${kind}_read_latency_us`, labels, Math.round(counters.readUs)],
    [`${kind}_write_latency_us`, labels, Math.round(counters.writeUs)],
  ];
}

/** Prometheus' text format: the samples of one name stand together. */
export function renderSamples(all: readonly Sample[]): string {
  const byName = new Map<string, string[]>();
  for (const [name, labels, value] of all) {
    const pairs = Object.entries(labels).map(
      ([key, text]) => `${key}="${text.replaceAll(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))}"`,
    );
    const lines = byName.get(name) ?? [`# TYPE ${name} gauge`];
    lines.push(`${name}{${pairs.join(',')}} ${value}`);
    byName.set(name, lines);
  }
  return `${[...byName.values()].flat().join('\n')}\n`;
}
