/** The migrator and the simulator as processes of their own, for tests that kill them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitUntil } from '@couchestor/shared/testing/wait-until';

const anyPort = ['--metrics-addr', '127.0.0.1:0', '--health-addr', '127.0.0.1:0'];

export interface ServiceProcess {
  /** Everything that it has printed. */
  readonly output: () => string;
  readonly exitCode: () => number | null;
  /** Resolves once it is gone. */
  end(signal: NodeJS.Signals): Promise<void>;
}

export interface SimulatorProcess extends ServiceProcess {
  /** Of Mayastor's REST API, without `/v0`. */
  readonly url: string;
  readonly adminUrl: string;
}

export async function startMigrator(o: {
  natsUrl: string;
  redisUrl: string;
  mayastorUrl: string;
  flags?: readonly string[];
}): Promise<ServiceProcess> {
  // Short times: the simulator rebuilds within seconds.
  const timing = ['--simulator', '--sync-poll-interval-seconds', '0.1', '--synced-hold-seconds', '0.4', '--sweep-interval-seconds', '1'];
  const calls = ['--mayastor-timeout-seconds', '1', '--gate-lease-seconds', '3', '--max-concurrent-migrations', '10'];
  const servers = ['--nats-url', o.natsUrl, '--redis-url', o.redisUrl, '--mayastor-url', o.mayastorUrl];
  return ready(run(join(import.meta.dirname, '../main.ts'), [...servers, ...timing, ...calls, ...anyPort, ...(o.flags ?? [])]));
}

export async function startSimulator(scenario: unknown): Promise<SimulatorProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'couchestor-simulator-'));
  await writeFile(join(folder, 'scenario.json'), JSON.stringify(scenario));
  const [rest, exporter, admin] = await freeAddresses();
  const addresses = ['--listen', rest, '--exporter-addr', exporter, '--admin-addr', admin];
  const files = ['--data-dir', join(folder, 'data'), '--scenario', join(folder, 'scenario.json')];
  // Services do not import each other: it is started as what it is, another program.
  const main = join(import.meta.dirname, '../../../mayastor-simulator/src/main.ts');
  const running = await ready(run(main, [...addresses, ...files, ...anyPort]));
  return {
    ...running,
    url: `http://${rest}`,
    adminUrl: `http://${admin}`,
    end: async (signal) => {
      await running.end(signal);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function ready(running: ServiceProcess): Promise<ServiceProcess> {
  await waitUntil(() => running.output().includes(' ready') || running.exitCode() !== null, {
    timeoutMs: 25_000,
    what: 'a service to be ready',
  });
  if (running.exitCode() !== null) {
    throw new Error(`it ended with ${running.exitCode()}: ${running.output()}`);
  }
  return running;
}

function run(main: string, argv: readonly string[]): ServiceProcess {
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', '--conditions=source', main, ...argv], {
    env: { PATH: process.env['PATH'], COUCHESTOR_STOP_ON_STDIN_EOF: '1' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const gone = once(child, 'exit');
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (data: Buffer) => {
      output += data.toString();
    });
  }
  return {
    output: () => output,
    exitCode: () => child.exitCode,
    end: async (signal) => {
      child.kill(signal);
      await gone;
    },
  };
}

async function freeAddresses(): Promise<[string, string, string]> {
  const servers = await Promise.all(
    [1, 2, 3].map(async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const [a = '', b = '', c = ''] = servers.map((server) => `127.0.0.1:${(server.address() as { port: number }).port}`);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [a, b, c];
}

/** Publishes raw bytes, as a program would that keeps to no contract of ours. NATS's protocol is a few lines of text. */
export async function publishRaw(o: { natsUrl: string; subject: string; payload: string }): Promise<void> {
  const { hostname, port } = new URL(o.natsUrl);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.setEncoding('utf8');
  socket.write(`CONNECT {"verbose":false}\r\nPUB ${o.subject} ${Buffer.byteLength(o.payload)}\r\n${o.payload}\r\nPING\r\n`);
  // PONG answers the PING that follows the message: what was sent before it has been taken.
  for await (const text of socket) {
    if (String(text).includes('PONG')) {
      break;
    }
  }
  socket.destroy();
}
