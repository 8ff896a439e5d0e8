/**
 * The local stack: the three servers, then the services, as child processes on loopback. The members of each group start at once. What
 * ec-encoder computes with is built meanwhile, where it is not there yet and a compiler is.
 *
 * They stop in the reverse order of the flow: first who acts, then the cluster that is acted on, then what carries the facts.
 */
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '@couchestor/shared/time';
import { CliError } from '../errors.ts';
import { freePorts } from './free-ports.ts';
import { lastWords } from './last-words.ts';
import type { Layout } from './layout.ts';
import { probeHealth } from './probe-health.ts';
import { identify } from './process-identity.ts';
import { type Tell, tellChange } from './progress.ts';
import { selfCommand } from './self-command.ts';
import { makeServers } from './servers.ts';
import {
  type Addresses,
  hostOf,
  type LocalAddresses,
  type OpsAddresses,
  type ServiceName,
  scrapeIntervalMs,
  serviceNames,
  serviceOptions,
  tieringServices,
  vaultOptions,
} from './service-specs.ts';
import { type StackFile, writeStackFile } from './stack-file.ts';
import { type ProcessChange, SupervisedChild } from './supervised-child.ts';
import type { SupervisedServer } from './supervised-server.ts';
import { areDrivesMade, noteDrivesMade } from './vault-place.ts';

const readyTimeoutMs = 60_000;
const readyPollMs = 100;
/** A service that dies so often before it was ever ready will not become so. */
const firstDeathsMax = 2;
/** Together below the five seconds in which Ctrl-C must have done its work. */
const serviceGraceMs = 2_500;
const simulatorGraceMs = 1_000;
const serverGraceMs = 1_000;

export interface StackInput {
  readonly layout: Layout;
  readonly install: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly tell: Tell;
  /** Whether a vault is kept too. */
  readonly withVault: boolean;
}

export interface ProcessState {
  readonly name: string;
  readonly up: boolean;
  readonly restarts: number;
}

export class Stack {
  readonly #input: StackInput;
  readonly #local: LocalAddresses;
  readonly #names: readonly ServiceName[];
  readonly #ops: Readonly<Record<ServiceName, OpsAddresses>>;
  readonly #servers: readonly SupervisedServer[];
  readonly #services = new Map<ServiceName, SupervisedChild>();
  readonly #startedAt = new Date().toISOString();
  #addresses: Addresses | undefined;
  #servicesStartedMs = 0;
  #writing: Promise<void> = Promise.resolve();
  #stopped = false;

  private constructor(input: StackInput, ports: readonly number[]) {
    this.#input = input;
    const [nats = 0, redis = 0, prometheus = 0, api, admin, exporter, ...opsPorts] = ports;
    const at = (port: number | undefined): string => `http://127.0.0.1:${port}`;
    const ops = serviceNames.map((name, index) => [name, { metricsUrl: at(opsPorts[2 * index]), healthUrl: at(opsPorts[2 * index + 1]) }]);
    this.#ops = Object.fromEntries(ops);
    this.#names = input.withVault ? serviceNames : tieringServices;
    this.#local = { mayastorUrl: at(api), adminUrl: at(admin), exporterUrl: at(exporter), ops: this.#ops };
    this.#servers = makeServers({
      ...input,
      ports: { nats, redis, prometheus },
      scrape: { address: hostOf(this.#local.exporterUrl), intervalMs: scrapeIntervalMs },
      onChange: this.#onChange,
    });
  }

  /** Chooses all ports; nothing runs yet. */
  static async plan(input: StackInput): Promise<Stack> {
    return new Stack(input, await freePorts(6 + 2 * serviceNames.length));
  }

