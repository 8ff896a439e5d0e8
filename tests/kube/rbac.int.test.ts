/**
 * What the accounts of the manifests may do, as a real API server judges, against tests/kube/rbac-matrix.json. A change there is a change of
 * rights, to be seen in review: UPDATE_RBAC_MATRIX=1 writes it.
 *
 * What every account may (discovery, questions about itself) is left out, as it is the server's and differs between its versions.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KubeApi } from '@couchestor/shared/kubernetes/api';
import { doctorRole, serviceAccounts, systemNamespace } from '@couchestor/shared/kubernetes/permissions';
import { type KubeApiServer, startKubeApiServer } from '@couchestor/shared/testing/kube/api-server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';

const deploy = join(import.meta.dirname, '../../deploy');
const matrixFile = join(import.meta.dirname, 'rbac-matrix.json');
const setupTimeoutMs = 180_000;
const testTimeoutMs = 180_000;
const reviewsAtATime = 16;

const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
/** Ours, kube-system's, where events on cluster-scoped objects go, anybody's; and none: all namespaces, and what has none. */
const scopes = [systemNamespace, 'kube-system', 'default', 'somebody-elses', ''];
/** Of custom resources, which the server need not know to judge. */
const customResources = [
  'storagepolicies.storage.billyronks.io',
  'storagepolicies/status.storage.billyronks.io',
  'erasurecodingpolicies.storage.billyronks.io',
  'erasurecodingpolicies/status.storage.billyronks.io',
  'diskpools.openebs.io',
  'diskpools/status.openebs.io',
];

const resourceListSchema = z.looseObject({ resources: z.array(z.looseObject({ name: z.string() })) });
const groupListSchema = z.looseObject({
  groups: z.array(z.looseObject({ name: z.string(), preferredVersion: z.looseObject({ groupVersion: z.string() }) })),
});
const reviewSchema = z.looseObject({ status: z.looseObject({ allowed: z.boolean() }) });
const manifestSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
  rules: z
    .array(
      z.looseObject({
        apiGroups: z.array(z.string()),
        resources: z.array(z.string()),
        verbs: z.array(z.string()),
        nonResourceURLs: z.array(z.string()).optional(),
      }),
    )
    .optional(),
});

interface Question {
  readonly account: string;
  readonly scope: string;
  /** `resource.group`, or `resource` of the core group. */
  readonly resource: string;
  readonly verb: string;
}

const manifests = [...serviceAccounts.map(({ name }) => `base/${name}/rbac.yaml`), 'doctor-role.yaml'].flatMap((path) =>
  parseAllDocuments(readFileSync(join(deploy, path), 'utf8')).map((document) => manifestSchema.parse(document.toJS())),
);
const accounts = [...serviceAccounts.map(({ name }) => name), doctorRole.name];

describe('the manifests', () => {
  const rules = manifests.flatMap(({ rules: found = [] }) => found);

  it('hold no wildcard, no secret, no right to give rights, and no URL', () => {
    expect(rules.length).toBeGreaterThan(10);
    for (const rule of rules) {
      const words = [...rule.apiGroups, ...rule.resources, ...rule.verbs];
      expect(words.filter((word) => /\*|secret|impersonate|escalate|bind|approve|token/i.test(word))).toEqual([]);
      expect(rule.apiGroups).not.toContain('rbac.authorization.k8s.io');
      expect(rule.nonResourceURLs).toBeUndefined();
    }
  });

  it('give every service an account of its own, and a token only to those that ask Kubernetes anything', () => {
    const found = manifests.filter(({ kind }) => kind === 'ServiceAccount');
    expect(found.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort()).toEqual(
      serviceAccounts.map(({ name }) => `${systemNamespace}/${name}`).sort(),
    );
    const withToken = found.filter((account) => account['automountServiceAccountToken'] === true).map(({ metadata }) => metadata.name);
    expect(withToken.sort()).toEqual(['ec-encoder', 'migrator', 'operator', 'policy-brain']);
  });
});

