/** The policies of a world, as people change them. */
import type { PolicySet } from '@couchestor/policy-brain/adapters/policy-source';
import type { StoragePolicySpec } from '@couchestor/shared/storage-policy';
import type { PolicyChange } from './events.ts';
import type { PlannedPolicy } from './plan.ts';

interface LivePolicy {
  readonly name: string;
  readonly written: StoragePolicySpec;
  spec: StoragePolicySpec;
  generation: number;
  state: 'there' | 'deleted' | 'invalid';
}

export class Policies {
  readonly #policies: LivePolicy[];
  /** Every spec that a policy had, and until when: a brain in the middle of a round still decides by an older one. */
  readonly #past: { readonly uid: string; readonly spec: StoragePolicySpec; readonly untilMs: number }[] = [];
  readonly #now: () => number;

  constructor(planned: readonly PlannedPolicy[], now: () => number) {
    this.#now = now;
    this.#policies = planned.map(({ name, spec }) => ({ name, written: spec, spec, generation: 1, state: 'there' }));
  }

  get size(): number {
    return this.#policies.length;
  }

  /** What a policy that is there now, or was at any time since then, said. */
  specsSince(uid: string, sinceMs: number): StoragePolicySpec[] {
    return [
      ...this.#policies.filter(({ name, state }) => state === 'there' && uidOf(name) === uid).map(({ spec }) => spec),
      ...this.#past.filter((past) => past.uid === uid && past.untilMs >= sinceMs).map(({ spec }) => spec),
    ];
  }

  windows(): string[] {
    return [...new Set(this.#policies.map(({ spec }) => spec.samplingWindow))];
  }

  set(): PolicySet {
    const there = this.#policies.filter(({ state }) => state === 'there');
    return {
      policies: there.map(({ name, spec, generation }) => ({
        policy: { name, uid: uidOf(name), generation, spec },
        source: `${name}.yaml`,
      })),
      ecPolicies: [],
      problems: this.#policies
        .filter(({ state }) => state === 'invalid')
        .map(({ name }) => ({ name, source: `${name}.yaml`, message: 'spec.nope is no field: remove it' })),
    };
  }

  change(index: number, change: PolicyChange): void {
    const policy = this.#policies[index];
    if (policy === undefined) {
      return;
    }
    if (policy.state === 'there') {
      this.#past.push({ uid: uidOf(policy.name), spec: policy.spec, untilMs: this.#now() });
    }
    policy.generation += 1;
    policy.state = change === 'delete' ? 'deleted' : change === 'invalid' ? 'invalid' : 'there';
    policy.spec = { ...(change === 'restore' ? policy.written : policy.spec), ...changed(change, policy.spec) };
  }

  disableAll(): void {
    for (const index of this.#policies.keys()) {
      this.change(index, 'disable');
    }
  }
}

function uidOf(name: string): string {
  return `file:${name}`;
}

function changed(change: PolicyChange, spec: StoragePolicySpec): Partial<StoragePolicySpec> {
  switch (change) {
    case 'disable':
      return { enabled: false };
    case 'dry-run':
      return { dryRun: !spec.dryRun };
    case 'watermarks':
      return spec.highWatermarkIOPS === 5_000 ? { highWatermarkIOPS: 9_000 } : { highWatermarkIOPS: 5_000 };
    case 'preservation':
      return { preservationMode: !spec.preservationMode };
    case 'selectors':
      return { hotPoolSelector: spec.warmPoolSelector, warmPoolSelector: spec.hotPoolSelector };
    default:
      return {};
  }
}
