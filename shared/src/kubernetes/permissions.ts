/**
 * What each service may do in Kubernetes, and why: the one table behind the manifests (rbac.yaml of each service in deploy/base) and behind
 * what `couchestor doctor` asks the API server. No wildcards, and nothing that reads a Secret.
 */
import type { ServiceName } from '../contracts/define.ts';

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch';

export interface Permission {
  /** Empty for the core group. */
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  /** Only objects of these names. Cannot hold for `create`, which names none. */
  readonly names?: readonly string[];
  readonly verbs: readonly Verb[];
  /** What it is for. A phrase that stands as a comment in the manifest. */
  readonly why: string;
}

export interface Account {
  readonly name: string;
  /** In all namespaces, and on what has none. */
  readonly everywhere: readonly Permission[];
  /** In the namespace that CoucheStor runs in. */
  readonly ownNamespace: readonly Permission[];
}

/** Of what is ours: the same in all manifests. */
export const systemNamespace = 'couchestor-system';

const ourGroup = 'storage.billyronks.io';
const read = ['get', 'list', 'watch'] as const;

const leases: Permission = {
  group: 'coordination.k8s.io',
  resource: 'leases',
  verbs: ['get', 'create', 'update'],
  why: 'locks, with --coordination kubernetes',
};

const brain: Account = {
  name: 'policy-brain' satisfies ServiceName,
  everywhere: [
    { group: ourGroup, resource: 'storagepolicies', verbs: read, why: 'the policies' },
    { group: ourGroup, resource: 'erasurecodingpolicies', verbs: read, why: 'the erasure coding policies' },
    { group: ourGroup, resource: 'storagepolicies', subresource: 'status', verbs: ['patch'], why: 'what became of a policy' },
    {
      group: ourGroup,
      resource: 'erasurecodingpolicies',
      subresource: 'status',
      verbs: ['patch'],
      why: 'what became of an erasure coding policy',
    },
    { group: 'openebs.io', resource: 'diskpools', verbs: read, why: 'labels of pools' },
    { group: '', resource: 'persistentvolumes', verbs: read, why: 'StorageClass and labels of volumes' },
    { group: '', resource: 'persistentvolumeclaims', verbs: read, why: 'names, namespaces and labels of claims' },
    {
      group: '',
      resource: 'events',
      verbs: ['create', 'patch'],
      why: 'events on policies, in namespace default, and on claims, in theirs',
    },
  ],
  ownNamespace: [leases],
};

const migrator: Account = { name: 'migrator' satisfies ServiceName, everywhere: [], ownNamespace: [leases] };

const watcher: Account = { name: 'metrics-watcher' satisfies ServiceName, everywhere: [], ownNamespace: [] };

/** It reads its policy when it starts; what became of it is told over NATS. */
const encoder: Account = {
  name: 'ec-encoder' satisfies ServiceName,
  everywhere: [{ group: ourGroup, resource: 'erasurecodingpolicies', verbs: ['get'], why: 'the policy of the vault' }],
  ownNamespace: [],
};

/** The accounts of the services, and of those that move volumes in one process. */
export const serviceAccounts: readonly Account[] = [
  watcher,
  brain,
  migrator,
  encoder,
  // The migrator needs nothing that the brain does not.
  { name: 'operator', everywhere: brain.everywhere, ownNamespace: brain.ownNamespace },
];

/** For people who run `couchestor doctor`: nothing of it changes anything. */
export const doctorRole: Pick<Account, 'name' | 'everywhere'> = {
  name: 'doctor',
  everywhere: [
    { group: ourGroup, resource: 'storagepolicies', verbs: ['list'], why: 'which pools the tiers select' },
    { group: 'openebs.io', resource: 'diskpools', verbs: ['list'], why: 'labels of pools' },
    { group: 'storage.k8s.io', resource: 'storageclasses', verbs: ['list'], why: 'parameters that pin volumes' },
    {
      group: 'apiextensions.k8s.io',
      resource: 'customresourcedefinitions',
      names: [`storagepolicies.${ourGroup}`, `erasurecodingpolicies.${ourGroup}`],
      verbs: ['get'],
      why: 'whether ours are installed',
    },
    {
      group: 'authorization.k8s.io',
      resource: 'subjectaccessreviews',
      verbs: ['create'],
      why: 'whether the services may do what they need to: a question, though its verb is create',
    },
  ],
};
