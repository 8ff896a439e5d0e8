/** Everything of a brain that takes its policies from Kubernetes: one client, one cache, and both views of it. */
import { KubeApi } from '@couchestor/shared/kubernetes/api';
import type { Logger } from '@couchestor/shared/logger';
import type { Registry } from 'prom-client';
import type { BrainConfig } from '../../config.ts';
import { type CacheTimings, ClusterCache } from './cluster-cache.ts';
import { KubernetesCatalog } from './kubernetes-catalog.ts';
import { KubernetesPolicies } from './kubernetes-policies.ts';

export class KubernetesSource {
  readonly api: KubeApi;
  readonly cache: ClusterCache;
  readonly policies: KubernetesPolicies;
  readonly catalog: KubernetesCatalog;
  readonly registry: Registry;

  /** Talks to nobody yet. Throws KubeError CONFIG where there is no way to an API server. */
  constructor(o: {
    config: Pick<BrainConfig, 'kubeconfig' | 'mayastorNamespace'>;
    env: NodeJS.ProcessEnv;
    logger: Logger;
    registry: Registry;
    timings?: Partial<CacheTimings>;
  }) {
    const { config, env, logger, registry } = o;
    this.registry = registry;
    this.api = KubeApi.load({ kubeconfig: config.kubeconfig, env, logger, registry });
    this.cache = new ClusterCache({ api: this.api, logger, registry, ...(o.timings === undefined ? {} : { timings: o.timings }) });
    this.policies = new KubernetesPolicies({ cache: this.cache, logger });
    this.catalog = new KubernetesCatalog({ source: this.cache, mayastorNamespace: config.mayastorNamespace });
  }

  /** Resolves at once, also where the API server does not answer: the brain then says that it knows nothing yet, and decides nothing. */
  async open(): Promise<void> {
    this.cache.start();
    await this.policies.open();
  }

  async close(): Promise<void> {
    await this.policies.close();
    // Together: a call that hangs would keep its reflector from ending.
    await Promise.all([this.cache.stop(), this.api.close()]);
  }
}
