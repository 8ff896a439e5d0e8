/** What is left for a person to delete once Mayastor is free of us. Pure. */
import { doctorRole, serviceAccounts } from '@couchestor/shared/kubernetes/permissions';
import { count } from '../doctor/check.ts';

export interface Remaining {
  readonly what: string;
  /** How to be rid of it, in order. */
  readonly commands: readonly string[];
}

export interface RemainsInput {
  /** The data folder of the local stack. Undefined: it is not the local stack. */
  readonly dataDir: string | undefined;
  /** Undefined: Kubernetes was not looked at. */
  readonly kubernetes: { readonly policies: number; readonly definitions: readonly string[] } | undefined;
  readonly namespace: string;
  readonly natsUrl: string;
  readonly streams: readonly string[];
}

export function remainsOf(o: RemainsInput): Remaining[] {
  if (o.dataDir !== undefined) {
    return [
      { what: 'the local stack runs: stop it with Ctrl-C where it was started', commands: [] },
      { what: 'its data, policies and logs', commands: [`rm -r ${o.dataDir}`] },
    ];
  }
  const roles = serviceAccounts.filter(({ everywhere }) => everywhere.length > 0);
  const clusterRoles = [...roles, doctorRole].map(({ name }) => `couchestor-${name}`).join(' ');
  const bindings = roles.map(({ name }) => `couchestor-${name}`).join(' ');
  const { kubernetes } = o;
  const definitions = kubernetes?.definitions ?? [];
  return [
    ...(kubernetes === undefined
      ? [{ what: 'Kubernetes was not looked at: --kubeconfig', commands: [] }]
      : definitions.length === 0
        ? []
        : [
            {
              what: `${count(definitions.length, 'CustomResourceDefinition')}, and ${count(kubernetes.policies, 'policy', 'policies')} with them`,
              commands: [`kubectl delete crd ${definitions.join(' ')}`],
            },
          ]),
    { what: 'the services, their accounts and their Leases', commands: [`kubectl delete namespace ${o.namespace}`] },
    {
      what: 'the roles',
      commands: [
        `kubectl delete clusterrolebinding ${bindings} --ignore-not-found`,
        `kubectl delete clusterrole ${clusterRoles} --ignore-not-found`,
      ],
    },
    ...(o.streams.length === 0
      ? []
      : [
          {
            what: `${count(o.streams.length, 'stream')} in NATS, the journal and all histories among them`,
            commands: o.streams.map((name) => `nats --server ${o.natsUrl} stream rm --force ${name}`),
          },
        ]),
    { what: 'keys of the job queue in Redis', commands: ["redis-cli --scan --pattern 'bull:migrate-volume:*' | xargs -r redis-cli del"] },
  ];
}
