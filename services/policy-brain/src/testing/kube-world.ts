/** A Kubernetes for the brain's tests: our CustomResourceDefinitions and Mayastor's DiskPool in a real API server, and objects of its kinds. */
import { readFile } from 'node:fs/promises';
import { crdOf, policyKinds } from '@couchestor/shared/crds/crd';
import { erasureCodingPolicies, storagePolicies } from '@couchestor/shared/crds/resources';
import { KubeApi } from '@couchestor/shared/kubernetes/api';
import { KubeError } from '@couchestor/shared/kubernetes/errors';
import { diskPools, persistentVolumeClaims, persistentVolumes } from '@couchestor/shared/kubernetes/objects';
import { collectionPath } from '@couchestor/shared/kubernetes/resource';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { tiersFastestFirst } from '@couchestor/shared/tiers';
import { parseAllDocuments } from 'yaml';

/** As much of Mayastor's definition as its operator and the tests need. */
const diskPoolCrd = {
  metadata: { name: 'diskpools.openebs.io' },
  spec: {
    group: 'openebs.io',
    names: { kind: 'DiskPool', listKind: 'DiskPoolList', plural: 'diskpools', singular: 'diskpool', shortNames: ['dsp'] },
    scope: 'Namespaced',
    versions: [
      {
        name: 'v1beta3',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};

const brainAccount = { namespace: 'couchestor-system', name: 'policy-brain' };

export class KubeWorld {
  readonly api: KubeApi;

  constructor(kubeconfig: string) {
    this.api = KubeApi.load({ kubeconfig, env: {} });
  }

  async installCrds(): Promise<void> {
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    const body = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' };
    for (const crd of [...policyKinds.map(crdOf), diskPoolCrd]) {
      await this.#make(path, { ...body, ...crd });
    }
    for (const resource of [storagePolicies, erasureCodingPolicies, diskPools]) {
      const served = () =>
        this.api.raw({ method: 'GET', path: collectionPath(resource) }).then(
          () => true,
          () => false,
        );
      await waitUntil(served, { what: `${resource.plural} to be served` });
    }
  }

  /** The account of the brain with its rights and no others, as its manifest has them. */
  async applyRbac(): Promise<{ namespace: string; name: string }> {
    await this.createNamespace(brainAccount.namespace);
    const text = await readFile(new URL('../../../../deploy/base/policy-brain/rbac.yaml', import.meta.url), 'utf8');
    for (const document of parseAllDocuments(text)) {
      const body = document.toJS() as { apiVersion: string; kind: string; metadata: { namespace?: string } };
      const root = body.apiVersion === 'v1' ? '/api/v1' : `/apis/${body.apiVersion}`;
      const { namespace } = body.metadata;
      const path = `${root}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${body.kind.toLowerCase()}s`;
      await this.#make(path, body);
    }
    return brainAccount;
  }

  /** Also where it is there already, as in somebody's cluster. */
  async #make(path: string, body: object): Promise<void> {
    try {
      await this.api.raw({ method: 'POST', path, body });
    } catch (error) {
      if (!KubeError.is(error, 'ALREADY_EXISTS')) {
        throw error;
      }
    }
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

  async createNamespace(name: string): Promise<void> {
    await this.#make('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }

  /** A claim and its PersistentVolume, bound as a provisioner and the controller manager leave them. */
  async createVolume(o: {
    volumeId: string;
    claim: { namespace: string; name: string; labels?: Record<string, string> };
    storageClass?: string;
    labels?: Record<string, string>;
  }): Promise<void> {
    const { namespace, name, labels = {} } = o.claim;
    const pv = `pvc-${o.volumeId}`;
    const storageClassName = o.storageClass ?? 'mayastor';
    const resources = { requests: { storage: '1Gi' } };
    const accessModes = ['ReadWriteOnce'];
    const claim = await this.api.create(
      persistentVolumeClaims,
      { metadata: { name, labels }, spec: { storageClassName, accessModes, resources, volumeName: pv } },
      { namespace },
    );
    await this.api.create(persistentVolumes, {
      metadata: { name: pv, labels: o.labels ?? {} },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes,
        storageClassName,
        claimRef: { namespace, name, uid: claim.metadata.uid },
        csi: { driver: 'io.openebs.csi-mayastor', volumeHandle: o.volumeId },
      },
    });
    await this.api.mergePatch(persistentVolumes, { name: pv, subresource: 'status' }, { status: { phase: 'Bound' } });
  }

  async createDiskPool(
    namespace: string,
    name: string,
    o: { labels?: Record<string, string>; labelled?: Record<string, string> },
  ): Promise<void> {
    const body = {
      metadata: { name, labels: o.labels ?? {} },
      spec: { node: 'node-1', disks: [], topology: { labelled: o.labelled ?? {} } },
    };
    await this.api.create(diskPools, body, { namespace });
  }

  /** Reasons of all Events on objects of this kind and name. */
  async eventsOn(kind: string, name: string, namespace: string): Promise<string[]> {
    const answer = (await this.api.raw({ method: 'GET', path: `/api/v1/namespaces/${namespace}/events` })) as {
      items: { reason: string; involvedObject: { kind: string; name: string } }[];
    };
    return answer.items.filter(({ involvedObject: of }) => of.kind === kind && of.name === name).map(({ reason }) => reason);
  }
}
