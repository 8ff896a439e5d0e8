/** A cluster that somebody runs, named by USE_EXISTING_CLUSTER=true and KUBECONFIG. Tests use it and neither stop nor disturb it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import type { KubeApiServer } from './api-server.ts';
import { accountKubeconfig } from './service-account.ts';

/** Holds the host name of a cluster elsewhere that tests may write to. */
const permission = 'COUCHESTOR_TEST_CLUSTER';

export async function openExistingCluster(env: NodeJS.ProcessEnv): Promise<KubeApiServer> {
  const kubeconfig = env['KUBECONFIG'];
  if (kubeconfig === undefined || kubeconfig === '') {
    throw new Error('USE_EXISTING_CLUSTER is true, but KUBECONFIG names no file');
  }
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const url = config.getCurrentCluster()?.server ?? '';
  const fault = faultOfServer(url, env[permission]);
  if (fault !== undefined) {
    throw new Error(`${kubeconfig}: ${fault}`);
  }
  const folder = await mkdtemp(join(tmpdir(), 'couchestor-test-kube-'));
  const refuse = (): never => {
    throw new Error('this cluster is not ours to disturb: such a test starts a server of its own (own: true)');
  };
  return {
    url,
    kubeconfig,
    kubectl: undefined,
    kubeconfigFor: async (account) => await accountKubeconfig({ admin: kubeconfig, folder, ...account }),
    kill: async () => refuse(),
    terminate: async () => refuse(),
    start: async () => refuse(),
    pause: refuse,
    resume: refuse,
    compact: async () => refuse(),
    stop: async () => await rm(folder, { recursive: true, force: true }),
  };
}

/** Why tests must not write there, or undefined where they may. Tests make and change cluster-wide objects. */
export function faultOfServer(url: string, permitted: string | undefined): string | undefined {
  if (!URL.canParse(url)) {
    return 'its current context names no server';
  }
  const { hostname } = new URL(url);
  const isLoopback = hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'));
  return isLoopback || hostname === permitted
    ? undefined
    : `its server ${hostname} is not on this machine, and tests write to it; where that is meant, set ${permission}=${hostname}`;
}
