/** The services with the NATS users of the manifests: each may do what it does, and nothing of what the others do. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { journalBucket } from '@couchestor/shared/contracts/migrator';
import { bucketStream, bucketSubject } from '@couchestor/shared/contracts/subjects';
import { freePort } from '@couchestor/shared/servers/free-port';
import { provisionServer } from '@couchestor/shared/servers/provision';
import { askVersion } from '@couchestor/shared/servers/version';
import { startTestPrometheus, startTestRedis, type TestServer } from '@couchestor/shared/testing/servers';
import { storageClient } from '@couchestor/shared/testing/storage-clients';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NatsUser, natsServerConfig, natsUsers, passwordVariable } from '../../scripts/manifests/nats-config.ts';
import { couchestor, type Running, start } from '../e2e/couchestor.ts';
import { dashboardQueries, queriesWithoutData } from './dashboard.ts';
import { type InstalledServer, startInstalledNats } from './installed-servers.ts';
import { root } from './manifests.ts';
import { fixtures, writeQuickScenario } from './scenario.ts';

const host = '127.0.0.1';
const passwords = Object.fromEntries(natsUsers.map((user) => [user, `p${user.length}2345`])) as Record<NatsUser, string>;

let folder: string;
let nats: InstalledServer;
let prometheus: TestServer;
let others: TestServer[] = [];
const processes: Running[] = [];

const urlOf = (user: NatsUser): string => `nats://${user}:${passwords[user]}@${host}:${nats.port}`;
const names = ['mayastor-simulator', 'metrics-watcher', 'policy-brain', 'migrator', 'ec-encoder'];
const startedAtMs = Date.now();
const natsLog = (): Promise<string> => readFile(join(folder, 'nats.log'), 'utf8');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'couchestor-nats-users-'));
  nats = await startInstalledNats(folder, passwords);
});

afterAll(async () => {
  for (const { child, ended } of processes) {
    child.kill('SIGTERM');
    await ended;
  }
  await Promise.all(others.map((server) => server.stop()));
  await nats.stop();
  await rm(folder, { recursive: true, force: true });
});

it('moves a volume with each service as its own user, and NATS refuses none of them anything', async () => {
  const address = async (): Promise<string> => `${host}:${await freePort()}`;
  const [api, exporter, admin] = [await address(), await address(), await address()];
  const own = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await address()] as const)));
  const targets = [{ job: 'mayastor', address: exporter }, ...names.map((job) => ({ job, address: own[job] ?? '' }))];
  const redis = await startTestRedis();
  prometheus = await startTestPrometheus({ targets, scrapeIntervalMs: 1_000 });
  others = [redis, prometheus];
  const run = async (service: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<void> => {
    const at = own[service] ?? '';
    processes.push(start(['run', service, '--metrics-addr', at, '--health-addr', at, ...args], { env }));
  };
  const addresses = ['--listen', api, '--exporter-addr', exporter, '--admin-addr', admin];
  await run('mayastor-simulator', ['--data-dir', folder, '--scenario', await writeQuickScenario(folder), ...addresses]);
  const env = {
    MAYASTOR_URL: `http://${api}`,
    PROMETHEUS_URL: prometheus.url,
    REDIS_URL: redis.url,
    SAMPLE_INTERVAL: '2s',
    SCRAPE_INTERVAL: '1s',
    RATE_INTERVAL: '5s',
    POLICY_DIR: join(fixtures, 'policies'),
    COUCHESTOR_SIMULATOR: 'true',
    SYNC_POLL_INTERVAL_SECONDS: '0.5',
    SYNCED_HOLD_SECONDS: '1',
    MAYASTOR_TIMEOUT_SECONDS: '2',
    GATE_LEASE_SECONDS: '5',
  };
  for (const service of ['metrics-watcher', 'policy-brain', 'migrator'] as const) {
    await run(service, [], { ...env, NATS_URL: urlOf(service) });
  }
  const vaultDir = join(folder, 'vault');
  const drives = Array.from({ length: 6 }, (_, index) => join(vaultDir, 'drives', String(index + 1)));
  await run('ec-encoder', ['--nbd-listen', join(vaultDir, 'nbd.sock')], {
    NATS_URL: urlOf('ec-encoder'),
    EC_DATA_DIR: vaultDir,
    EC_DRIVES: drives.join(';'),
    EC_JOURNAL: join(vaultDir, 'journal'),
    EC_POLICY: 'local',
    POLICY_DIR: join(root, 'deploy/local/policies'),
  });
  const cli = (...args: string[]) => couchestor([...args, '--nats-url', urlOf('cli')]);
  await waitUntil(async () => /success/.test((await cli('migrations', '--json')).stdout), {
    timeoutMs: 150_000,
    intervalMs: 1_000,
    what: 'a move',
  });
  for (const words of [['volumes'], ['policies'], ['explain', 'orders-db'], ['dead-letters'], ['migrations', 'retry', 'billing']]) {
    const { code, stderr } = await cli(...words);
    expect(code, `${words.join(' ')}: ${stderr}`).toBe(0);
  }
  // What a vault tells of itself reaches the brain and the command line, by the rights of three users.
  const vaultTold = async (): Promise<boolean> => /vault +local: ready/.test((await cli('status')).stdout);
  await waitUntil(vaultTold, { timeoutMs: 30_000, intervalMs: 1_000, what: 'the vault in the status' });
  expect((await couchestor(['ec', 'volume', 'create', 'data', '64MiB', '--data-dir', vaultDir])).code).toBe(0);
  const kubeconfig = join(folder, 'none');
  const doctor = await cli('doctor', '--mayastor-url', `http://${api}`, '--kubeconfig', kubeconfig);
  expect(doctor.stdout, doctor.stderr).toMatch(/(ok|warning) +nats /);
  expect(doctor.stdout).not.toContain(passwords.cli);
  const undone = await cli('uninstall', '--dry-run', '--mayastor-url', `http://${api}`, '--kubeconfig', kubeconfig);
  expect(undone).toMatchObject({ code: 1, stderr: expect.stringContaining('KUBE_CONFIG') });
  expect((await natsLog()).split('\n').filter((line) => /violation/i.test(line))).toEqual([]);
}, 240_000);

/** A rate takes requests between two scrapes. */
async function useVolume(): Promise<void> {
  const { path, env } = await storageClient('qemu-io');
  const url = `nbd+unix:///data?socket=${join(folder, 'vault', 'nbd.sock')}`;
  await promisify(execFile)(path, ['-f', 'raw', '-c', 'write -P 1 0 1M', '-c', 'read -P 1 0 1M', '-c', 'flush', url], { env });
}

