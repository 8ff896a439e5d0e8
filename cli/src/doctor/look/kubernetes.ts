/** What Kubernetes says about StorageClasses, DiskPools, our definitions and the rights of our accounts. */
import { erasureCodingPolicies, storagePolicies } from '@couchestor/shared/crds/resources';
import type { KubeApi } from '@couchestor/shared/kubernetes/api';
import { findDiskPools, storageClasses } from '@couchestor/shared/kubernetes/objects';
import { type Account, type Permission, serviceAccounts } from '@couchestor/shared/kubernetes/permissions';
import { type Resource, resourceName } from '@couchestor/shared/kubernetes/resource';
import type { Labels } from '@couchestor/shared/label-selector';
import { z } from 'zod';
import type { CrdFacts, Facts, RightsFacts, StorageClassFacts } from '../facts.ts';

type Rights = Extract<Facts['rights'], { kind: 'seen' }>['value'];

const crdSchema = z.object({
  spec: z.object({ versions: z.array(z.object({ name: z.string(), served: z.boolean(), storage: z.boolean() })) }),
  status: z.object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })).nullish() }).nullish(),
});
export const customResourceDefinitions: Resource<z.infer<typeof crdSchema>> = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
  schema: crdSchema,
};

const reviewSchema = z.object({ status: z.object({ allowed: z.boolean() }) });
const accessReviews: Resource<z.infer<typeof reviewSchema>> = {
  group: 'authorization.k8s.io',
  version: 'v1',
  plural: 'subjectaccessreviews',
  kind: 'SubjectAccessReview',
  namespaced: false,
  schema: reviewSchema,
};

export const ourResources = [storagePolicies, erasureCodingPolicies] as const;

export async function lookAtStorageClasses(api: KubeApi): Promise<readonly StorageClassFacts[]> {
  const { items } = await api.list(storageClasses);
  return items.map(({ metadata, provisioner, parameters }) => ({ name: metadata.name, provisioner, parameters: parameters ?? {} }));
}

export async function lookAtDiskPools(api: KubeApi): Promise<ReadonlyMap<string, Labels>> {
  const resource = await findDiskPools(api);
  const { items } = resource === undefined ? { items: [] } : await api.list(resource);
  return new Map(items.map(({ metadata }) => [metadata.name, metadata.labels ?? {}]));
}

export async function lookAtCrds(api: KubeApi): Promise<readonly CrdFacts[]> {
  return await Promise.all(
    ourResources.map(async (resource) => {
      const name = resourceName(resource);
      const found = await api.get(customResourceDefinitions, { name });
      if (found === undefined) {
        return { name, state: undefined };
      }
      const established = found.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') ?? false;
      const servesOurs = found.spec.versions.some(
        ({ name: version, served, storage }) => version === resource.version && served && storage,
      );
      return { name, state: { established, servesOurs } };
    }),
  );
}

/** Of the services' accounts where whoever asks may ask for others, else of whoever asks. */
export async function lookAtRights(api: KubeApi, o: { namespace: string }): Promise<Rights> {
  const ofServices = await api.mayI({ verb: 'create', group: accessReviews.group, resource: accessReviews.plural });
  if (ofServices) {
    const accounts = serviceAccounts.filter((account) => needsOf(account).length > 0);
    return {
      ofServices,
      accounts: await Promise.all(
        accounts.map((account) => rightsOf(account, o.namespace, (need) => mayAccount(api, { account, need, ...o }))),
      ),
    };
  }
  const all = serviceAccounts.find(({ name }) => name === 'operator');
  const accounts =
    all === undefined ? [] : [await rightsOf({ ...all, name: 'you' }, o.namespace, ({ attributes }) => api.mayI(attributes))];
  return { ofServices, accounts };
}

interface Need {
  readonly words: string;
  readonly attributes: { verb: string; group: string; resource: string; subresource?: string; namespace?: string };
}

function needsOf({ everywhere, ownNamespace }: Account, namespace = ''): Need[] {
  const needs = (permissions: readonly Permission[], within: string): Need[] =>
    permissions.flatMap(({ verbs, group, resource, subresource }) =>
      verbs.map((verb) => ({
        words: `${verb} ${subresource === undefined ? resource : `${resource}/${subresource}`}${group === '' ? '' : ` of ${group}`}${within === '' ? '' : ` in namespace ${within}`}`,
        attributes: {
          verb,
          group,
          resource,
          ...(subresource === undefined ? {} : { subresource }),
          ...(within === '' ? {} : { namespace: within }),
        },
      })),
    );
  return [...needs(everywhere, ''), ...needs(ownNamespace, namespace)];
}

async function rightsOf(account: Account, namespace: string, may: (need: Need) => Promise<boolean>): Promise<RightsFacts> {
  const needs = needsOf(account, namespace);
  const answers = await Promise.all(needs.map(async (need) => ({ need, allowed: await may(need) })));
  return { account: account.name, asked: needs.length, missing: answers.filter(({ allowed }) => !allowed).map(({ need }) => need.words) };
}

async function mayAccount(api: KubeApi, o: { account: Account; namespace: string; need: Need }): Promise<boolean> {
  const user = `system:serviceaccount:${o.namespace}:${o.account.name}`;
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${o.namespace}`, 'system:authenticated'];
  const { status } = await api.create(accessReviews, { spec: { user, groups, resourceAttributes: o.need.attributes } });
  return status.allowed;
}
