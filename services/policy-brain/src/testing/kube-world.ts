/** A Kubernetes for the brain's tests: our CustomResourceDefinitions and Mayastor's DiskPool in a real API server, and objects of its kinds. */
import { erasureCodingPolicies, storagePolicies } from '@couchestor/shared/crds/resources';
import { KubeApi } from '@couchestor/shared/kubernetes/api';
import { createFrom, createNamespace, installDiskPools } from '@couchestor/shared/testing/kube/cluster-objects';
import { installCrds } from '@couchestor/shared/testing/kube/install-crds';
import { tiersFastestFirst } from '@couchestor/shared/tiers';

const brainAccount = { namespace: 'couchestor-system', name: 'policy-brain' };

export class KubeWorld {
  readonly api: KubeApi;

  constructor(kubeconfig: string) {
    this.api = KubeApi.load({ kubeconfig, env: {} });
  }

  async installCrds(): Promise<void> {
    await Promise.all([installCrds(this.api), installDiskPools(this.api)]);
  }

  /** The account of the brain with its rights and no others, as its manifest has them. */
  async applyRbac(): Promise<{ namespace: string; name: string }> {
    await createNamespace(this.api, brainAccount.namespace);
    await createFrom(this.api, new URL('../../../../deploy/base/policy-brain/rbac.yaml', import.meta.url));
    return brainAccount;
  }

  /** Selects the pools of all tiers by their label, as the fixtures label them. */
  async createPolicy(name: string, spec: object = {}): Promise<void> {
    const selectors = tiersFastestFirst.map((tier) => [`${tier}PoolSelector`, { matchLabels: { 'storage-tier': tier } }]);
    const body = { metadata: { name }, spec: { ...Object.fromEntries(selectors), samplingWindow: '60s', ...spec } };
    await this.api.create(storagePolicies, body);
  }

  async patchPolicy(name: string, spec: object): Promise<void> {
    await this.api.mergePatch(storagePolicies, { name }, { spec });
  }

  async statusOf(name: string) {
    return (await this.api.get(storagePolicies, { name }))?.status;
  }

  async conditionOf(name: string, type: string) {
    return (await this.statusOf(name))?.conditions?.find((condition) => condition.type === type);
  }

  async createEcPolicy(name: string, spec: object): Promise<void> {
    await this.api.create(erasureCodingPolicies, { metadata: { name }, spec });
  }

  async ecStatusOf(name: string) {
    return (await this.api.get(erasureCodingPolicies, { name }))?.status;
  }

  /** Reasons of all Events on objects of this kind and name. */
  async eventsOn(kind: string, name: string, namespace: string): Promise<string[]> {
    const answer = (await this.api.raw({ method: 'GET', path: `/api/v1/namespaces/${namespace}/events` })) as {
      items: { reason: string; involvedObject: { kind: string; name: string } }[];
    };
    return answer.items.filter(({ involvedObject: of }) => of.kind === kind && of.name === name).map(({ reason }) => reason);
  }
}
