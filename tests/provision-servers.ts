/** Before any test: the three servers are found or fetched once, so that no test's time limit has to hold a download. */
// By its path: the export condition `source` is not applied to a global setup.
import { provisionServer } from '../shared/src/servers/provision.ts';

export async function setup(): Promise<void> {
  const install = process.env['COUCHESTOR_NO_INSTALL'] !== '1';
  for (const name of ['nats-server', 'redis-server', 'prometheus'] as const) {
    await provisionServer(name, { install, log: (line) => process.stderr.write(`${name}: ${line}\n`) });
  }
}
