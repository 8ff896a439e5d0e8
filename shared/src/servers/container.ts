/**
 * A server in a container, for machines without its program where Docker answers.
 *
 * On the host's network, so that it gets the same generated configuration as a program would, listens on loopback only, and reaches scrape
 * targets there.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describeError } from '../errors.ts';
import { sleep } from '../time.ts';
import { natsAnswers, prometheusAnswers, redisAnswers } from './answers.ts';
import { type ServerName, serverCatalog } from './catalog.ts';
import type { RunningServer } from './child-server.ts';
import { natsConfig, prometheusArguments, prometheusConfig, redisConfig, type ScrapeTarget } from './configs.ts';
import { ServerError } from './errors.ts';
import { freePort } from './free-port.ts';

export interface ContainerServerInput {
  readonly dataDir: string;
  readonly port?: number;
  readonly prometheus: { readonly scrapeIntervalMs: number; readonly targets: readonly ScrapeTarget[] };
  readonly log: (line: string) => void;
}

/** Pulling an image may be part of it. */
const startTimeoutMs = 180_000;
const answerTimeoutMs = 30_000;
const answerPollMs = 50;
const host = '127.0.0.1';
const mount = '/couchestor';
/** Of the images in the catalog. */
const natsImageVersion = '2.11.0';

/** Undefined where no Docker answers, or testcontainers is not installed (it is a development dependency). */
export async function startInContainer(name: ServerName, o: ContainerServerInput): Promise<RunningServer | undefined> {
  const testcontainers = await import('testcontainers').catch(() => undefined);
  if (testcontainers === undefined) {
    return undefined;
  }
  try {
    await testcontainers.getContainerRuntimeClient();
  } catch {
    return undefined;
  }
  const port = o.port ?? (await freePort());
  const dataDir = resolve(o.dataDir);
  const plan = planOf(name, port, o);
  await mkdir(dataDir, { recursive: true });
  await writeFile(join(dataDir, plan.configFile), plan.config);
  o.log(`starting ${name} in a container of ${serverCatalog[name].image}`);
  try {
    const container = await new testcontainers.GenericContainer(serverCatalog[name].image)
      .withNetworkMode('host')
      .withBindMounts([{ source: dataDir, target: mount }])
      .withUser(`${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`)
      .withCommand([...plan.command])
      // A log line that any program writes; whether it answers is asked below, in its own protocol.
      .withWaitStrategy(testcontainers.Wait.forLogMessage(/./))
      .withStartupTimeout(startTimeoutMs)
      .start();
    await untilAnswers(name, plan.answers);
    return {
      url: plan.url,
      pid: undefined,
      stop: async () => void (await container.stop()),
      kill: () => void container.stop({ timeout: 0 }),
    };
  } catch (cause) {
    throw new ServerError('CONTAINER_FAILED', { server: name, image: serverCatalog[name].image, reason: describeError(cause) }, { cause });
  }
}

interface ContainerPlan {
  readonly url: string;
  readonly configFile: string;
  readonly config: string;
  readonly command: readonly string[];
  readonly answers: () => Promise<boolean>;
}

/** What goes into the data folder and what is run, with paths as the container sees them. */
export function planOf(name: ServerName, port: number, o: Pick<ContainerServerInput, 'prometheus'>): ContainerPlan {
  switch (name) {
    case 'nats-server':
      return {
        url: `nats://${host}:${port}`,
        configFile: 'nats.conf',
        config: natsConfig({ version: natsImageVersion, port, storeDir: `${mount}/jetstream` }),
        command: ['nats-server', '-c', `${mount}/nats.conf`],
        answers: () => natsAnswers({ host, port }),
      };
    case 'redis-server':
      return {
        url: `redis://${host}:${port}`,
        configFile: 'redis.conf',
        config: redisConfig({ port, dataDir: mount, appendFsync: 'always' }),
        command: ['redis-server', `${mount}/redis.conf`],
        answers: () => redisAnswers({ host, port }),
      };
    case 'prometheus':
      return {
        url: `http://${host}:${port}`,
        configFile: 'prometheus.yml',
        config: prometheusConfig(o.prometheus),
        // The image's entry point is the program.
        command: prometheusArguments({ configFile: `${mount}/prometheus.yml`, storageDir: `${mount}/tsdb`, port }),
        answers: () => prometheusAnswers(`http://${host}:${port}`),
      };
  }
}

async function untilAnswers(name: ServerName, answers: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + answerTimeoutMs;
  while (!(await answers().catch(() => false))) {
    if (performance.now() > deadline) {
      throw new ServerError('NO_ANSWER', { server: name, waitedMs: answerTimeoutMs });
    }
    await sleep(answerPollMs);
  }
}
