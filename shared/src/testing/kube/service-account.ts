/** ServiceAccounts of a test cluster as a client sees them: a kubeconfig with a token that the cluster issued. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiException, CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { writeKubeconfig } from './kubeconfig.ts';

/** Longer than any test run. */
const tokenSeconds = 6 * 60 * 60;

/** Makes the namespace and the account where they are missing, and writes the file into `folder`. RBAC applies to it. */
export async function accountKubeconfig(o: { admin: string; folder: string; namespace: string; name: string }): Promise<string> {
  const { namespace, name } = o;
  const config = new KubeConfig();
  config.loadFromFile(o.admin);
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new TypeError(`${o.admin} has no current cluster`);
  }
  const core = config.makeApiClient(CoreV1Api);
  await unlessExists(core.createNamespace({ body: { metadata: { name: namespace } } }));
  await unlessExists(core.createNamespacedServiceAccount({ namespace, body: { metadata: { name } } }));
  const { status } = await core.createNamespacedServiceAccountToken({
    namespace,
    name,
    body: { spec: { audiences: [], expirationSeconds: tokenSeconds } },
  });
  if (status === undefined) {
    throw new TypeError(`the cluster gave no token for ${namespace}/${name}`);
  }
  return await writeKubeconfig(join(o.folder, `${namespace}.${name}.kubeconfig`), {
    server: cluster.server,
    caData: await caOf(cluster),
    user: name,
    token: status.token,
  });
}

async function caOf(cluster: { caData?: string; caFile?: string }): Promise<string | undefined> {
  if (cluster.caData !== undefined) {
    return Buffer.from(cluster.caData, 'base64').toString();
  }
  return cluster.caFile === undefined ? undefined : await readFile(cluster.caFile, 'utf8');
}

async function unlessExists(made: Promise<unknown>): Promise<void> {
  try {
    await made;
  } catch (error) {
    if (!(error instanceof ApiException && error.code === 409)) {
      throw error;
    }
  }
}
