/**
 * The Quick Start to its end: the CRDs and operator.yaml applied as they are, then the operator run as its Deployment says, with its account's
 * rights, its passwords, and NATS and Redis as they are configured there, until it has moved a volume of the simulator.
 *
 * There is no kubelet here: the process takes the place of the pod, and addresses of loopback those of the Services.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uuidOfName } from '@couchestor/mayastor-simulator/domain/random';
import { freePort } from '@couchestor/shared/servers/free-port';
import { type KubeApiServer, startKubeApiServer } from '@couchestor/shared/testing/kube/api-server';
import { startTestPrometheus } from '@couchestor/shared/testing/servers';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { NatsUser } from '../../scripts/manifests/nats-config.ts';
import { couchestor, type Running, start } from '../e2e/couchestor.ts';
import { type InstalledServer, startInstalledNats, startInstalledRedis } from './installed-servers.ts';
import { Kubectl } from './kubectl.ts';
import { manifestsOf, root } from './manifests.ts';
import { fixtures, writeQuickScenario } from './scenario.ts';

const namespace = 'couchestor-system';

let folder: string;
let server: KubeApiServer;
let kubectl: Kubectl;
let nats: InstalledServer;
let redis: InstalledServer;
const processes: Running[] = [];
const toStop: (() => Promise<void>)[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'couchestor-quick-start-'));
  server = await startKubeApiServer();
  kubectl = Kubectl.of(server, { folder });
  await kubectl.applyCrds();
  await kubectl.must(['apply', '--validate=false', '-f', join(root, 'deploy/operator.yaml')]);
  const made = await kubectl.makeSecrets({ namespace, name: 'couchestor-make-secrets' });
  expect(made.code, made.stderr).toBe(0);
  nats = await startInstalledNats(folder, (await secret('couchestor-nats')) as Record<NatsUser, string>);
  redis = await startInstalledRedis(folder, (await secret('couchestor-redis'))['password'] ?? '');
  toStop.push(nats.stop, redis.stop);
});

afterAll(async () => {
  for (const { child, ended } of processes) {
    child.kill('SIGTERM');
    await ended;
  }
  await Promise.all(toStop.map((stop) => stop()));
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

it('brings up an operator that is Ready with its own rights, moves a volume by a StoragePolicy, and says so in its status', async () => {
  const address = async (): Promise<string> => `127.0.0.1:${await freePort()}`;
  const [api, exporter, admin, own, metrics, health] = [
    await address(),
    await address(),
    await address(),
    await address(),
    await address(),
    await address(),
  ];
  const prometheus = await startTestPrometheus({ targets: [{ job: 'mayastor', address: exporter }], scrapeIntervalMs: 1_000 });
  toStop.push(prometheus.stop);
  const simulator = ['--listen', api, '--exporter-addr', exporter, '--admin-addr', admin, '--metrics-addr', own, '--health-addr', own];
  processes.push(start(['run', 'mayastor-simulator', '--data-dir', folder, '--scenario', await writeQuickScenario(folder), ...simulator]));

  const volumes = await kubectl.apply(persistentVolumes(['orders-db', 'orders-archive', 'billing']));
  expect(volumes.code, volumes.stderr).toBe(0);
  const policy = await kubectl.apply(await readFile(join(fixtures, 'policies/tiering.yaml'), 'utf8'));
  expect(policy.code, policy.stderr).toBe(0);

  const deployment = await operatorContainer();
  const args = deployment.args.map((arg) => (arg.startsWith('--prometheus-url=') ? `--prometheus-url=${prometheus.url}` : arg));
  const operator = start([...args, '--metrics-addr', metrics, '--health-addr', health], {
    env: {
      ...deployment.env,
      KUBECONFIG: await server.kubeconfigFor({ namespace, name: deployment.account }),
      MAYASTOR_URL: `http://${api}`,
      ...quick,
    },
  });
  processes.push(operator);
  await waitUntil(async () => (await fetch(`http://${health}/readyz`)).ok, {
    timeoutMs: 60_000,
    intervalMs: 300,
    what: 'an operator that is ready',
  }).catch((error: Error) => {
    throw new Error(`${error.message}\n${operator.stdout()}\n${operator.stderr()}`);
  });
  await waitUntil(async () => (await moved()).success === true, {
    timeoutMs: 150_000,
    intervalMs: 1_000,
    what: 'a move in the status',
  }).catch((error: Error) => {
    throw new Error(`${error.message}\n${operator.stdout().slice(-5_000)}`);
  });
  expect(await kubectl.must(['get', 'storagepolicies', '--no-headers'])).toContain('Active');
  const asked = await couchestor(['status'], { env: { NATS_URL: deployment.env['NATS_URL'] ?? '' } });
  expect(asked.stdout).toMatch(/migrations +\d+ open; [1-9]\d* success/);
  expect(operator.stdout()).not.toMatch(/FORBIDDEN|Permissions Violation/i);
}, 300_000);

/** What a simulated cluster takes, so that a test need not wait as long as one has to for a real one. */
const quick = {
  COUCHESTOR_SIMULATOR: 'true',
  SAMPLE_INTERVAL: '2s',
  SCRAPE_INTERVAL: '1s',
  RATE_INTERVAL: '5s',
  SYNC_POLL_INTERVAL_SECONDS: '0.5',
  SYNCED_HOLD_SECONDS: '1',
  MAYASTOR_TIMEOUT_SECONDS: '2',
  GATE_LEASE_SECONDS: '5',
};

