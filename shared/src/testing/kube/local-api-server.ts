/**
 * etcd and kube-apiserver as children of this process, on loopback, in a folder of their own.
 *
 * There is no controller manager: nothing collects garbage, namespaces never finish terminating, and no token appears in a Secret. Tests take
 * a fresh name for each namespace and never wait for one to vanish.
 */
import { execFile } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type RunningServer, startChildServer } from '../../servers/child-server.ts';
import { ServerError } from '../../servers/errors.ts';
import { freePort } from '../../servers/free-port.ts';
import type { KubeApiServer } from './api-server.ts';
import type { KubeAssets } from './assets.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { accountKubeconfig } from './service-account.ts';

/** Two cores that also build and test take this long at worst; an idle machine takes three seconds. */
const readyTimeoutMs = 120_000;
const askTimeoutMs = 5_000;
/** A port can be taken between its choice, or the server's end, and its use. */
const portAttemptsMax = 5;
const host = '127.0.0.1';

export async function startLocalApiServer(o: { assets: KubeAssets; watchCache: boolean }): Promise<KubeApiServer> {
  const folder = await mkdtemp(join(tmpdir(), 'couchestor-test-kube-'));
  let etcd: RunningServer | undefined;
  try {
    etcd = await startEtcd(o.assets.etcd, folder);
    return await startApiServer({ ...o, folder, etcd });
  } catch (error) {
    etcd?.kill('SIGKILL');
    await etcd?.stop();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function startEtcd(path: string, folder: string): Promise<RunningServer> {
  // The data are worth nothing after the test, and syncing them is most of what a write costs. Older programs lack the flag.
  const noSync = await promisify(execFile)(path, ['--unsafe-no-fsync', '--version']).then(
    () => ['--unsafe-no-fsync'],
    () => [],
  );
  return await retriedPorts(async () => {
    const url = `http://${host}:${await freePort()}`;
    const peerUrl = `http://${host}:${await freePort()}`;
    return await startChildServer({
      name: 'etcd',
      command: { path, env: {}, source: 'path' },
      args: [
        `--data-dir=${join(folder, 'etcd')}`,
        ...noSync,
        `--listen-client-urls=${url}`,
        `--advertise-client-urls=${url}`,
        `--listen-peer-urls=${peerUrl}`,
        `--initial-advertise-peer-urls=${peerUrl}`,
        `--initial-cluster=default=${peerUrl}`,
      ],
      logFile: join(folder, 'etcd.log'),
      url,
      answers: async () => {
        const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(askTimeoutMs) });
        return /"true"/.test(await answer.text());
      },
      answerTimeoutMs: readyTimeoutMs,
      deathSignal: 'KILL',
    });
  });
}

interface ApiServerInput {
  readonly assets: KubeAssets;
  readonly watchCache: boolean;
  readonly folder: string;
  readonly etcd: RunningServer;
}

