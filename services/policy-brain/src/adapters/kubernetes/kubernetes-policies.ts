/**
 * Policies from the custom resources. A change of a spec is told at once; a change of a status, which the brain itself writes, is none.
 *
 * An object that is no valid policy takes its policy out of work, as a file does: to go on by what it said before would decide by something
 * that is written nowhere (S5).
 */
import type { Logger } from '@couchestor/shared/logger';
import type { PolicySet, PolicySource } from '../policy-source.ts';
import type { ClusterCache } from './cluster-cache.ts';
import { policySetOf } from './policy-set.ts';

export class KubernetesPolicies implements PolicySource {
  readonly #cache: Pick<ClusterCache, 'storagePolicies' | 'ecPolicies' | 'onPolicies'>;
  readonly #logger: Logger;
  #listener: ((set: PolicySet) => void) | undefined;
  #told: string | undefined;
  #due = false;
  #stopFollowing: () => void = () => undefined;

  constructor(o: { cache: Pick<ClusterCache, 'storagePolicies' | 'ecPolicies' | 'onPolicies'>; logger: Logger }) {
    this.#cache = o.cache;
    this.#logger = o.logger;
  }

  onChange(listener: (set: PolicySet) => void): void {
    this.#listener = listener;
  }

  /** Resolves at once: the policies are told when all of them were read, however long the API server takes to answer. */
  async open(): Promise<void> {
    this.#stopFollowing = this.#cache.onPolicies(() => this.#take());
    this.#take();
  }

  async close(): Promise<void> {
    this.#stopFollowing();
    this.#listener = undefined;
  }

  /** Once for any number of objects that change together, as they do in a list. */
  #take(): void {
    if (this.#due) {
      return;
    }
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      this.#tell();
    });
  }

  #tell(): void {
    const { storagePolicies: storage, ecPolicies: ec } = this.#cache;
    if (this.#listener === undefined || !storage.hasSynced || !ec.hasSynced) {
      return;
    }
    const set = policySetOf({ storage, ec });
    // A problem may stay in the same words while the spec changes, and its status is about a spec.
    const ecGenerations = [...ec.store.values()].map(({ metadata }) => [metadata.uid, metadata.generation]);
    const identity = JSON.stringify([
      set.policies.map(({ policy }) => [policy.uid, policy.generation]),
      ecGenerations,
      set.ecPolicies,
      set.problems,
    ]);
    if (identity === this.#told) {
      return;
    }
    this.#told = identity;
    const policies = set.policies.map(({ policy }) => policy.name);
    this.#logger.info({ policies, ecPolicies: set.ecPolicies.map(({ name }) => name) }, 'policies read from Kubernetes');
    for (const { source, message } of set.problems) {
      this.#logger.error({ source }, `a policy cannot be used: ${message}`);
    }
    this.#listener(set);
  }
}
