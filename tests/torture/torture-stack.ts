/** The whole system as processes that can be killed at any moment and are started again at once, each on its port and its data. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { freePorts } from '@couchestor/cli/stack/free-ports';
import { probeHealth } from '@couchestor/cli/stack/probe-health';
import {
  type Addresses,
  hostOf,
  type LocalAddresses,
  serviceOptions,
  type TieringService,
  tieringServices,
} from '@couchestor/cli/stack/service-specs';
import { startTestNats, startTestPrometheus, startTestRedis, type TestServer } from '@couchestor/shared/testing/servers';
import { waitUntil } from '@couchestor/shared/testing/wait-until';

const readyTimeoutMs = 60_000;
/** Twice as often as the watcher is told, so that a killed simulator leaves enough of a window measured. */
const scrapeIntervalMs = 500;
const inDeploy = (name: string): string => fileURLToPath(new URL(`../../deploy/local/${name}`, import.meta.url));

/** Added to what the local stack says: everything as quick as `--simulator` permits. */
const hurry: Readonly<Record<TieringService, readonly string[]>> = {
  'mayastor-simulator': [],
  'metrics-watcher': ['--sample-interval', '2s', '--rate-interval', '4s', '--scrape-interval', '1s'],
  'policy-brain': [],
  migrator: [
    ...[
      '--sync-poll-interval-seconds',
      '0.2',
      '--synced-hold-seconds',
      '0.6',
      '--sweep-interval-seconds',
      '1',
      '--job-lock-seconds',
      '1.2',
    ],
    ...['--mayastor-timeout-seconds', '0.8', '--gate-lease-seconds', '2.5'],
  ],
};

export type KillableService = Exclude<TieringService, 'metrics-watcher'>;
export type Broker = 'nats-server' | 'redis-server';
export type Killable = KillableService | Broker;

export interface StackInput {
  /** Of the logs and the simulator's data. */
  readonly folder: string;
  readonly movesAtATime: number;
}

export class TortureStack {
  readonly natsUrl: string;
  readonly mayastorUrl: string;
  readonly adminUrl: string;
  readonly #brokers: Readonly<Record<Broker, TestServer>>;
  readonly #prometheus: TestServer;
  readonly #services = new Map<TieringService, ServiceProcess>();
  readonly #ready = new Set<Killable>();

  private constructor(o: { brokers: Record<Broker, TestServer>; prometheus: TestServer; local: LocalAddresses }) {
    this.#brokers = o.brokers;
    this.#prometheus = o.prometheus;
    this.natsUrl = o.brokers['nats-server'].url;
    this.mayastorUrl = o.local.mayastorUrl;
    this.adminUrl = o.local.adminUrl;
  }

  /** Resolves once every service is ready. */
  static async start(input: StackInput): Promise<TortureStack> {
    await mkdir(join(input.folder, 'logs'), { recursive: true });
    const ports = await freePorts(3 + 2 * tieringServices.length);
    const at = (index: number): string => `http://127.0.0.1:${ports[index]}`;
    const ops = tieringServices.map((name, index) => [name, { metricsUrl: at(3 + 2 * index), healthUrl: at(4 + 2 * index) }]);
    const local: LocalAddresses = { mayastorUrl: at(0), adminUrl: at(1), exporterUrl: at(2), ops: Object.fromEntries(ops) };
    const [nats, redis, prometheus] = await Promise.all([
      startTestNats(),
      startTestRedis(),
      startTestPrometheus({ targets: [{ job: 'mayastor', address: hostOf(local.exporterUrl) }], scrapeIntervalMs }),
    ]);
    const stack = new TortureStack({ brokers: { 'nats-server': nats, 'redis-server': redis }, prometheus, local });
    try {
      await stack.#startServices(input, { ...local, natsUrl: nats.url, redisUrl: redis.url, prometheusUrl: prometheus.url });
      return stack;
    } catch (error) {
      await stack.stop();
      throw error;
    }
  }

  get simulatorLog(): string {
    return this.#service('mayastor-simulator').logFile;
  }

  /** Whether it answers, and so can be killed in the middle of something. */
  isReady(name: Killable): boolean {
    return this.#ready.has(name);
  }

