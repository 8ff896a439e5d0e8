/** The accounts of the services and their roles, each beside the workload that it is for, and the role of those who run the doctor. */
import { type Account, doctorRole, type Permission, serviceAccounts, systemNamespace } from '@couchestor/shared/kubernetes/permissions';
import { Document, isCollection } from 'yaml';

interface Manifest {
  readonly body: Readonly<Record<string, unknown>>;
  /** Those of its rules, in their order. */
  readonly permissions?: readonly Permission[];
}

const rbacVersion = 'rbac.authorization.k8s.io/v1';
const partOf = { 'app.kubernetes.io/part-of': 'couchestor' };

/** The files by their path from the root of the repository. */
export function rbacFiles(): ReadonlyMap<string, string> {
  return new Map([
    ...serviceAccounts.map((account) => [`deploy/base/${account.name}/rbac.yaml`, render(manifestsOf(account))] as const),
    ['deploy/doctor-role.yaml', render([clusterRole(doctorRole)], 'Bind it to people who run `couchestor doctor`: it changes nothing.')],
  ]);
}

function render(manifests: readonly Manifest[], note?: string): string {
  const notes = ['Generated from shared/src/kubernetes/permissions.ts by `npm run docs`. Change the source, not this file.', note];
  const head = notes.flatMap((line) => (line === undefined ? [] : [`# ${line}\n`])).join('');
  return head + manifests.map(renderOne).join('---\n');
}

/** Each rule with its reason above it. */
function renderOne({ body, permissions = [] }: Manifest): string {
  const rules = permissions.length === 0 ? {} : { rules: permissions.map(ruleOf) };
  const document = new Document({ ...body, ...rules });
  for (const [index, { why }] of permissions.entries()) {
    const rule = document.getIn(['rules', index]);
    if (isCollection(rule)) {
      rule.commentBefore = ` ${why}`;
    }
  }
  return document.toString({ lineWidth: 0 });
}

/** A service that asks Kubernetes nothing gets an account all the same, so that it is not the namespace's default one, and no token. */
function manifestsOf(account: Account): Manifest[] {
  const { name, everywhere, ownNamespace } = account;
  const needsToken = everywhere.length + ownNamespace.length > 0;
  const metadata = { name: `couchestor-${name}`, labels: partOf };
  const inNamespace = { name: metadata.name, namespace: systemNamespace, labels: partOf };
  const bind = (kind: string): Manifest['body'] => ({
    subjects: [{ kind: 'ServiceAccount', name, namespace: systemNamespace }],
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name: metadata.name },
  });
  return [
    {
      body: {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { ...inNamespace, name },
        automountServiceAccountToken: needsToken,
      },
    },
    ...(everywhere.length === 0
      ? []
      : [clusterRole(account), { body: { apiVersion: rbacVersion, kind: 'ClusterRoleBinding', metadata, ...bind('ClusterRole') } }]),
    ...(ownNamespace.length === 0
      ? []
      : [
          { body: { apiVersion: rbacVersion, kind: 'Role', metadata: inNamespace }, permissions: ownNamespace },
          { body: { apiVersion: rbacVersion, kind: 'RoleBinding', metadata: inNamespace, ...bind('Role') } },
        ]),
  ];
}

function clusterRole({ name, everywhere }: Pick<Account, 'name' | 'everywhere'>): Manifest {
  return {
    body: { apiVersion: rbacVersion, kind: 'ClusterRole', metadata: { name: `couchestor-${name}`, labels: partOf } },
    permissions: everywhere,
  };
}

function ruleOf({ group, resource, subresource, names, verbs }: Permission): Manifest['body'] {
  return {
    apiGroups: [group],
    resources: [subresource === undefined ? resource : `${resource}/${subresource}`],
    ...(names === undefined ? {} : { resourceNames: [...names] }),
    verbs: [...verbs],
  };
}
