import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connect, StringCodec } from 'nats';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { waitUntil } from '../testing/wait-until.ts';
import { provisionServer, type ServerCommand, type ServerName } from './provision.ts';
import { type RunningServer, startNatsServer, startPrometheus, startRedisServer } from './run.ts';

let root = '';
const commands: Partial<Record<ServerName, ServerCommand>> = {};
const running: RunningServer[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'couchestor-run-'));
  for (const name of ['nats-server', 'redis-server', 'prometheus'] as const) {
    commands[name] = await provisionServer(name, { install: true, log: () => undefined });
  }
}, 240_000);
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
});
afterAll(() => rm(root, { recursive: true, force: true }));

function commandOf(name: ServerName): ServerCommand {
  const command = commands[name];
  if (command === undefined) {
    throw new Error(`${name} was not provisioned`);
  }
  return command;
}

async function started(server: Promise<RunningServer>): Promise<RunningServer> {
  running.push(await server);
  return await server;
}

/** One command in Redis' inline protocol. */
function askRedis(url: string, command: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host: hostname, port: Number(port) });
    socket.once('error', reject);
    socket.once('data', (data) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.write(`${command}\r\n`);
  });
}

test('NATS keeps what JetStream acknowledged over kill -9 and a new start on the same port', async () => {
  const dataDir = join(root, 'nats');
  const first = await started(startNatsServer({ command: commandOf('nats-server'), dataDir }));
  const connection = await connect({ servers: first.url, reconnect: false });
  const bucket = await connection.jetstream().views.kv('test');
  await bucket.put('key', StringCodec().encode('value'));
  first.kill('SIGKILL');
  await connection.closed();
  await first.stop();

  const second = await started(startNatsServer({ command: commandOf('nats-server'), dataDir, port: Number(new URL(first.url).port) }));
  expect(second.url).toBe(first.url);
  const again = await connect({ servers: second.url });
  expect((await (await again.jetstream().views.kv('test')).get('key'))?.string()).toBe('value');
  await again.close();
});

test('Redis keeps its keys over kill -9, never evicts, and listens on loopback only', async () => {
  const dataDir = join(root, 'redis');
  const first = await started(startRedisServer({ command: commandOf('redis-server'), dataDir }));
  expect(await askRedis(first.url, 'SET key value')).toBe('+OK\r\n');
  first.kill('SIGKILL');
  await first.stop();
  const second = await started(startRedisServer({ command: commandOf('redis-server'), dataDir }));
  expect(await askRedis(second.url, 'GET key')).toBe('$5\r\nvalue\r\n');
  expect(await askRedis(second.url, 'CONFIG GET maxmemory-policy')).toContain('noeviction');
  expect(await askRedis(second.url, 'CONFIG GET appendfsync')).toContain('always');
  expect(await askRedis(second.url, 'CONFIG GET bind')).toContain('127.0.0.1');
});

test('Prometheus scrapes its targets several times a second', async () => {
  let scrapes = 0;
  const exporter = createServer((_request, response) => {
    scrapes += 1;
    response.end(`scrapes_total ${scrapes}\n`);
  });
  await new Promise<void>((resolve) => exporter.listen(0, '127.0.0.1', resolve));
  const { port } = exporter.address() as { port: number };
  const server = await started(
    startPrometheus({
      command: commandOf('prometheus'),
      dataDir: join(root, 'prometheus'),
      scrapeIntervalMs: 200,
      targets: [{ job: 'test', address: `127.0.0.1:${port}` }],
    }),
  );
  const query = async (expression: string): Promise<unknown> => {
    const answer = await fetch(`${server.url}/api/v1/query?query=${encodeURIComponent(expression)}`);
    return ((await answer.json()) as { data: { result: { value: [number, string] }[] } }).data.result[0]?.value[1];
  };
  await waitUntil(async () => Number(await query('count_over_time(scrapes_total{job="test"}[1s])')) >= 3, { timeoutMs: 20_000 });
  exporter.closeAllConnections();
  exporter.close();
});

test('a server that ends at once is an error that holds the end of its log', async () => {
  const command: ServerCommand = { path: '/bin/false', env: {}, source: 'path' };
  const input = { command, dataDir: join(root, 'broken'), logFile: join(root, 'broken.log') };
  await expect(startRedisServer(input)).rejects.toMatchObject({
    code: 'SERVER_EXITED',
    facts: { exit: 'exit code 1', logFile: input.logFile },
  });

  const refusing = { command: commandOf('redis-server'), dataDir: join(root, 'refusing'), appendFsync: 'sometimes' as 'always' };
  await expect(startRedisServer(refusing)).rejects.toMatchObject({ facts: { logEnd: expect.stringContaining('appendfsync sometimes') } });
});

test('a port in use is refused before anything is started', async () => {
  const server = await started(startRedisServer({ command: commandOf('redis-server'), dataDir: join(root, 'one') }));
  const port = Number(new URL(server.url).port);
  await expect(startRedisServer({ command: commandOf('redis-server'), dataDir: join(root, 'two'), port })).rejects.toMatchObject({
    code: 'SERVER_PORT_IN_USE',
    facts: { port },
  });
});

test('a server ends with the process that started it, also when that is killed', async () => {
  const script = join(import.meta.dirname, 'start-redis.fixture.ts');
  const parent = spawn(process.execPath, ['--import', 'tsx', '--conditions=source', script, join(root, 'orphan')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const pid = Number(await new Promise<string>((resolve) => parent.stdout.once('data', (data: Buffer) => resolve(data.toString()))));
  expect(await isRunning(pid)).toBe(true);
  parent.kill('SIGKILL');
  await waitUntil(async () => !(await isRunning(pid)));
});

async function isRunning(pid: number): Promise<boolean> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'stat=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
  return stdout.trim() !== '' && !stdout.startsWith('Z');
}

test('stopping leaves a log and no process', async () => {
  const logFile = join(root, 'logs', 'redis.log');
  const server = await startRedisServer({ command: commandOf('redis-server'), dataDir: join(root, 'stopped'), logFile });
  await server.stop();
  await server.stop();
  expect(await isRunning(server.pid ?? 0)).toBe(false);
  expect(await readFile(logFile, 'utf8')).toContain('Ready to accept connections');
});
