/** The services of the local stack: in which order they stand, and with which options each is run. */
import { join } from 'node:path';
import type { Layout } from './layout.ts';

/** Of what we always run ourselves. */
export interface LocalAddresses {
  readonly mayastorUrl: string;
  readonly adminUrl: string;
  readonly exporterUrl: string;
  readonly ops: Readonly<Record<TieringService, OpsAddresses>>;
}

export interface OpsAddresses {
  readonly metricsUrl: string;
  readonly healthUrl: string;
}

export interface Addresses extends LocalAddresses {
  readonly natsUrl: string;
  readonly redisUrl: string;
  readonly prometheusUrl: string;
}

/** Those that move volumes, in the order of the flow. */
export const tieringServices = ['mayastor-simulator', 'metrics-watcher', 'policy-brain', 'migrator'] as const;
export type TieringService = (typeof tieringServices)[number];

export const serviceNames = [...tieringServices, 'ec-encoder'] as const;
export type ServiceName = (typeof serviceNames)[number];

export const scrapeIntervalMs = 1_000;
/** The policies say less where less is wanted. */
const movesMax = ['--max-concurrent-migrations', '4'];

/** Quick intervals, so that a person sees a decision within seconds. `--simulator` permits what no real control plane would be fresh enough for. */
export function serviceOptions(o: {
  addresses: Addresses;
  policyDir: string;
  scenarioFile: string;
  simulatorDir: string;
}): Record<TieringService, string[]> {
  const { addresses: at } = o;
  const toMayastor = ['--mayastor-url', at.mayastorUrl];
  const onBus = ['--nats-url', at.natsUrl];
  return {
    'mayastor-simulator': [
      ...['--scenario', o.scenarioFile, '--data-dir', o.simulatorDir],
      ...['--listen', hostOf(at.mayastorUrl), '--admin-addr', hostOf(at.adminUrl), '--exporter-addr', hostOf(at.exporterUrl)],
      ...opsOptions(at.ops['mayastor-simulator']),
    ],
    'metrics-watcher': [
      ...onBus,
      ...toMayastor,
      ...['--prometheus-url', at.prometheusUrl, '--sample-interval', '2s', '--rate-interval', '5s', '--scrape-interval', '1s'],
      ...opsOptions(at.ops['metrics-watcher']),
    ],
    'policy-brain': [
      ...onBus,
      ...toMayastor,
      // A killed brain's lock is waited for as long as this.
      ...['--policy-dir', o.policyDir, '--leader-lease-seconds', '2', ...movesMax],
      ...opsOptions(at.ops['policy-brain']),
    ],
    migrator: [
      ...onBus,
      ...toMayastor,
      ...['--redis-url', at.redisUrl, '--sync-poll-interval-seconds', '0.5', '--synced-hold-seconds', '1', '--sweep-interval-seconds', '2'],
      // A killed migrator's lock holds the gate for one lease, and so does the first one in a fresh store.
      ...['--mayastor-timeout-seconds', '2', '--gate-lease-seconds', '5', '--job-lock-seconds', '3', '--simulator', ...movesMax],
      ...opsOptions(at.ops.migrator),
    ],
  };
}

/** Of deploy/local/policies/local-ec.yaml. */
const ecPolicyName = 'local';
/** As many as its policy has shards. */
const vaultDrives = 6;

/** A vault whose drives are folders of one disk: it shows everything, and survives no loss of that disk. */
export function vaultOptions(o: { natsUrl: string; layout: Layout; ops: OpsAddresses; areDrivesMade: boolean }): string[] {
  const { vaultDir, drivesDir, policiesDir, nbdSocket } = o.layout;
  // Those that the vault has it knows itself: one that was taken out of it since must not be given to it again.
  const numbers = o.areDrivesMade ? [] : Array.from({ length: vaultDrives }, (_, index) => index + 1);
  return [
    ...['--data-dir', vaultDir, '--nats-url', o.natsUrl],
    ...numbers.flatMap((number) => ['--drive', join(drivesDir, String(number))]),
    // Beside the drives, so that those may be taken away, as people try.
    ...['--journal', join(vaultDir, 'journal')],
    ...['--ec-policy', ecPolicyName, '--policy-dir', policiesDir, '--nbd-listen', nbdSocket],
    ...opsOptions(o.ops),
  ];
}

function opsOptions({ metricsUrl, healthUrl }: OpsAddresses): string[] {
  return ['--metrics-addr', hostOf(metricsUrl), '--health-addr', hostOf(healthUrl), '--log-json'];
}

export function hostOf(url: string): string {
  return new URL(url).host;
}
