/** What every service process does around its own work: options, logs, metrics, bus, health, and an ordered end. */
import { collectDefaultMetrics, Registry } from 'prom-client';
import { type Bus, connectBus } from './bus/connect.ts';
import { commonOptions } from './common-options.ts';
import type { ServiceName } from './contracts/define.ts';
import { Health } from './health.ts';
import { Lifecycle } from './lifecycle.ts';
import { createLogger, type Logger } from './logger.ts';
import { startOpsServer } from './ops-server.ts';
import { ConfigError, defineOptions, type OptionTable, type OptionValues, readOptions, renderOptions, wantsHelp } from './options.ts';
import { stopOnProcessEvents } from './process-events.ts';

const opsServerStopBudgetMs = 2_000;
const busStopBudgetMs = 5_000;

export interface ServiceContext<C> {
  readonly config: C;
  /** For client libraries that find their servers by it; options of ours are in `config`. */
  readonly env: NodeJS.ProcessEnv;
  readonly logger: Logger;
  readonly registry: Registry;
  /** Throws where the service said that it uses no bus. */
  readonly bus: Bus;
  readonly health: Health;
  readonly lifecycle: Lifecycle;
}

export interface ServiceDefinition<T extends OptionTable = OptionTable> {
  readonly name: string;
  /** One sentence for `--help`. */
  readonly summary: string;
  /** Its own options and those of `commonOptions` that it uses. */
  readonly options: T;
  readonly usesBus: boolean;
  /** Resolves once it works. Registers with `context.lifecycle` how each thing that it starts is stopped. */
  start(context: ServiceContext<OptionValues<T>>): Promise<void>;
}

const { natsUrl, natsStreamReplicas, logLevel, logJson, metricsAddr, healthAddr } = commonOptions;
const processOptions = defineOptions({ logLevel, logJson, metricsAddr, healthAddr, natsUrl, natsStreamReplicas });

export interface RunServicesInput {
  /** How the process calls itself in logs and help. */
  readonly name: string;
  readonly services: readonly ServiceDefinition[];
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** Runs services in this process until it is told to stop. Resolves with the exit code: 0 stopped, 1 failed, 2 bad options. */
export async function runServices(o: RunServicesInput): Promise<number> {
  const table = mergeOptions(o.services);
  if (wantsHelp(o.argv)) {
    process.stdout.write(helpText(o, table));
    return 0;
  }
  let values: OptionValues<typeof processOptions>;
  try {
    values = readAll(table, o);
  } catch (error) {
    if (!ConfigError.is(error)) {
      throw error;
    }
    process.stderr.write(`${o.name}: ${error.help}\n${String(error.facts['problems']).replaceAll(/^/gm, '  ')}\n`);
    return 2;
  }
  const logger = createLogger({ name: o.name, level: values.logLevel, json: values.logJson });
  const lifecycle = new Lifecycle({ logger });
  const detach = stopOnProcessEvents({ lifecycle, logger, env: o.env });
  let failed = false;
  try {
    await startAll(o, { values, logger, lifecycle });
    await untilAborted(lifecycle.signal);
  } catch (err) {
    // Told to stop while starting: what was under way was interrupted, which is no failure.
    if (!lifecycle.signal.aborted) {
      failed = true;
      logger.error({ err }, 'could not start');
    }
  }
  await lifecycle.stop('could not start');
  detach();
  logger.info('stopped');
  return failed || lifecycle.failures > 0 ? 1 : 0;
}

interface ProcessParts {
  readonly values: OptionValues<typeof processOptions>;
  readonly logger: Logger;
  readonly lifecycle: Lifecycle;
}

async function startAll(o: RunServicesInput, { values, logger, lifecycle }: ProcessParts): Promise<void> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const health = new Health();
  const ops = await startOpsServer({ metricsAddr: values.metricsAddr, healthAddr: values.healthAddr, registry, health });
  lifecycle.onStop({ name: 'ops server', budgetMs: opsServerStopBudgetMs, stop: () => ops.close() });
  logger.info({ metrics: `${ops.metricsUrl}/metrics`, health: `${ops.healthUrl}/readyz` }, 'starting');

  const bus = o.services.some((service) => service.usesBus) ? await openBus(o, { values, logger, lifecycle }, registry) : undefined;
  if (bus !== undefined) {
    health.addReadiness('bus', () => bus.ping());
  }
  for (const service of o.services) {
    lifecycle.signal.throwIfAborted();
    const config = pick(values, Object.keys(service.options)) as OptionValues<OptionTable>;
    const serviceLogger = o.services.length === 1 ? logger : logger.child({ service: service.name });
    await service.start({
      config,
      env: o.env,
      logger: serviceLogger,
      registry,
      health,
      lifecycle,
      get bus(): Bus {
        if (bus === undefined || !service.usesBus) {
          throw new TypeError(`${service.name} uses no bus`);
        }
        return bus;
      },
    });
  }
  health.setServing(true);
  lifecycle.onStop({ name: 'readiness', budgetMs: opsServerStopBudgetMs, stop: async () => health.setServing(false) });
  logger.info('ready');
}

async function openBus(o: RunServicesInput, { values, logger, lifecycle }: ProcessParts, registry: Registry): Promise<Bus> {
  // It waits for NATS as long as that takes, so a signal must be able to end the wait.
  const name = o.services[0]?.name as ServiceName;
  const bus = await connectBus({
    url: values.natsUrl,
    streamReplicas: values.natsStreamReplicas,
    name,
    logger,
    registry,
    signal: lifecycle.signal,
  });
  lifecycle.onStop({ name: 'bus', budgetMs: busStopBudgetMs, stop: () => bus.close() });
  return bus;
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
    } else {
      signal.addEventListener('abort', () => resolve(), { once: true });
    }
  });
}

/** One table for the process. The same key in two services must be the same entry: one flag cannot mean two things. */
function mergeOptions(services: readonly ServiceDefinition[]): OptionTable {
  const merged: Record<string, OptionTable[string]> = {};
  const { natsUrl: _url, natsStreamReplicas: _replicas, ...withoutBus } = processOptions;
  const tables = [...services.map((service) => service.options), services.some((service) => service.usesBus) ? processOptions : withoutBus];
  for (const [key, entry] of tables.flatMap((table) => Object.entries(table))) {
    if (merged[key] !== undefined && merged[key] !== entry) {
      throw new TypeError(`two services define the option "${key}" differently`);
    }
    merged[key] = entry;
  }
  return defineOptions(merged);
}

function readAll(table: OptionTable, o: RunServicesInput): OptionValues<typeof processOptions> {
  const { values } = readOptions(table, { argv: o.argv, env: o.env, refuseWords: true });
  // The table holds every entry of processOptions, those of NATS only where a service uses the bus; they are read only there.
  return values as unknown as OptionValues<typeof processOptions>;
}

function pick(values: object, keys: readonly string[]): object {
  return Object.freeze(Object.fromEntries(Object.entries(values).filter(([key]) => keys.includes(key))));
}

function helpText(o: RunServicesInput, table: OptionTable): string {
  const summaries = o.services.map((service) => (o.services.length === 1 ? service.summary : `${service.name}: ${service.summary}`));
  return `${summaries.join('\n')}\n\nUSAGE:\n  ${o.name} [OPTIONS]\n\nOPTIONS:\n${renderOptions(table)}\n  --help\n      Show this text.\n`;
}
