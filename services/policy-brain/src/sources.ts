/**
 * Where policies come from, and what is known of volumes beside what Mayastor knows. Both are followed in every brain, also in one that
 * stands by, so that a new leader need not read everything first.
 */
import type { Logger } from '@couchestor/shared/logger';
import type { Registry } from 'prom-client';
import { KubernetesSource } from './adapters/kubernetes/kubernetes-source.ts';
import { PolicyFolder } from './adapters/policy-folder.ts';
import type { PolicySet, PolicySource } from './adapters/policy-source.ts';
import { mayastorLabelCatalog, type VolumeCatalog } from './adapters/volume-catalog.ts';
import type { BrainConfig } from './config.ts';

export interface Sources {
  readonly policies: PolicySource;
  readonly catalog: VolumeCatalog;
  /** Where policies come from there: it is told of what becomes of them. */
  readonly kubernetes?: KubernetesSource;
  open(): Promise<void>;
  close(): Promise<void>;
}

export function sourcesOf(config: BrainConfig, o: { env: NodeJS.ProcessEnv; logger: Logger; registry: Registry }): Sources {
  switch (config.policySource) {
    case 'folder': {
      const policies = new PolicyFolder({ folder: config.policyDir, logger: o.logger });
      return { policies, catalog: mayastorLabelCatalog, open: () => policies.open(), close: () => policies.close() };
    }
    case 'kubernetes': {
      const kubernetes = new KubernetesSource({ config, ...o });
      const { policies, catalog } = kubernetes;
      return { policies, catalog, kubernetes, open: () => kubernetes.open(), close: () => kubernetes.close() };
    }
  }
}

/** The policies as they are now, for whichever term goes on. */
export class PolicyFeed {
  #current: PolicySet | undefined;
  #listener: (set: PolicySet) => void = () => undefined;

  constructor(source: PolicySource) {
    source.onChange((set) => {
      this.#current = set;
      this.#listener(set);
    });
  }

  /** Calls `listener` with the policies as they are, where they have been read, and whenever they change. One listener at a time. */
  follow(listener: (set: PolicySet) => void): { stop(): void } {
    this.#listener = listener;
    if (this.#current !== undefined) {
      listener(this.#current);
    }
    return {
      stop: () => {
        if (this.#listener === listener) {
          this.#listener = () => undefined;
        }
      },
    };
  }
}
