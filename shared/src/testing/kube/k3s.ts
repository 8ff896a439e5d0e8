/**
 * k3s in a container, for machines without the programs of an API server where Docker answers.
 *
 * Killing and pausing concern the container, and thereby the store too. Its store is not etcd but a table that only k3s itself compacts, so
 * `compact` is refused.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { describeError } from '../../errors.ts';
import { ServerError } from '../../servers/errors.ts';
import { freePort } from '../../servers/free-port.ts';
import { waitUntil } from '../wait-until.ts';
import type { KubeApiServer } from './api-server.ts';
import { accountKubeconfig } from './service-account.ts';

const image = 'rancher/k3s:v1.31.4-k3s1';
const portInside = 6443;
/** Pulling the image may be part of it. */
const startTimeoutMs = 300_000;
const readyTimeoutMs = 120_000;
const readyLine = /Node controller sync successful/;

/** True where a container engine answers. */
export async function hasContainers(): Promise<boolean> {
  const testcontainers = await import('testcontainers').catch(() => undefined);
  return (
    (await testcontainers?.getContainerRuntimeClient().then(
      () => true,
      () => false,
    )) ?? false
  );
}

export async function startK3s(o: { watchCache: boolean; log: (line: string) => void }): Promise<KubeApiServer> {
  const { GenericContainer, Wait, getContainerRuntimeClient } = await import('testcontainers');
  const folder = await mkdtemp(join(tmpdir(), 'couchestor-test-kube-'));
  const port = await freePort();
  o.log(`starting ${image} in a container`);
  try {
    const container = await new GenericContainer(image)
      .withPrivilegedMode()
      // The same port after every start; without `host` the engine would choose another each time.
      .withExposedPorts({ container: portInside, host: port })
      .withCommand([
        'server',
        '--disable=traefik,servicelb,metrics-server',
        '--tls-san=127.0.0.1',
        `--kube-apiserver-arg=watch-cache=${o.watchCache}`,
      ])
      .withWaitStrategy(Wait.forLogMessage(readyLine))
      .withStartupTimeout(startTimeoutMs)
      .start();
    const { output } = await container.exec(['cat', '/etc/rancher/k3s/k3s.yaml']);
    const url = `https://127.0.0.1:${port}`;
    const kubeconfig = join(folder, 'admin.kubeconfig');
    await writeFile(kubeconfig, output.replace(/server: \S+/, `server: ${url}`), { mode: 0o600 });
    const engine = (await getContainerRuntimeClient()).container.getById(container.getId());
    const signal = (name: 'pause' | 'unpause'): void => void engine[name]().catch((error: unknown) => o.log(describeError(error)));
    return {
      url,
      kubeconfig,
      kubectl: undefined,
      kubeconfigFor: async (account) => await accountKubeconfig({ admin: kubeconfig, folder, ...account }),
      kill: async () => void (await engine.kill({ signal: 'SIGKILL' })),
      terminate: async () => void (await engine.stop()),
      start: async () => {
        await engine.start();
        await waitUntil(async () => await serves(kubeconfig), { timeoutMs: readyTimeoutMs, what: 'k3s is ready again' });
      },
      pause: () => signal('pause'),
      resume: () => signal('unpause'),
      compact: async () => {
        throw new ServerError('CONTAINER_FAILED', {
          server: 'k3s',
          reason: 'its store cannot be compacted at will; see KUBEBUILDER_ASSETS',
        });
      },
      stop: async () => {
        await container.stop({ timeout: 0 });
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (cause) {
    await rm(folder, { recursive: true, force: true });
    throw new ServerError('CONTAINER_FAILED', { server: 'k3s', image, reason: describeError(cause) }, { cause });
  }
}

async function serves(kubeconfig: string): Promise<boolean> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const { metadata } = await config.makeApiClient(CoreV1Api).readNamespace({ name: 'default' });
  return metadata?.name === 'default';
}
