/** Where the local stack keeps its things. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Layout {
  readonly dataDir: string;
  /** Who runs here. */
  readonly lockFile: string;
  /** What runs here, for the other commands. */
  readonly stackFile: string;
  readonly scenarioFile: string;
  readonly policiesDir: string;
  readonly logsDir: string;
  readonly natsDir: string;
  readonly redisDir: string;
  readonly prometheusDir: string;
  readonly simulatorDir: string;
  /** Data folder of the vault. */
  readonly vaultDir: string;
  /** Of the drives that the vault is made with. */
  readonly drivesDir: string;
  /** Where NBD clients reach its volumes. */
  readonly nbdSocket: string;
}

export function layoutOf(o: { dataDir: string | undefined; env: NodeJS.ProcessEnv }): Layout {
  const stateHome = o.env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state');
  const dataDir = resolve(o.dataDir ?? join(stateHome, 'couchestor', 'local'));
  return {
    dataDir,
    lockFile: join(dataDir, 'supervisor.lock'),
    stackFile: join(dataDir, 'stack.json'),
    scenarioFile: join(dataDir, 'scenario.yaml'),
    policiesDir: join(dataDir, 'policies'),
    logsDir: join(dataDir, 'logs'),
    natsDir: join(dataDir, 'nats'),
    redisDir: join(dataDir, 'redis'),
    prometheusDir: join(dataDir, 'prometheus'),
    simulatorDir: join(dataDir, 'simulator'),
    vaultDir: join(dataDir, 'vault'),
    drivesDir: join(dataDir, 'vault', 'drives'),
    nbdSocket: join(dataDir, 'vault', 'nbd.sock'),
  };
}

/** The scenarios and policies that come with the source: deploy/local. */
export function shippedFile(name: string): string {
  return fileURLToPath(new URL(`../../../deploy/local/${name}`, import.meta.url));
}
