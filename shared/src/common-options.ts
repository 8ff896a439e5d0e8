/** Options that several services share. A service picks those that it uses, so that a flag means the same everywhere. */
import { levelOfFilter, logLevels } from './log-level.ts';
import { defineOptions } from './options.ts';

export const commonOptions = defineOptions({
  natsUrl: {
    flag: 'nats-url',
    env: 'NATS_URL',
    kind: 'url',
    protocols: ['nats', 'tls', 'ws', 'wss'],
    default: 'nats://127.0.0.1:4222',
    description: 'Where NATS answers. JetStream must be enabled.',
  },
  redisUrl: {
    flag: 'redis-url',
    env: 'REDIS_URL',
    kind: 'url',
    protocols: ['redis', 'rediss'],
    default: 'redis://127.0.0.1:6379',
    description: 'Where Redis answers: it needs an append-only file and maxmemory-policy noeviction.',
  },
  prometheusUrl: {
    flag: 'prometheus-url',
    env: 'PROMETHEUS_URL',
    kind: 'url',
    protocols: ['http', 'https'],
    default: 'http://prometheus.monitoring.svc.cluster.local:9090',
    description: "Where Prometheus answers, with the series of Mayastor's exporter.",
  },
  mayastorNamespace: {
    flag: 'mayastor-namespace',
    env: 'MAYASTOR_NAMESPACE',
    kind: 'string',
    default: 'mayastor',
    description: 'Kubernetes namespace of Mayastor; gives the default of --mayastor-url.',
  },
  mayastorUrl: {
    flag: 'mayastor-url',
    env: 'MAYASTOR_URL',
    kind: 'url',
    protocols: ['http', 'https'],
    optional: true,
    description: "Where Mayastor's REST API answers. Where absent: http://openebs-api-rest.<mayastor-namespace>.svc.cluster.local:8081.",
  },
  logLevel: {
    flag: 'log-level',
    env: ['LOG_LEVEL', 'RUST_LOG'],
    kind: 'enum',
    values: logLevels,
    default: 'info',
    normalize: levelOfFilter,
    description: 'The least severe log lines to write.',
  },
  logJson: { flag: 'log-json', env: 'LOG_JSON', kind: 'boolean', description: 'Write log lines as JSON.' },
  metricsAddr: {
    flag: 'metrics-addr',
    env: 'METRICS_ADDR',
    kind: 'address',
    default: '0.0.0.0:8080',
    description: 'Where /metrics is served. Port 0 takes a free one.',
  },
  healthAddr: {
    flag: 'health-addr',
    env: 'HEALTH_ADDR',
    kind: 'address',
    default: '0.0.0.0:8081',
    description: 'Where /healthz and /readyz are served. May be the same as --metrics-addr.',
  },
  maxConcurrentMigrations: {
    flag: 'max-concurrent-migrations',
    env: 'MAX_CONCURRENT_MIGRATIONS',
    kind: 'integer',
    min: 1,
    max: 100,
    default: 2,
    description: 'Most moves at a time, over all policies.',
  },
  dryRun: { flag: 'dry-run', env: 'DRY_RUN', kind: 'boolean', description: 'Decide and explain, move nothing.' },
  preservationMode: {
    flag: 'preservation-mode',
    env: 'PRESERVATION_MODE',
    kind: 'boolean',
    description: 'Never remove old replicas: a move ends with one replica more.',
  },
  simulator: {
    flag: 'simulator',
    env: 'COUCHESTOR_SIMULATOR',
    kind: 'boolean',
    description: 'Mayastor is the simulator: the least times of production may be lowered. Never set this for a real cluster.',
  },
});

/** The URL of Mayastor's REST API: as given, else the service of its Helm chart in its namespace. */
export function mayastorUrlOf(values: { readonly mayastorUrl: string | undefined; readonly mayastorNamespace: string }): string {
  return values.mayastorUrl ?? `http://openebs-api-rest.${values.mayastorNamespace}.svc.cluster.local:8081`;
}
