/** Real servers for tests: each in a folder of its own below the system's temporary folder, on a free loopback port that it keeps. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { provisionServer, type ServerCommand, type ServerName } from '../servers/provision.ts';
import { type RunningServer, startNatsServer, startPrometheus, startRedisServer } from '../servers/run.ts';

export interface TestServer {
  readonly url: string;
  /** Ends the server and removes its data. */
  stop(): Promise<void>;
  /** Ends the server with SIGKILL; its data stay. */
  kill(): Promise<void>;
  /** Starts it again on the same port, with the data it left. Kills it first where it still runs. */
  restart(): Promise<void>;
  /** Ends the server with SIGKILL and removes its data: the next `restart` finds nothing. */
  wipe(): Promise<void>;
  /** SIGSTOP and SIGCONT make a server that hangs. */
  signal(signal: NodeJS.Signals): void;
}

export function startTestNats(): Promise<TestServer> {
  return startTestServer('nats-server', startNatsServer);
}

export function startTestRedis(): Promise<TestServer> {
  return startTestServer('redis-server', startRedisServer);
}

/** @param o.targets what is scraped: a job name and a `host:port` each */
export function startTestPrometheus(o: {
  targets: readonly { job: string; address: string }[];
  scrapeIntervalMs: number;
}): Promise<TestServer> {
  return startTestServer('prometheus', (place) => startPrometheus({ ...place, ...o }));
}

type Start = (place: { command: ServerCommand; dataDir: string; port?: number }) => Promise<RunningServer>;

async function startTestServer(name: ServerName, start: Start): Promise<TestServer> {
  const command = await provisionServer(name, { install: true, log: (line) => process.stderr.write(`${line}\n`) });
  const folder = await mkdtemp(join(tmpdir(), `couchestor-test-${name}-`));
  const dataDir = join(folder, 'data');
  let running: RunningServer | undefined = await start({ command, dataDir });
  const { url } = running;
  const kill = async (): Promise<void> => {
    const victim = running;
    running = undefined;
    victim?.kill('SIGKILL');
    await victim?.stop();
  };
  return {
    url,
    kill,
    stop: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
    restart: async () => {
      await kill();
      running = await start({ command, dataDir, port: Number(new URL(url).port) });
    },
    wipe: async () => {
      await kill();
      await rm(dataDir, { recursive: true, force: true });
    },
    signal: (signal) => running?.kill(signal),
  };
}
