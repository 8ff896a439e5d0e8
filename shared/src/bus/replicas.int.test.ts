/** Streams on a cluster of three servers: as many copies as asked for, and one server may die. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'nats';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { journalBucket } from '../contracts/migrator.ts';
import { bucketStream } from '../contracts/subjects.ts';
import { natsAnswers } from '../servers/answers.ts';
import { type RunningServer, startChildServer } from '../servers/child-server.ts';
import { freePort } from '../servers/free-port.ts';
import { provisionServer } from '../servers/provision.ts';
import { quietLogger } from '../testing/quiet-logger.ts';
import { waitUntil } from '../testing/wait-until.ts';
import { type Bus, connectBus } from './connect.ts';

const logger = quietLogger();
const host = '127.0.0.1';
const settledTimeoutMs = 30_000;
let folder: string;
let servers: RunningServer[] = [];
let bus: Bus | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'couchestor-nats-cluster-'));
  const command = await provisionServer('nats-server', { install: true, log: () => undefined });
  const members: { port: number; route: number }[] = [];
  for (let index = 0; index < 3; index += 1) {
    members.push({ port: await freePort(), route: await freePort() });
  }
  const routes = members.map(({ route }) => `nats://${host}:${route}`);
  servers = await Promise.all(
    members.map(async ({ port, route }, index) => {
      const dir = join(folder, `n${index}`);
      await mkdir(dir);
      const config = join(dir, 'nats.conf');
      const jetstream = `jetstream { store_dir: ${JSON.stringify(dir)} }`;
      const cluster = `cluster { name: test, listen: "${host}:${route}", routes: ${JSON.stringify(routes)} }`;
      await writeFile(config, `server_name: n${index}\nlisten: "${host}:${port}"\n${jetstream}\n${cluster}\n`);
      return await startChildServer({
        name: 'nats-server',
        command,
        args: ['-c', config],
        logFile: join(dir, 'nats.log'),
        url: `nats://${host}:${port}`,
        answers: () => natsAnswers({ host, port }),
      });
    }),
  );
}, 60_000);
afterAll(async () => {
  await bus?.close();
  await Promise.all(servers.map((server) => server.stop()));
  await rm(folder, { recursive: true, force: true });
});

async function replicasOf(url: string): Promise<number> {
  const nats = await connect({ servers: url });
  try {
    const { config } = await (await nats.jetstreamManager()).streams.info(bucketStream(journalBucket));
    return config.num_replicas;
  } finally {
    await nats.close();
  }
}

it('keeps each stream on as many servers as asked for, and on one by itself', async () => {
  const [{ url } = { url: '' }] = servers;
  await (await connectBus({ url, name: 'cli', logger })).close();
  expect(await replicasOf(url)).toBe(1);
  bus = await connectBus({ url, name: 'migrator', logger, streamReplicas: 3 });
  await waitUntil(async () => (await replicasOf(url)) === 3, { timeoutMs: settledTimeoutMs });
  // Whoever has no opinion leaves it as it is.
  await (await connectBus({ url, name: 'cli', logger })).close();
  expect(await replicasOf(url)).toBe(3);
}, 60_000);

it('goes on where one of the three has died', async () => {
  const [first, , third] = servers;
  third?.kill('SIGKILL');
  const journal = bus?.bucket(journalBucket);
  await waitUntil(async () => (await journal?.entries().catch(() => undefined)) !== undefined, { timeoutMs: settledTimeoutMs });
  // The stream's leader may have been the dead one: another is elected first.
  await waitUntil(async () => (await replicasOf(first?.url ?? '').catch(() => 0)) === 3, { timeoutMs: settledTimeoutMs });
}, 60_000);
