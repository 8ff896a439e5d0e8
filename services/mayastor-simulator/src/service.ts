/** The simulator as a service: three ports over one cluster. */
import { parseAddress } from '@couchestor/shared/address';
import type { ServiceContext, ServiceDefinition } from '@couchestor/shared/service';
import type { FastifyInstance } from 'fastify';
import { readScenario } from './adapters/scenario-file.ts';
import { type SimulatorConfig, simulatorOptions } from './config.ts';
import { createAdminApi } from './handlers/admin-api.ts';
import { createExporter } from './handlers/exporter.ts';
import { createRestApi } from './handlers/rest-api.ts';
import { simulatorMetrics } from './metrics.ts';
import { openSimulator } from './open-simulator.ts';

const tickMs = 50;
const stopBudgetMs = 3_000;

export const mayastorSimulator: ServiceDefinition<typeof simulatorOptions> = {
  name: 'mayastor-simulator',
  summary: 'Stands in for a Mayastor cluster: its REST API, its metrics exporter, volumes with real bytes, a workload, faults.',
  options: simulatorOptions,
  usesBus: false,
  start,
};

async function start({ config, logger, registry, lifecycle }: ServiceContext<SimulatorConfig>): Promise<void> {
  const scenario = readScenario(config.scenario);
  const simulator = openSimulator({ scenario, dataDir: config.dataDir, clockMode: config.clock, startMs: Date.now(), logger });
  lifecycle.onStop({ name: 'cluster state', budgetMs: stopBudgetMs, stop: async () => simulator.close() });
  const { engine, dataPlane, clock } = simulator;
  simulatorMetrics(registry, simulator);

  if (clock.mode === 'real') {
    const timer = setInterval(() => engine.tick(), tickMs);
    lifecycle.onStop({ name: 'time', budgetMs: stopBudgetMs, stop: async () => clearInterval(timer) });
  }
  const ports: { name: string; app: FastifyInstance; address: string }[] = [
    { name: 'admin', app: createAdminApi({ engine, dataPlane, clock }), address: config.adminAddr },
    { name: 'exporter', app: createExporter({ cluster: engine.cluster, dataPlane }), address: config.exporterAddr },
    { name: 'rest', app: createRestApi({ call: (request) => engine.call(request) }), address: config.listen },
  ];
  const urls: Record<string, string> = {};
  for (const { name, app, address } of ports) {
    lifecycle.onStop({ name: `${name} port`, budgetMs: stopBudgetMs, stop: () => app.close() });
    urls[name] = await app.listen(parseAddress(address));
  }
  const { nodes, pools, volumes } = engine.cluster;
  const counts = { nodes: Object.keys(nodes).length, pools: Object.keys(pools).length, volumes: Object.keys(volumes).length };
  logger.info({ ...urls, ...counts, version: scenario.mayastorVersion }, 'the simulated cluster answers');
}