describe('on a real API server', () => {
  let server: KubeApiServer;
  let api: KubeApi;

  beforeAll(async () => {
    server = await startKubeApiServer();
    api = KubeApi.load({ kubeconfig: server.kubeconfig, requestTimeoutMs: 60_000 });
    await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: systemNamespace } });
    for (const manifest of manifests) {
      await apply(manifest);
    }
    // The role is for people, and bound by whoever knows them.
    await apply({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'test-doctor' },
      subjects: [{ kind: 'ServiceAccount', name: doctorRole.name, namespace: systemNamespace }],
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: `couchestor-${doctorRole.name}` },
    });
  }, setupTimeoutMs);

  afterAll(async () => {
    await api?.raw({ method: 'DELETE', path: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/test-doctor' });
    await api?.close();
    await server?.stop();
  }, setupTimeoutMs);

  it(
    'every account may do what the locked matrix says, and nothing else',
    async () => {
      const resources = [...(await servedResources()), ...customResources];
      expect(resources).toContain('secrets');
      expect(resources).toContain('clusterroles.rbac.authorization.k8s.io');
      const questions = ['nobody-in-particular', ...accounts].flatMap((account) =>
        scopes.flatMap((scope) => resources.flatMap((resource) => verbs.map((verb) => ({ account, scope, resource, verb })))),
      );
      const allowed = await allowedOf(questions);
      const baseline = new Set(allowed.filter(({ account }) => account === 'nobody-in-particular').map(cellOf));
      const matrix = matrixOf(allowed.filter((cell) => accounts.includes(cell.account) && !baseline.has(cellOf(cell))));
      if (process.env['UPDATE_RBAC_MATRIX'] === '1') {
        writeFileSync(matrixFile, `${JSON.stringify(matrix, null, 2)}\n`);
      }
      expect(matrix).toEqual(JSON.parse(readFileSync(matrixFile, 'utf8')));
      expect(matrix[doctorRole.name]).toBeDefined();
    },
    testTimeoutMs,
  );

  it('names of objects bind where they are given: the doctor reads our definitions and no other', async () => {
    const path = await server.kubeconfigFor({ namespace: systemNamespace, name: doctorRole.name });
    const doctor = KubeApi.load({ kubeconfig: path });
    const definition = (name: string) =>
      doctor.raw({ method: 'GET', path: `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}` }).then(() => 'there', String);
    // Not there is an answer to somebody who may ask.
    expect(await definition('storagepolicies.storage.billyronks.io')).toMatch(/there|KUBE_NOT_FOUND/);
    expect(await definition('somethings.else.example')).toContain('KUBE_FORBIDDEN');
    await doctor.close();
  });

  /** Makes it, or makes it anew where it was left by an earlier run on somebody's cluster. */
  async function apply(manifest: z.infer<typeof manifestSchema>): Promise<void> {
    const { apiVersion, kind, metadata } = manifest;
    const root = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`;
    const collection = `${root}${metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`}/${kind.toLowerCase()}s`;
    const field = { fieldManager: 'couchestor-tests', force: 'true' };
    const patch = { contentType: 'application/apply-patch+yaml', query: field, body: manifest };
    await api.raw({ method: 'PATCH', path: `${collection}/${metadata.name}`, ...patch });
  }

  async function servedResources(): Promise<string[]> {
    const core = resourceListSchema.parse(await api.raw({ method: 'GET', path: '/api/v1' })).resources.map(({ name }) => name);
    const { groups } = groupListSchema.parse(await api.raw({ method: 'GET', path: '/apis' }));
    const others = await Promise.all(
      groups.map(async ({ name: group, preferredVersion: { groupVersion } }) => {
        const { resources } = resourceListSchema.parse(await api.raw({ method: 'GET', path: `/apis/${groupVersion}` }));
        return resources.map(({ name }) => `${name}.${group}`);
      }),
    );
    return [...new Set([...core, ...others.flat()].filter((name) => !customResources.includes(name)))];
  }

  async function allowedOf(questions: readonly Question[]): Promise<Question[]> {
    const left = [...questions];
    const allowed: Question[] = [];
    const ask = async (): Promise<void> => {
      for (let question = left.pop(); question !== undefined; question = left.pop()) {
        if (await mayAccount(question)) {
          allowed.push(question);
        }
      }
    };
    await Promise.all(Array.from({ length: reviewsAtATime }, ask));
    return allowed;
  }

  async function mayAccount({ account, scope, resource, verb }: Question): Promise<boolean> {
    const [full = '', ...group] = resource.split('.');
    const [name = '', subresource = ''] = full.split('/');
    const attributes = { namespace: scope, group: group.join('.'), resource: name, subresource, verb };
    const groups = ['system:serviceaccounts', `system:serviceaccounts:${systemNamespace}`, 'system:authenticated'];
    const body = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: `system:serviceaccount:${systemNamespace}:${account}`, groups, resourceAttributes: attributes },
    };
    const answer = await api.raw({ method: 'POST', path: '/apis/authorization.k8s.io/v1/subjectaccessreviews', body });
    return reviewSchema.parse(answer).status.allowed;
  }
});

function cellOf({ scope, resource, verb }: Question): string {
  return `${scope} ${resource} ${verb}`;
}

/** Account, then where (`everywhere` where the right holds in all namespaces), then resource: its verbs in one line. */
function matrixOf(allowed: readonly Question[]): Record<string, Record<string, Record<string, string>>> {
  const matrix: Record<string, Record<string, Record<string, string>>> = Object.fromEntries(accounts.map((account) => [account, {}]));
  const everywhere = new Set(
    allowed.filter(({ scope }) => scope === '').map(({ account, resource, verb }) => `${account} ${resource} ${verb}`),
  );
  const sorted = [...allowed].sort((left, right) => (cellOf(left) < cellOf(right) ? -1 : 1));
  for (const { account, scope, resource, verb } of sorted) {
    if (scope !== '' && everywhere.has(`${account} ${resource} ${verb}`)) {
      continue;
    }
    const where = scope === '' ? 'everywhere' : scope;
    const places = matrix[account] ?? {};
    const rights = places[where] ?? {};
    const before = rights[resource];
    matrix[account] = { ...places, [where]: { ...rights, [resource]: before === undefined ? verb : `${before} ${verb}` } };
  }
  return matrix;
}