it('has had data meanwhile for every panel of the dashboard, but for those of what did not happen', async () => {
  // Counts what could not be used of Prometheus's answers.
  const mayBeEmpty = ['sum by (kind) (increase(couchestor_watcher_answer_problems_total[1h]))'];
  expect(dashboardQueries()).toEqual(expect.arrayContaining(mayBeEmpty));
  let empty: string[] = [];
  const allHaveData = async (): Promise<boolean> => {
    await useVolume();
    empty = (await queriesWithoutData(prometheus.url, startedAtMs)).filter((expr) => !mayBeEmpty.includes(expr));
    return empty.length === 0;
  };
  await waitUntil(allHaveData, { timeoutMs: 45_000, intervalMs: 2_000, what: 'data for every panel' }).catch(() => undefined);
  expect(empty).toEqual([]);
}, 60_000);

it('takes every configuration that is generated, of one server and of three', async () => {
  const command = await provisionServer('nats-server', { install: true, log: (line) => process.stderr.write(`${line}\n`) });
  const version = await askVersion('nats-server', command);
  const env = {
    ...process.env,
    ...command.env,
    POD_NAME: 'nats-0',
    ...Object.fromEntries(natsUsers.map((user) => [passwordVariable(user), 'p1'])),
  };
  for (const servers of [1, 3]) {
    const file = join(folder, `checked-${servers}.conf`);
    await writeFile(file, natsServerConfig({ version, storeDir: join(folder, 'checked'), servers, users: natsUsers }));
    const { stderr } = await promisify(execFile)(command.path, ['-t', '-c', file], { env });
    expect(stderr).toMatch(/is valid/);
  }
});

describe('a user', () => {
  const journal = bucketSubject(journalBucket, 'some-volume');

  it.each([
    ['metrics-watcher', journal],
    ['metrics-watcher', 'couchestor.migration.requested'],
    ['policy-brain', journal],
    ['migrator', 'couchestor.migration.requested'],
    ['ec-encoder', 'couchestor.migration.requested'],
    ['ec-encoder', journal],
    ['cli', journal],
    ['operator', `$JS.API.STREAM.DELETE.${bucketStream(journalBucket)}`],
    ['operator', `$JS.API.STREAM.PURGE.${bucketStream(journalBucket)}`],
    ['operator', '$JS.API.STREAM.CREATE.other'],
    ['operator', 'anything.else'],
  ] as const)('%s may not publish to %s', async (user, subject) => {
    expect(await answerTo(user, `PUB ${subject} 0\r\n\r\n`)).toBe(`-ERR 'Permissions Violation for Publish to "${subject}"'`);
  });

  it.each([
    ['metrics-watcher', 'couchestor.>'],
    ['migrator', 'couchestor.rpc.brain.list-volumes'],
    ['cli', '>'],
  ] as const)('%s may not listen to %s', async (user, subject) => {
    expect(await answerTo(user, `SUB ${subject} 1\r\n`)).toBe(`-ERR 'Permissions Violation for Subscription to "${subject}"'`);
  });

  it('is not let in with another password, or without one', async () => {
    for (const credentials of [{ user: 'migrator', pass: 'p-wrong' }, {}]) {
      expect(await answerTo(credentials, 'PUB anything 0\r\n\r\n')).toBe("-ERR 'Authorization Violation'");
    }
  });
});

/** What NATS says to lines of its protocol: an error, or nothing where it has taken them. */
function answerTo(by: NatsUser | { user?: string; pass?: string }, lines: string): Promise<string> {
  const credentials = typeof by === 'string' ? { user: by, pass: passwords[by] } : by;
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: nats.port });
    let text = '';
    socket.setEncoding('utf8').setTimeout(5_000, () => socket.destroy(new Error('no answer')));
    socket.once('connect', () => socket.write(`CONNECT ${JSON.stringify({ ...credentials, verbose: false })}\r\n${lines}PING\r\n`));
    socket.once('error', reject);
    socket.on('data', (part: string) => {
      text += part;
      const error = /^-ERR .*$/m.exec(text)?.[0].trim();
      if (error !== undefined || text.includes('PONG')) {
        socket.destroy();
        resolve(error ?? '');
      }
    });
  });
}
