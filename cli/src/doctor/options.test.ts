import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readOptions } from '@couchestor/shared/options';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { layoutOf } from '../stack/layout.ts';
import { identify } from '../stack/process-identity.ts';
import { writeStackFile } from '../stack/stack-file.ts';
import { placeOptions, resolvePlaces } from './options.ts';

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'couchestor-places-'));
});

afterEach(() => rm(dataDir, { recursive: true }));

/** A stack whose supervisor is this process. */
async function startStack(): Promise<void> {
  const supervisor = identify(process.pid);
  if (supervisor === undefined) {
    throw new Error('this process is not known to the system');
  }
  const [natsUrl, redisUrl, url] = ['nats://127.0.0.1:14222', 'redis://127.0.0.1:16379', 'http://127.0.0.1:18081'];
  await writeStackFile(layoutOf({ dataDir, env: {} }).stackFile, {
    ...{ version: 1, dataDir, startedAt: new Date().toISOString(), supervisor, services: [], processes: [] },
    ...{ natsUrl, redisUrl, prometheusUrl: url, mayastorUrl: url, adminUrl: url, exporterUrl: url },
  });
}

async function places(argv: string[], env: NodeJS.ProcessEnv = {}) {
  const { values } = readOptions(placeOptions, { argv: [...argv, '--data-dir', dataDir], env });
  const { values: found, stack } = await resolvePlaces(values, env);
  return { mayastor: found.mayastorUrl, nats: found.natsUrl, local: stack !== undefined };
}

it('takes all places of the local stack where none was given, whatever KUBECONFIG says', async () => {
  await startStack();
  const local = { mayastor: 'http://127.0.0.1:18081', nats: 'nats://127.0.0.1:14222', local: true };
  expect(await places([])).toEqual(local);
  expect(await places([], { KUBECONFIG: '/some/config' })).toEqual(local);
});

it.each([
  [['--kubeconfig', '/some/config'], '--mayastor-url and --nats-url'],
  [['--nats-url', 'nats://far:4222', '--kubeconfig', '/some/config'], '--mayastor-url'],
  [['--mayastor-url', 'http://far:8081'], '--nats-url'],
])('takes none of the local stack where %j was given, and asks for what is missing', async (argv, missing) => {
  await startStack();
  await expect(places(argv)).rejects.toThrow(`give ${missing} too, or none of them to look at the stack`);
});

it('looks where it is told, also beside a local stack', async () => {
  const far = { mayastor: 'http://far:8081', nats: 'nats://far:4222', local: false };
  const argv = ['--mayastor-url', far.mayastor, '--nats-url', far.nats];
  expect(await places(argv)).toEqual(far);
  await startStack();
  expect(await places(argv)).toEqual(far);
});
