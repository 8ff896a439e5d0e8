/** The three servers that CoucheStor needs beside it, and what there is to know about each as a program. */

export type ServerName = 'nats-server' | 'redis-server' | 'prometheus';

export interface ServerEntry {
  /** The variable that names a server which runs already. */
  readonly urlVariable: 'NATS_URL' | 'REDIS_URL' | 'PROMETHEUS_URL';
  readonly versionFlag: string;
  /** Finds the version in what the version flag prints. */
  readonly versionPattern: RegExp;
  /** Below this something is missing that we use. */
  readonly versionMin: string;
  /** Debian packages that hold the program; what they load (lib*) is added by apt's own resolution. */
  readonly packages: readonly string[];
  readonly image: string;
}

export const serverCatalog: Readonly<Record<ServerName, ServerEntry>> = {
  'nats-server': {
    urlVariable: 'NATS_URL',
    versionFlag: '-v',
    versionPattern: /v(\d+\.\d+\.\d+)/,
    versionMin: '2.9.0',
    packages: ['nats-server'],
    image: 'nats:2.11-alpine',
  },
  'redis-server': {
    urlVariable: 'REDIS_URL',
    versionFlag: '-v',
    versionPattern: /v=(\d+\.\d+\.\d+)/,
    // BullMQ's floor.
    versionMin: '6.2.0',
    // The program of redis-server is a link into redis-tools.
    packages: ['redis-server', 'redis-tools'],
    image: 'redis:7-alpine',
  },
  prometheus: {
    urlVariable: 'PROMETHEUS_URL',
    versionFlag: '--version',
    versionPattern: /version (\d+\.\d+\.\d+)/,
    versionMin: '2.30.0',
    packages: ['prometheus'],
    image: 'prom/prometheus:v2.55.1',
  },
};

/** True where `version` is `least` or newer. Both are of the form 1.2.3. */
export function isAtLeast(version: string, least: string): boolean {
  const [have, need] = [version, least].map((text) => text.split('.').map(Number));
  for (let index = 0; index < 3; index += 1) {
    const difference = (have?.[index] ?? 0) - (need?.[index] ?? 0);
    if (difference !== 0) {
      return difference > 0;
    }
  }
  return true;
}