async function moved(): Promise<{ success?: boolean }> {
  const text = await kubectl.must(['get', 'storagepolicy', 'tiering', '-o', 'jsonpath={.status.migrationHistory[0]}']);
  return text === '' ? {} : (JSON.parse(text) as { success?: boolean });
}

/** Arguments and environment of the container, with what a kubelet puts into them. */
async function operatorContainer(): Promise<{ args: string[]; env: Record<string, string>; account: string }> {
  const manifests = manifestsOf('deploy/operator.yaml');
  const pod = manifests.find(({ kind }) => kind === 'Deployment')?.spec.template.spec;
  const [container] = pod.containers as { args: string[]; env: Variable[] }[];
  const env: Record<string, string> = {};
  for (const { name, value, valueFrom } of container?.env ?? []) {
    if (valueFrom?.secretKeyRef !== undefined) {
      env[name] = (await secret(valueFrom.secretKeyRef.name))[valueFrom.secretKeyRef.key] ?? '';
    } else {
      env[name] = value === undefined ? namespace : value.replaceAll(/\$\((\w+)\)/g, (_all, variable: string) => env[variable] ?? '');
    }
  }
  const at = (url: string | undefined, o: { from: string; to: string }): string => (url ?? '').replace(`@${o.from}`, `@127.0.0.1:${o.to}`);
  return {
    args: container?.args ?? [],
    env: {
      ...env,
      NATS_URL: at(env['NATS_URL'], { from: 'nats:4222', to: String(nats.port) }),
      REDIS_URL: at(env['REDIS_URL'], { from: 'redis:6379', to: String(redis.port) }),
    },
    account: pod.serviceAccountName,
  };
}

interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly secretKeyRef?: { readonly name: string; readonly key: string } };
}

async function secret(name: string): Promise<Record<string, string>> {
  const data = JSON.parse(await kubectl.must(['-n', namespace, 'get', 'secret', name, '-o', 'jsonpath={.data}'])) as Record<string, string>;
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
}

/** As the CSI driver makes them. */
function persistentVolumes(names: readonly string[]): string {
  const items = names.map((name) => ({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: `pvc-${uuidOfName(name)}` },
    spec: {
      capacity: { storage: '32Mi' },
      accessModes: ['ReadWriteOnce'],
      storageClassName: 'mayastor',
      csi: { driver: 'io.openebs.csi-mayastor', volumeHandle: uuidOfName(name) },
    },
  }));
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}