  /** Resolves once every service says that it is ready. Fetches first what this machine lacks. */
  async start(signal: AbortSignal): Promise<void> {
    const { layout } = this.#input;
    await mkdir(layout.logsDir, { recursive: true });
    const codec = this.#provisionCodec();
    const [nats, redis, prometheus] = await Promise.all(this.#servers.map((server) => server.start()));
    await codec;
    signal.throwIfAborted();
    this.#servicesStartedMs = performance.now();
    this.#addresses = { ...this.#local, natsUrl: nats?.url ?? '', redisUrl: redis?.url ?? '', prometheusUrl: prometheus?.url ?? '' };
    await this.#startServices(this.#addresses);
    await Promise.all(this.#names.map((name) => this.#untilReady(name, signal)));
    if (this.#input.withVault) {
      await noteDrivesMade(layout);
    }
    this.#save();
    await this.#writing;
  }

  /** Throws before `start` has found out. */
  get addresses(): Addresses {
    if (this.#addresses === undefined) {
      throw new TypeError('the stack has not been started');
    }
    return this.#addresses;
  }

  /** When everything had been fetched and the services began to start, by the monotonic clock. */
  get servicesStartedMs(): number {
    return this.#servicesStartedMs;
  }

  get hasVault(): boolean {
    return this.#input.withVault;
  }

  get processes(): ProcessState[] {
    return [...this.#servers, ...this.#services.values()].map(({ name, up, restarts }) => ({ name, up, restarts }));
  }

  /** For the demonstration: what happens to people's machines. False where it is not a process of ours, or is down already. */
  kill(name: string, signal: NodeJS.Signals): boolean {
    const victim = [...this.#servers, ...this.#services.values()].find((process) => process.name === name);
    victim?.kill(signal);
    return victim?.pid !== undefined;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(
      this.#names.filter((name) => name !== 'mayastor-simulator').map((name) => this.#services.get(name)?.stop(serviceGraceMs)),
    );
    await this.#services.get('mayastor-simulator')?.stop(simulatorGraceMs);
    await Promise.all(this.#servers.map((server) => server.stop(serverGraceMs)));
    await this.#writing;
  }

  /** Never fails: without an add-on ec-encoder computes more slowly. */
  async #provisionCodec(): Promise<void> {
    const { install, env, tell, withVault } = this.#input;
    if (withVault) {
      const { provisionCodec } = await import('@couchestor/ec-encoder/provision');
      await provisionCodec({ install, env, log: (line) => tell({ kind: 'progress', name: 'ec-encoder', text: `codec: ${line}` }) });
    }
  }

  async #startServices(addresses: Addresses): Promise<void> {
    const { layout, env } = this.#input;
    const options = {
      ...serviceOptions({
        addresses,
        policyDir: layout.policiesDir,
        scenarioFile: layout.scenarioFile,
        simulatorDir: layout.simulatorDir,
      }),
      'ec-encoder': vaultOptions({
        natsUrl: addresses.natsUrl,
        layout,
        ops: this.#ops['ec-encoder'],
        areDrivesMade: await areDrivesMade(layout),
      }),
    };
    const { path, args } = selfCommand();
    for (const name of this.#names) {
      const logFile = join(layout.logsDir, `${name}.log`);
      // One former log is kept: it tells why the last run ended.
      await rename(logFile, `${logFile}.1`).catch(() => undefined);
      const spec = {
        name,
        path,
        args: [...args, 'run', name, ...options[name]],
        env: { ...env, COUCHESTOR_STOP_ON_STDIN_EOF: '1' },
        logFile,
      };
      const child = new SupervisedChild(spec, (change) => this.#onChange(name, change));
      this.#services.set(name, child);
      child.start();
    }
  }

  readonly #onChange = (name: string, change: ProcessChange): void => {
    tellChange(this.#input.tell, name, change);
    this.#save();
  };

  /** Notes what runs, for other commands and for whoever must clean up after us. */
  #save(): void {
    const addresses = this.#addresses;
    if (!this.#stopped && addresses !== undefined) {
      this.#writing = this.#writing.then(() => writeStackFile(this.#input.layout.stackFile, this.#describe(addresses)));
    }
  }

  #describe({ ops: _, ...urls }: Addresses): StackFile {
    const supervisor = identify(process.pid);
    if (supervisor === undefined) {
      throw new Error('this process cannot be identified');
    }
    return {
      version: 1,
      dataDir: this.#input.layout.dataDir,
      startedAt: this.#startedAt,
      supervisor,
      ...urls,
      services: this.#names.map((name) => ({ name, ...this.#ops[name] })),
      processes: [...this.#servers, ...this.#services.values()].flatMap(({ name, pid }) => {
        const identity = pid === undefined ? undefined : identify(pid);
        return identity === undefined ? [] : [{ name, ...identity }];
      }),
    };
  }

  async #untilReady(name: ServiceName, signal: AbortSignal): Promise<void> {
    const { healthUrl } = this.#ops[name];
    const deadline = performance.now() + readyTimeoutMs;
    for (;;) {
      signal.throwIfAborted();
      const health = await probeHealth(healthUrl);
      if (health?.ready) {
        this.#input.tell({ kind: 'progress', name, text: `${name} is ready` });
        return;
      }
      if (performance.now() > deadline || (this.#services.get(name)?.restarts ?? 0) >= firstDeathsMax) {
        const log = join(this.#input.layout.logsDir, `${name}.log`);
        throw new CliError('STACK_NOT_READY', {
          service: name,
          checks: health && JSON.stringify(health.checks),
          said: await lastWords(log),
          log,
        });
      }
      await sleep(readyPollMs, signal);
    }
  }
}
