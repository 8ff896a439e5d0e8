/** Starts each of the servers on a loopback port, with its data and its generated configuration in one folder. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { natsAnswers, prometheusAnswers, redisAnswers } from './answers.ts';
import { type ChildServerInput, type RunningServer, startChildServer } from './child-server.ts';
import { natsConfig, prometheusArguments, prometheusConfig, redisConfig, type ScrapeTarget } from './configs.ts';
import { ServerError } from './errors.ts';
import { freePort, isFree } from './free-port.ts';
import type { ServerCommand } from './provision.ts';
import { askVersion } from './version.ts';

export type { RunningServer } from './child-server.ts';

/** Free ports that are tried: a port can be taken between its choice and its use. */
const portAttemptsMax = 3;

const host = '127.0.0.1';

export interface StartServerInput {
  readonly command: ServerCommand;
  /** Made where it does not exist. What a former run left in it is used again. */
  readonly dataDir: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Appended to. Default: in the data folder. */
  readonly logFile?: string;
}

export async function startNatsServer(o: StartServerInput): Promise<RunningServer> {
  const version = await askVersion('nats-server', o.command);
  return await onPort(o, async (port) => {
    const place = await prepare(o, 'nats-server');
    const config = await place.write('nats.conf', natsConfig({ version, port, storeDir: join(place.dataDir, 'jetstream') }));
    return { ...place.child, args: ['-c', config], url: `nats://${host}:${port}`, answers: () => natsAnswers({ host, port }) };
  });
}

/** `appendFsync` everysec is quicker and may lose a second of queue entries on power loss, which the journal makes good. */
export async function startRedisServer(o: StartServerInput & { readonly appendFsync?: 'always' | 'everysec' }): Promise<RunningServer> {
  return await onPort(o, async (port) => {
    const place = await prepare(o, 'redis-server');
    const config = await place.write('redis.conf', redisConfig({ port, dataDir: place.dataDir, appendFsync: o.appendFsync ?? 'always' }));
    return { ...place.child, args: [config], url: `redis://${host}:${port}`, answers: () => redisAnswers({ host, port }) };
  });
}

/** Scrapes `targets` every `scrapeIntervalMs`, which may be below a second. */
export async function startPrometheus(
  o: StartServerInput & { readonly scrapeIntervalMs: number; readonly targets: readonly ScrapeTarget[] },
): Promise<RunningServer> {
  return await onPort(o, async (port) => {
    const place = await prepare(o, 'prometheus');
    const config = await place.write('prometheus.yml', prometheusConfig(o));
    const url = `http://${host}:${port}`;
    const args = prometheusArguments({ configFile: config, storageDir: join(place.dataDir, 'tsdb'), port });
    return { ...place.child, args, url, answers: () => prometheusAnswers(url) };
  });
}

/** On the port that was asked for, which must be free; else on a free one, and on another where somebody was quicker to take it. */
async function onPort(o: StartServerInput, inputFor: (port: number) => Promise<ChildServerInput>): Promise<RunningServer> {
  if (o.port !== undefined) {
    const input = await inputFor(o.port);
    if (!(await isFree(o.port))) {
      throw new ServerError('PORT_IN_USE', { server: input.name, port: o.port });
    }
    return await startChildServer(input);
  }
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startChildServer(await inputFor(await freePort()));
    } catch (error) {
      const wasTaken = ServerError.is(error, 'EXITED') && /in use/i.test(String(error.facts['logEnd']));
      if (!wasTaken || attempt === portAttemptsMax) {
        throw error;
      }
    }
  }
}

async function prepare(o: StartServerInput, name: string) {
  const dataDir = resolve(o.dataDir);
  await mkdir(dataDir, { recursive: true });
  return {
    dataDir,
    child: { name, command: o.command, logFile: resolve(o.logFile ?? join(dataDir, `${name}.log`)) },
    write: async (file: string, text: string): Promise<string> => {
      const path = join(dataDir, file);
      await writeFile(path, text);
      return path;
    },
  };
}
