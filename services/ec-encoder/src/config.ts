/** The options of ec-encoder. */
import { resolve } from 'node:path';
import { parseAddress } from '@couchestor/shared/address';
import { commonOptions } from '@couchestor/shared/common-options';
import { ConfigError, defineOptions, type OptionValues } from '@couchestor/shared/options';
import type { GivenDrive, GivenJournalPlace } from './vault/vault-api.ts';

const { natsUrl, natsStreamReplicas, policySource, policyDir, kubeconfig, logLevel, logJson, metricsAddr, healthAddr } = commonOptions;

const mebibyte = 2 ** 20;
/** sun_path of Linux, without its end. */
const unixPathBytesMax = 107;

export const ecEncoderOptions = defineOptions({
  dataDir: {
    flag: 'data-dir',
    env: 'EC_DATA_DIR',
    kind: 'path',
    description: 'Data folder of the vault: its index, its lock and the socket of its API (api.sock). Not on NFS or overlayfs.',
  },
  drives: {
    flag: 'drive',
    env: 'EC_DRIVES',
    kind: 'list',
    description:
      'A folder that is a drive of the vault, with its failure domain where that cannot be seen from here: /path[,zone=,node=,pool=,disk=]. Give it once for each drive, or several with semicolons between them. Those that the vault knows already need not be given again.',
  },
  journal: {
    flag: 'journal',
    env: 'EC_JOURNAL',
    kind: 'list',
    description: 'A folder for a copy of the journal: /path[,domain=]. Copies go to different domains. Where absent: on the drives.',
  },
  acceptJournalLoss: {
    flag: 'accept-journal-loss',
    kind: 'boolean',
    description: 'Start although all copies of the journal lack writes that were acknowledged. Those writes are gone.',
  },
  ecPolicy: {
    flag: 'ec-policy',
    env: 'EC_POLICY',
    kind: 'string',
    optional: true,
    description: 'Name of the ErasureCodingPolicy of the vault. Needed when it is made; it keeps the spec that it was made by.',
  },
  policySource,
  policyDir,
  kubeconfig,
  nbdListen: {
    flag: 'nbd-listen',
    env: 'EC_NBD_LISTEN',
    kind: 'list',
    description:
      'Where NBD clients are served: the path of a unix socket, or host:port. May be given several times. Where absent: nowhere.',
  },
  nbdTlsCertFile: {
    flag: 'nbd-tls-cert',
    env: 'EC_NBD_TLS_CERT',
    kind: 'path',
    optional: true,
    description: 'PEM file with the certificate of the NBD server. With it TCP is served by TLS alone.',
  },
  nbdTlsKeyFile: {
    flag: 'nbd-tls-key',
    env: 'EC_NBD_TLS_KEY',
    kind: 'path',
    optional: true,
    description: 'PEM file with the key of --nbd-tls-cert.',
  },
  nbdTlsCaFile: {
    flag: 'nbd-tls-ca',
    env: 'EC_NBD_TLS_CA',
    kind: 'path',
    optional: true,
    description: 'PEM file of the authority whose certificates NBD clients must show. Where absent they need none.',
  },
  apiAddr: {
    flag: 'api-addr',
    env: 'EC_API_ADDR',
    kind: 'address',
    optional: true,
    description: 'Where the API is served over TCP, beside its socket in the data folder. Beyond this machine it needs --api-token-file.',
  },
  apiTokenFile: {
    flag: 'api-token-file',
    env: 'EC_API_TOKEN_FILE',
    kind: 'path',
    optional: true,
    description: 'File with the bearer token that --api-addr asks for. It is read again every few seconds, so that it can be exchanged.',
  },
  rebuildMibPerSecond: {
    flag: 'rebuild-mib-per-second',
    env: 'EC_REBUILD_MIB_PER_SECOND',
    kind: 'integer',
    min: 1,
    max: 1_000_000,
    default: 256,
    description: 'Most that a rebuild reads and writes. It also yields to clients.',
  },
  scrubMibPerSecond: {
    flag: 'scrub-mib-per-second',
    env: 'EC_SCRUB_MIB_PER_SECOND',
    kind: 'integer',
    min: 1,
    max: 1_000_000,
    default: 64,
    description: 'Most that a scrub reads. It also yields to clients.',
  },
  withoutNats: {
    flag: 'without-nats',
    env: 'EC_WITHOUT_NATS',
    kind: 'boolean',
    description:
      'Tell NATS nothing. A vault needs no NATS to serve its volumes; only the counts of its policy come from what it tells there.',
  },
  natsUrl,
  natsStreamReplicas,
  logLevel,
  logJson,
  metricsAddr,
  healthAddr,
});
export type EcEncoderConfig = OptionValues<typeof ecEncoderOptions>;

export type Listen = { readonly unixPath: string } | { readonly host: string; readonly port: number };

/** What is asked of an index that is made anew from the drives while no process serves the vault. */
const { dataDir, drives, journal, ecPolicy } = ecEncoderOptions;
export const reindexOptions = defineOptions({ dataDir, drives, journal, ecPolicy, policySource, policyDir, kubeconfig });
export type ReindexConfig = OptionValues<typeof reindexOptions>;

/** Where a vault keeps its things. */
export interface VaultPlaces {
  readonly dataDir: string;
  readonly drives: readonly GivenDrive[];
  readonly journal: readonly GivenJournalPlace[];
}

/** What the texts of the options mean. */
export interface VaultSettings extends VaultPlaces {
  readonly apiSocket: string;
  readonly nbdListen: readonly Listen[];
  readonly nbdTls: { readonly certFile: string; readonly keyFile: string; readonly clientCaFile?: string } | undefined;
  readonly apiListen: { readonly host: string; readonly port: number } | undefined;
  readonly throttle: { readonly rebuildBytesPerSecond: number; readonly scrubBytesPerSecond: number };
}

