import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { natsAnswers } from '../servers/answers.ts';
import { type RunningServer, startChildServer } from '../servers/child-server.ts';
import { freePort } from '../servers/free-port.ts';
import { provisionServer } from '../servers/provision.ts';
import { quietLogger } from '../testing/quiet-logger.ts';
import { connectBus } from './connect.ts';
import { serverOf } from './server-of.ts';

// Digits after the colon look like a port, and the rest is what a URL has to encode.
const password = '1234:p@ss/word';
let folder: string;
let server: RunningServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'couchestor-nats-users-'));
  const port = await freePort();
  const config = join(folder, 'nats.conf');
  await writeFile(
    config,
    `host: 127.0.0.1\nport: ${port}\njetstream { store_dir: ${JSON.stringify(join(folder, 'jetstream'))} }\nauthorization { users: [{ user: brain, password: ${JSON.stringify(password)} }] }\n`,
  );
  server = await startChildServer({
    name: 'nats-server',
    command: await provisionServer('nats-server', { install: true, log: () => undefined }),
    args: ['-c', config],
    logFile: join(folder, 'nats.log'),
    url: `127.0.0.1:${port}`,
    answers: () => natsAnswers({ host: '127.0.0.1', port }),
  });
});
afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

it('connects with the user and the password of the URL', async () => {
  const bus = await connectBus({
    url: `nats://brain:${encodeURIComponent(password)}@${server.url}`,
    name: 'policy-brain',
    logger: quietLogger(),
  });
  await expect(bus.ping()).resolves.toBeUndefined();
  await bus.close();
});

it('is refused with another password, and does not tell either', async () => {
  const url = `nats://brain:not-the-one@${server.url}`;
  const refused = connectBus({ url, name: 'policy-brain', logger: quietLogger(), signal: AbortSignal.timeout(1_500) });
  const error: Error = await refused.then(
    () => expect.fail('connected'),
    (caught) => caught,
  );
  expect(error.message).toMatch(/BUS_UNREACHABLE/);
  expect(error.message).not.toContain('not-the-one');
});

it('needs no user', () => {
  expect(serverOf('nats://127.0.0.1:4222')).toEqual({ servers: 'nats://127.0.0.1:4222' });
});
