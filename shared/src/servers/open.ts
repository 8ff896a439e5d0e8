/** A server to use, wherever it comes from: one that runs already, else a program started here, else a container. */

import { type ServerName, serverCatalog } from './catalog.ts';
import type { ScrapeTarget } from './configs.ts';
import { startInContainer } from './container.ts';
import { ServerError } from './errors.ts';
import { provisionServer, type ServerCommand } from './provision.ts';
import { type RunningServer, startNatsServer, startPrometheus, startRedisServer } from './run.ts';

export interface OpenServerInput {
  /** Where NATS_URL, REDIS_URL, PROMETHEUS_URL, PATH and XDG_CACHE_HOME are read. */
  readonly env: NodeJS.ProcessEnv;
  readonly dataDir: string;
  /** False refuses downloads, of programs as of images. */
  readonly install: boolean;
  readonly log: (line: string) => void;
  readonly port?: number;
  readonly logFile?: string;
  /** For Prometheus only. */
  readonly prometheus?: { readonly scrapeIntervalMs: number; readonly targets: readonly ScrapeTarget[] };
  readonly systemDirs?: readonly string[];
}

export interface OpenedServer extends RunningServer {
  /** `environment`: somebody else's, which `stop` leaves alone. */
  readonly source: 'environment' | 'path' | 'cache' | 'container';
}

const noTargets = { scrapeIntervalMs: 15_000, targets: [] };

/** Throws ServerError NOT_FOUND, saying what to install, where nothing of all this is possible. */
export async function openServer(name: ServerName, o: OpenServerInput): Promise<OpenedServer> {
  const url = o.env[serverCatalog[name].urlVariable];
  if (url !== undefined && url !== '') {
    return { url, pid: undefined, source: 'environment', stop: async () => undefined, kill: () => undefined };
  }
  let command: ServerCommand;
  try {
    command = await provisionServer(name, o);
  } catch (error) {
    const inContainer =
      o.install && ServerError.is(error, 'NOT_FOUND')
        ? await startInContainer(name, { ...o, prometheus: o.prometheus ?? noTargets })
        : undefined;
    if (inContainer === undefined) {
      throw error;
    }
    return { ...inContainer, source: 'container' };
  }
  return { ...(await startProgram(name, { ...o, command })), source: command.source };
}

function startProgram(name: ServerName, o: OpenServerInput & { command: ServerCommand }): Promise<RunningServer> {
  switch (name) {
    case 'nats-server':
      return startNatsServer(o);
    case 'redis-server':
      return startRedisServer(o);
    case 'prometheus':
      return startPrometheus({ ...o, ...(o.prometheus ?? noTargets) });
  }
}
