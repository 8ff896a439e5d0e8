/** Configuration files of the servers, as text. Paths are absolute. */
import { isAtLeast } from './catalog.ts';

/** From this version on JetStream can sync each write to disk before it acknowledges it; older ones refuse the field. */
const natsSyncAlwaysSince = '2.10.23';

/** Streams reserve their greatest size in advance. This is a limit for their sum, not space that is used. */
const jetStreamStoreBytesMax = 64 * 1024 ** 3;

export function natsConfig(o: { version: string; port: number; storeDir: string }): string {
  return [
    'host: 127.0.0.1',
    `port: ${o.port}`,
    'jetstream {',
    `  store_dir: ${JSON.stringify(o.storeDir)}`,
    `  max_file_store: ${jetStreamStoreBytesMax}`,
    ...(isAtLeast(o.version, natsSyncAlwaysSince) ? ['  sync_interval: always'] : []),
    '}',
    '',
  ].join('\n');
}

/** An append-only file, no snapshots, and no key is ever dropped for lack of memory: the queues are not a cache. */
export function redisConfig(o: { port: number; dataDir: string; appendFsync: 'always' | 'everysec' }): string {
  return [
    'bind 127.0.0.1',
    `port ${o.port}`,
    `dir ${JSON.stringify(o.dataDir)}`,
    'appendonly yes',
    `appendfsync ${o.appendFsync}`,
    'save ""',
    'maxmemory-policy noeviction',
    'daemonize no',
    '',
  ].join('\n');
}

export interface ScrapeTarget {
  readonly job: string;
  /** host:port */
  readonly address: string;
}

/** In JSON, which is YAML too. */
export function prometheusConfig(o: { scrapeIntervalMs: number; targets: readonly ScrapeTarget[] }): string {
  const jobs = [...new Set(o.targets.map((target) => target.job))];
  const config = {
    global: { scrape_interval: `${o.scrapeIntervalMs}ms`, scrape_timeout: `${o.scrapeIntervalMs}ms`, evaluation_interval: '1m' },
    scrape_configs: jobs.map((job) => ({
      job_name: job,
      static_configs: [{ targets: o.targets.filter((target) => target.job === job).map((target) => target.address) }],
    })),
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** Prometheus forgets what is older: the longest sampling window is far shorter. */
const prometheusRetention = '2d';

/** What of its configuration Prometheus takes from its command line only. Its ways to be changed over HTTP stay off, as they are by default. */
export function prometheusArguments(o: { configFile: string; storageDir: string; port: number }): string[] {
  return [
    `--config.file=${o.configFile}`,
    `--storage.tsdb.path=${o.storageDir}`,
    `--storage.tsdb.retention.time=${prometheusRetention}`,
    `--web.listen-address=127.0.0.1:${o.port}`,
  ];
}