/** The socket of the API of the vault with this data folder. */
export function apiSocketOf(dataDir: string): string {
  return resolve(dataDir, 'api.sock');
}

/** Throws ConfigError naming everything that is wrong. */
export function readSettings(config: EcEncoderConfig): VaultSettings {
  const problems: string[] = [];
  const places = placesOf(config, problems);
  const settings: VaultSettings = {
    ...places,
    apiSocket: apiSocketOf(places.dataDir),
    nbdListen: config.nbdListen.flatMap((text) => attempt(problems, 'nbd-listen', () => listenOf(text))),
    nbdTls: tlsOf(config, problems),
    apiListen: config.apiAddr === undefined ? undefined : parseAddress(config.apiAddr),
    throttle: {
      rebuildBytesPerSecond: config.rebuildMibPerSecond * mebibyte,
      scrubBytesPerSecond: config.scrubMibPerSecond * mebibyte,
    },
  };
  attempt(problems, 'data-dir', () => checkSocket(settings.apiSocket));
  if (settings.apiListen !== undefined && config.apiTokenFile === undefined && !isLoopback(settings.apiListen.host)) {
    problems.push('--api-addr (EC_API_ADDR) is open to other machines: it needs --api-token-file (EC_API_TOKEN_FILE)');
  }
  refuse(problems);
  return settings;
}

/** Throws ConfigError naming everything that is wrong. */
export function readPlaces(config: Pick<EcEncoderConfig, 'dataDir' | 'drives' | 'journal'>): VaultPlaces {
  const problems: string[] = [];
  const places = placesOf(config, problems);
  refuse(problems);
  return places;
}

function placesOf(config: Pick<EcEncoderConfig, 'dataDir' | 'drives' | 'journal'>, problems: string[]): VaultPlaces {
  const places = {
    dataDir: resolve(config.dataDir),
    drives: config.drives.flatMap((text) => attempt(problems, 'drive', () => driveOf(text))),
    journal: config.journal.flatMap((text) => attempt(problems, 'journal', () => journalOf(text))),
  };
  for (const [flag, all] of [['drive', places.drives] as const, ['journal', places.journal] as const]) {
    const paths = all.map(({ path }) => path);
    const twice = paths.find((path, index) => paths.indexOf(path) !== index);
    if (twice !== undefined) {
      problems.push(`--${flag}: ${twice} is given twice`);
    }
  }
  return places;
}

/** The value, or nothing and a problem more. */
function attempt<T>(problems: string[], flag: string, read: () => T): T[] {
  try {
    return [read()];
  } catch (error) {
    problems.push(`--${flag}: ${(error as Error).message}`);
    return [];
  }
}

function refuse(problems: readonly string[]): void {
  if (problems.length > 0) {
    throw new ConfigError('INVALID', { problems: problems.join('\n') });
  }
}

const domainFields = ['zone', 'node', 'pool', 'disk'] as const;

/** `/path[,zone=,node=,pool=,disk=]` */
export function driveOf(text: string): GivenDrive {
  const { path, fields } = pathAndFields(text, domainFields);
  return { path, domain: fields };
}

function journalOf(text: string): GivenJournalPlace {
  const { path, fields } = pathAndFields(text, ['domain']);
  return { path, ...fields };
}

function pathAndFields<F extends string>(text: string, known: readonly F[]): { path: string; fields: { [K in F]?: string } } {
  const [path = '', ...parts] = text.split(',');
  if (path.trim() === '' || path.includes('=')) {
    throw new RangeError(`"${text}" begins with no path`);
  }
  const fields: { [K in F]?: string } = {};
  for (const part of parts) {
    const [, name, value] = /^\s*([a-z]+)=([A-Za-z0-9._:-]{1,128})\s*$/.exec(part) ?? [];
    const field = known.find((one) => one === name);
    if (field === undefined || value === undefined) {
      throw new RangeError(
        `"${part}" of "${text}" is none of ${known.map((one) => `${one}=`).join(', ')} with letters, digits, . _ : - behind it`,
      );
    }
    if (fields[field] !== undefined) {
      throw new RangeError(`"${text}" has ${field}= twice`);
    }
    fields[field] = value;
  }
  return { path: resolve(path.trim()), fields };
}

function listenOf(text: string): Listen {
  if (text.startsWith('/') || text.startsWith('./') || text.startsWith('../')) {
    return { unixPath: checkSocket(resolve(text)) };
  }
  try {
    return parseAddress(text);
  } catch {
    throw new RangeError(`"${text}" is neither the path of a unix socket, from / or ./, nor host:port`);
  }
}

function checkSocket(path: string): string {
  if (Buffer.byteLength(path) > unixPathBytesMax) {
    throw new RangeError(`${path} is longer than a unix socket's path may be (${unixPathBytesMax} bytes): choose a shorter folder`);
  }
  return path;
}

function tlsOf({ nbdTlsCertFile, nbdTlsKeyFile, nbdTlsCaFile }: EcEncoderConfig, problems: string[]): VaultSettings['nbdTls'] {
  if (nbdTlsCertFile === undefined || nbdTlsKeyFile === undefined) {
    if (nbdTlsCertFile !== nbdTlsKeyFile || nbdTlsCaFile !== undefined) {
      problems.push('--nbd-tls-cert, --nbd-tls-key: TLS needs both of them');
    }
    return undefined;
  }
  return { certFile: nbdTlsCertFile, keyFile: nbdTlsKeyFile, ...(nbdTlsCaFile === undefined ? {} : { clientCaFile: nbdTlsCaFile }) };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}