  /** Sends SIGKILL at once, before anything is awaited. `meanwhile` runs while it is down. Resolves once it has been started again. */
  async kill(name: Killable, o: { wipe: boolean; meanwhile?: () => Promise<void> }): Promise<void> {
    this.#ready.delete(name);
    if (isBroker(name)) {
      const broker = this.#brokers[name];
      await (o.wipe ? broker.wipe() : broker.kill());
      await o.meanwhile?.();
      await broker.restart();
      this.#ready.add(name);
      return;
    }
    const service = this.#service(name);
    await service.kill();
    await o.meanwhile?.();
    service.start();
    void this.#awaitReady(name);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#services.values()].map((service) => service.stop()));
    await Promise.all([...Object.values(this.#brokers), this.#prometheus].map((server) => server.stop()));
  }

  async untilAllReady(): Promise<void> {
    const healthy = async (): Promise<boolean> => {
      const answers = await Promise.all([...this.#services.values()].map(({ healthUrl }) => probeHealth(healthUrl)));
      return answers.every((answer) => answer?.ready === true);
    };
    await waitUntil(healthy, { timeoutMs: readyTimeoutMs, intervalMs: 100, what: 'all services to be ready' });
  }

  async #startServices({ folder, movesAtATime }: StackInput, addresses: Addresses): Promise<void> {
    const options = serviceOptions({
      addresses,
      policyDir: inDeploy('torture-policies'),
      scenarioFile: inDeploy('torture.yaml'),
      simulatorDir: join(folder, 'simulator'),
    });
    const movesMax = ['--max-concurrent-migrations', String(movesAtATime)];
    for (const name of tieringServices) {
      const moves = name === 'policy-brain' || name === 'migrator' ? movesMax : [];
      const args = ['run', name, ...options[name], ...hurry[name], ...moves];
      const service = new ServiceProcess({
        name,
        args,
        logFile: join(folder, 'logs', `${name}.log`),
        healthUrl: addresses.ops[name].healthUrl,
      });
      this.#services.set(name, service);
      service.start();
    }
    await this.untilAllReady();
    for (const name of ['migrator', 'policy-brain', 'mayastor-simulator', 'nats-server', 'redis-server'] as const) {
      this.#ready.add(name);
    }
  }

  async #awaitReady(name: KillableService): Promise<void> {
    const service = this.#service(name);
    const { pid } = service;
    await waitUntil(async () => service.pid !== pid || (await probeHealth(service.healthUrl))?.ready === true, {
      timeoutMs: readyTimeoutMs,
      intervalMs: 50,
      what: `${name} to be ready again; its log is ${service.logFile}`,
    });
    if (service.pid === pid) {
      this.#ready.add(name);
    }
  }

  #service(name: TieringService): ServiceProcess {
    const service = this.#services.get(name);
    if (service === undefined) {
      throw new TypeError(`${name} was never started`);
    }
    return service;
  }
}

class ServiceProcess {
  readonly logFile: string;
  readonly healthUrl: string;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  constructor(o: { name: TieringService; args: readonly string[]; logFile: string; healthUrl: string }) {
    this.logFile = o.logFile;
    this.healthUrl = o.healthUrl;
    const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
    const main = fileURLToPath(new URL('../../cli/src/main.ts', import.meta.url));
    this.#args = ['--conditions=source', '--import', loader, main, ...o.args];
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    const log = openSync(this.logFile, 'a');
    // The pipe is never written to: when this process dies, it closes, and the service stops by itself.
    const child = spawn(process.execPath, this.#args, {
      stdio: ['pipe', log, log],
      detached: true,
      env: { ...process.env, COUCHESTOR_STOP_ON_STDIN_EOF: '1' },
    });
    closeSync(log);
    child.stdin?.on('error', () => undefined);
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once('exit', resolve));
  }

  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }

  async stop(): Promise<void> {
    const force = setTimeout(() => this.#child?.kill('SIGKILL'), 5_000);
    this.#child?.kill('SIGTERM');
    await this.#ended;
    clearTimeout(force);
  }
}

function isBroker(name: Killable): name is Broker {
  return name === 'nats-server' || name === 'redis-server';
}
