/** Before any test: the servers and add-ons are found, fetched or built once, so that no test's time limit has to hold that. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
// By its path: the export condition `source` is not applied to a global setup.
import { wasmToolchain } from '../scripts/codec-wasm.ts';
import { describeError } from '../shared/src/errors.ts';
import { provisionServer } from '../shared/src/servers/provision.ts';
import { provisionKubeAssets } from '../shared/src/testing/kube/assets.ts';
import { hasContainers } from '../shared/src/testing/kube/k3s.ts';
import { provisionStorageClient, storageClientNames } from '../shared/src/testing/storage-clients.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

export async function setup(): Promise<void> {
  const { env } = process;
  const install = env['COUCHESTOR_NO_INSTALL'] !== '1';
  const logOf = (name: string) => (line: string) => void process.stderr.write(`${name}: ${line}\n`);
  for (const name of ['nats-server', 'redis-server', 'prometheus'] as const) {
    await provisionServer(name, { install, log: logOf(name) });
  }
  for (const name of storageClientNames) {
    await provisionStorageClient(name, { env, install, log: logOf(name) });
  }
  await provisionNativeCodecs(env);
  await wasmToolchain({ env, install, log: logOf('clang') });
  const log = logOf('kube-apiserver');
  try {
    await provisionKubeAssets({ env, install, log });
  } catch (error) {
    if (!install || !(await hasContainers())) {
      throw error;
    }
    log(`tests start k3s in containers instead: ${describeError(error)}`);
  }
}

/** In a process of its own: what a service is made of is found under its package's name, which the condition `source` is needed for. */
async function provisionNativeCodecs(env: NodeJS.ProcessEnv): Promise<void> {
  const args = ['--conditions=source', '--import', 'tsx', 'scripts/provision-native.mjs', '--fetch-compiler'];
  const { stderr } = await promisify(execFile)(process.execPath, args, { cwd: root, env });
  process.stderr.write(stderr);
}
