/** Before any test: the servers are found, fetched or built once, so that no test's time limit has to hold that. */
// By its path: the export condition `source` is not applied to a global setup.
import { describeError } from '../shared/src/errors.ts';
import { provisionServer } from '../shared/src/servers/provision.ts';
import { provisionKubeAssets } from '../shared/src/testing/kube/assets.ts';
import { hasContainers } from '../shared/src/testing/kube/k3s.ts';

export async function setup(): Promise<void> {
  const { env } = process;
  const install = env['COUCHESTOR_NO_INSTALL'] !== '1';
  const logOf = (name: string) => (line: string) => void process.stderr.write(`${name}: ${line}\n`);
  for (const name of ['nats-server', 'redis-server', 'prometheus'] as const) {
    await provisionServer(name, { install, log: logOf(name) });
  }
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
