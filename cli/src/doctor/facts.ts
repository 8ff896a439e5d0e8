/** What the doctor has seen, for its checks to judge. Whatever could not be looked at says why. */
import type { Labels } from '@couchestor/shared/label-selector';
import type { TierSelectors } from '@couchestor/shared/tiers';
import type { Cluster } from './findings.ts';

/** `absent`: it is not known where to look. `failed`: it was looked at in vain. */
export type Looked<T> =
  | { readonly kind: 'seen'; readonly value: T }
  | { readonly kind: 'absent'; readonly why: string }
  | { readonly kind: 'failed'; readonly why: string };

export interface MayastorFacts {
  readonly url: string;
  readonly cluster: Cluster;
  readonly poolCordon: boolean;
}

export interface PolicyFacts {
  readonly policies: readonly { readonly name: string; readonly storageClassName: string; readonly selectors: TierSelectors }[];
  /** Those that cannot be read: the brain tells why. */
  readonly unreadable: number;
}

export interface StorageClassFacts {
  readonly name: string;
  readonly provisioner: string;
  readonly parameters: Readonly<Record<string, string>>;
}

export interface CrdFacts {
  readonly name: string;
  /** Undefined: it is not installed. */
  readonly state: { readonly established: boolean; readonly servesOurs: boolean } | undefined;
}

export interface RightsFacts {
  /** The account, or the person who asks where nobody may ask for others. */
  readonly account: string;
  readonly asked: number;
  /** In words: `patch storagepolicies/status`. */
  readonly missing: readonly string[];
}

export interface PrometheusFacts {
  readonly volumesMeasured: number;
  /** Of the jobs that have scraped the exporter in the last hour. */
  readonly targets: readonly { readonly instance: string; readonly up: boolean }[];
}

/** Another clock against ours: by how much it is ahead, give or take. */
export interface ClockFacts {
  readonly whose: string;
  readonly aheadMs: number;
  readonly uncertaintyMs: number;
}

export interface NatsFacts {
  readonly version: string;
  readonly jetStream: boolean;
  /** Of our streams. */
  readonly streams: readonly { readonly name: string; readonly onDisk: boolean }[];
}

export interface RedisFacts {
  readonly version: string;
  readonly maxmemoryPolicy: string;
  readonly appendOnly: boolean;
}

export interface Facts {
  readonly mayastor: Looked<MayastorFacts>;
  readonly policies: Looked<PolicyFacts>;
  /** Of the DiskPool resources, by pool; they win over the labels that Mayastor has. */
  readonly diskPoolLabels: Looked<ReadonlyMap<string, Labels>>;
  readonly storageClasses: Looked<readonly StorageClassFacts[]>;
  readonly crds: Looked<readonly CrdFacts[]>;
  readonly rights: Looked<{ readonly ofServices: boolean; readonly accounts: readonly RightsFacts[] }>;
  readonly prometheus: Looked<PrometheusFacts>;
  readonly clocks: readonly { readonly whose: string; readonly seen: Looked<ClockFacts> }[];
  readonly nats: Looked<NatsFacts>;
  readonly redis: Looked<RedisFacts>;
}
