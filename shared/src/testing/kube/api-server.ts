/**
 * A real Kubernetes API server for tests.
 *
 * From, in this order: USE_EXISTING_CLUSTER=true with KUBECONFIG; the programs that KUBEBUILDER_ASSETS or TEST_ASSET_* name; those on PATH;
 * those in our cache, or built into it from Debian's packages; k3s in a container.
 */

import { describeError } from '../../errors.ts';
import { type KubeAssets, provisionKubeAssets } from './assets.ts';
import { openExistingCluster } from './existing-cluster.ts';
import { hasContainers, startK3s } from './k3s.ts';
import { startLocalApiServer } from './local-api-server.ts';

export interface KubeApiServer {
  /** `https://127.0.0.1:port` */
  readonly url: string;
  /** A file that gives all rights. */
  readonly kubeconfig: string;
  /** The program that came with the server, where one did. */
  readonly kubectl: string | undefined;
  /** Of a ServiceAccount (made where it is missing, with its namespace), by TokenRequest: RBAC applies to it. The path of a kubeconfig file. */
  kubeconfigFor(account: { namespace: string; name: string }): Promise<string>;
  /** SIGKILL of the API server; its data stay. */
  kill(): Promise<void>;
  /** SIGTERM of the API server, and SIGKILL where watches keep it from ending. */
  terminate(): Promise<void>;
  /** Starts it again on the same port with the same data, and resolves once it is ready. */
  start(): Promise<void>;
  /** SIGSTOP: connections stay open and silent. */
  pause(): void;
  /** SIGCONT */
  resume(): void;
  /** Compacts etcd up to now. Watches from before are Gone at once where the server was started without a watch cache, else after its next start. */
  compact(): Promise<void>;
  /** Ends everything and removes its data. */
  stop(): Promise<void>;
}

export interface StartKubeApiServerInput {
  /** For tests that kill, pause or compact the server: never somebody's cluster. */
  readonly own?: boolean;
  /** Default: true, as everywhere. False answers every watch from etcd: what was compacted is Gone at once, and there are no bookmarks. */
  readonly watchCache?: boolean;
}

export async function startKubeApiServer(o: StartKubeApiServerInput = {}): Promise<KubeApiServer> {
  const { env } = process;
  const watchCache = o.watchCache ?? true;
  if (env['USE_EXISTING_CLUSTER'] === 'true' && o.own !== true && watchCache) {
    return await openExistingCluster(env);
  }
  const install = env['COUCHESTOR_NO_INSTALL'] !== '1';
  const log = (line: string): void => void process.stderr.write(`kube-apiserver: ${line}\n`);
  let assets: KubeAssets;
  try {
    assets = await provisionKubeAssets({ env, install, log });
  } catch (error) {
    if (!install || !(await hasContainers())) {
      throw error;
    }
    log(describeError(error));
    return await startK3s({ watchCache, log });
  }
  return await startLocalApiServer({ assets, watchCache });
}