async function startApiServer(o: ApiServerInput): Promise<KubeApiServer> {
  const { folder, etcd } = o;
  const token = randomBytes(24).toString('hex');
  await writeFile(join(folder, 'tokens.csv'), `${token},admin,admin,system:masters\n`, { mode: 0o600 });
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  await writeFile(join(folder, 'accounts.key'), privateKey, { mode: 0o600 });
  await writeFile(join(folder, 'accounts.pub'), publicKey);

  const startOn = (port: number): Promise<RunningServer> =>
    startChildServer({
      name: 'kube-apiserver',
      command: { path: o.assets.apiServer, env: {}, source: 'path' },
      args: apiServerArguments({ ...o, port }),
      logFile: join(folder, 'kube-apiserver.log'),
      url: `https://${host}:${port}`,
      answers: async () => await isReady({ port, token, ca: await readFile(join(folder, 'certificates', 'apiserver.crt'), 'utf8') }),
      answerTimeoutMs: readyTimeoutMs,
      deathSignal: 'KILL',
    });
  let running: RunningServer | undefined = await retriedPorts(async () => await startOn(await freePort()));
  const { url } = running;
  // The server made its certificate and the authority that signed it; the file holds both.
  const caData = await readFile(join(folder, 'certificates', 'apiserver.crt'), 'utf8');
  const kubeconfig = await writeKubeconfig(join(folder, 'admin.kubeconfig'), { server: url, caData, user: 'admin', token });

  const kill = async (): Promise<void> => {
    const victim = running;
    running = undefined;
    victim?.kill('SIGKILL');
    await victim?.stop();
  };
  return {
    url,
    kubeconfig,
    kubectl: o.assets.kubectl,
    kubeconfigFor: async (account) => await accountKubeconfig({ admin: kubeconfig, folder, ...account }),
    kill,
    terminate: async () => {
      const leaving = running;
      running = undefined;
      await leaving?.stop();
    },
    start: async () => {
      running ??= await retriedPorts(async () => await startOn(Number(new URL(url).port)));
    },
    pause: () => running?.kill('SIGSTOP'),
    resume: () => running?.kill('SIGCONT'),
    compact: async () => await compactEtcd(etcd.url),
    stop: async () => {
      await kill();
      etcd.kill('SIGKILL');
      await etcd.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function apiServerArguments(o: ApiServerInput & { port: number }): string[] {
  return [
    `--etcd-servers=${o.etcd.url}`,
    `--watch-cache=${o.watchCache}`,
    `--bind-address=${host}`,
    `--advertise-address=${host}`,
    `--secure-port=${o.port}`,
    `--cert-dir=${join(o.folder, 'certificates')}`,
    '--service-cluster-ip-range=10.0.0.0/24',
    '--endpoint-reconciler-type=none',
    '--authorization-mode=RBAC',
    `--token-auth-file=${join(o.folder, 'tokens.csv')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${join(o.folder, 'accounts.pub')}`,
    `--service-account-signing-key-file=${join(o.folder, 'accounts.key')}`,
    // It waits for tokens that a controller manager would make.
    '--disable-admission-plugins=ServiceAccount',
    '--profiling=false',
  ];
}

/** Ready, and the namespace `default` is there, which the server makes after it says that it is ready. */
async function isReady(o: { port: number; token: string; ca: string }): Promise<boolean> {
  return (await statusOf('/readyz', o)) === 200 && (await statusOf('/api/v1/namespaces/default', o)) === 200;
}

function statusOf(path: string, o: { port: number; token: string; ca: string }): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asking = request(
      { host, port: o.port, path, ca: o.ca, agent: false, timeout: askTimeoutMs, headers: { authorization: `Bearer ${o.token}` } },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      },
    );
    asking.on('timeout', () => asking.destroy(new Error('no answer')));
    asking.on('error', reject);
    asking.end();
  });
}

/**
 * Up to a revision of our own making, which nobody watches: etcd keeps the revision that it compacts to, but not what stood before it, and the
 * API server answers a watch that begins right there with an internal error instead of 410.
 */
async function compactEtcd(etcdUrl: string): Promise<void> {
  const key = Buffer.from('/couchestor-test/compaction').toString('base64');
  const { header } = (await askEtcd(etcdUrl, 'put', { key, value: '' })) as { header: { revision: string } };
  await askEtcd(etcdUrl, 'compaction', { revision: header.revision, physical: true });
}

async function askEtcd(etcdUrl: string, method: 'put' | 'compaction', body: object): Promise<unknown> {
  const answer = await fetch(`${etcdUrl}/v3/kv/${method}`, { method: 'POST', body: JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) {
    throw new Error(`etcd refused ${method}: ${text}`);
  }
  return JSON.parse(text);
}

async function retriedPorts(start: () => Promise<RunningServer>): Promise<RunningServer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start();
    } catch (error) {
      const wasTaken = ServerError.is(error, 'EXITED') && /in use/i.test(String(error.facts['logEnd']));
      if (!wasTaken || attempt === portAttemptsMax) {
        throw error;
      }
    }
  }
}
