/** The services of the local stack: in which order they stand, and with which options each is run. */

/** Of what we always run ourselves. */
export interface LocalAddresses {
  readonly mayastorUrl: string;
  readonly adminUrl: string;
  readonly exporterUrl: string;
  readonly ops: Readonly<Record<ServiceName, { readonly metricsUrl: string; readonly healthUrl: string }>>;
}

export interface Addresses extends LocalAddresses {
  readonly natsUrl: string;
  readonly redisUrl: string;
  readonly prometheusUrl: string;
}

/** In the order of the flow. */
export const serviceNames = ['mayastor-simulator', 'metrics-watcher', 'policy-brain', 'migrator'] as const;
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
}): Record<ServiceName, string[]> {
  const { addresses: at } = o;
  const toMayastor = ['--mayastor-url', at.mayastorUrl];
  const onBus = ['--nats-url', at.natsUrl];
  return {
    'mayastor-simulator': [
      ...['--scenario', o.scenarioFile, '--data-dir', o.simulatorDir],
      ...['--listen', hostOf(at.mayastorUrl), '--admin-addr', hostOf(at.adminUrl), '--exporter-addr', hostOf(at.exporterUrl)],
      ...opsOptions(at, 'mayastor-simulator'),
    ],
    'metrics-watcher': [
      ...onBus,
      ...toMayastor,
      ...['--prometheus-url', at.prometheusUrl, '--sample-interval', '2s', '--rate-interval', '5s', '--scrape-interval', '1s'],
      ...opsOptions(at, 'metrics-watcher'),
    ],
    'policy-brain': [
      ...onBus,
      ...toMayastor,
      // A killed brain's lock is waited for as long as this.
      ...['--policy-dir', o.policyDir, '--leader-lease-seconds', '2', ...movesMax],
      ...opsOptions(at, 'policy-brain'),
    ],
    migrator: [
      ...onBus,
      ...toMayastor,
      ...['--redis-url', at.redisUrl, '--sync-poll-interval-seconds', '0.5', '--synced-hold-seconds', '1', '--sweep-interval-seconds', '2'],
      // A killed migrator's lock holds the gate for one lease, and so does the first one in a fresh store.
      ...['--mayastor-timeout-seconds', '2', '--gate-lease-seconds', '5', '--job-lock-seconds', '3', '--simulator', ...movesMax],
      ...opsOptions(at, 'migrator'),
    ],
  };
}

function opsOptions({ ops }: Addresses, name: ServiceName): string[] {
  const { metricsUrl, healthUrl } = ops[name];
  return ['--metrics-addr', hostOf(metricsUrl), '--health-addr', hostOf(healthUrl), '--log-json'];
}

export function hostOf(url: string): string {
  return new URL(url).host;
}
