/**
 * What an ErasureCodingPolicy's status says: whether its spec may be used, which spec stripes are written by, and how much is in use. Pure.
 *
 * The shape of a stripe is fixed by the first spec that was accepted. A server with CEL refuses to change it; for one without, the accepted
 * spec stands in the status, and a spec that differs from it is Invalid until it is put back.
 */
import {
  type ErasureCodingPolicySpec,
  type ErasureCodingPolicyStatus,
  erasureCodingPolicyConditions,
  storageEfficiencyOf,
} from '@couchestor/shared/erasure-coding-policy';
import type { VaultsSum } from './vaults.ts';

/** An ErasureCodingPolicy as it was read and judged. */
export interface EcPolicy {
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  /** Undefined where it may not be used. */
  readonly spec: ErasureCodingPolicySpec | undefined;
  /** Why not. */
  readonly problems: readonly string[];
  /** The spec that was accepted last, by its status. */
  readonly accepted: ErasureCodingPolicySpec | undefined;
}

export interface EcStatusFacts {
  readonly policy: EcPolicy;
  /** Volumes watched by the policies that refer to it. Undefined: not counted yet. */
  readonly volumes: number | undefined;
  /** Of the vaults that keep volumes by it. Undefined: there are none. */
  readonly vaults: VaultsSum | undefined;
  readonly before: ErasureCodingPolicyStatus | undefined;
  readonly nowMs: number;
}

/** Of a valid one. Both as in EcStatusFacts: a vault uses the policy also while it holds no volume. */
export function ecPhase(volumes: number | undefined, vaults: VaultsSum | undefined): 'Pending' | 'Ready' | 'Active' {
  return vaults !== undefined ? 'Active' : volumes === undefined ? 'Pending' : volumes > 0 ? 'Active' : 'Ready';
}

export function ecStatus({ policy, volumes, vaults, before, nowMs }: EcStatusFacts): ErasureCodingPolicyStatus {
  const { spec, problems, accepted, generation } = policy;
  const standing = spec ?? accepted;
  const message = messageOf(problems, accepted, vaults !== undefined);
  const phase = spec === undefined ? 'Invalid' : ecPhase(volumes, vaults);
  const checked = before?.observedGeneration === generation && before.message === message && before.lastValidationTime !== undefined;
  return {
    phase,
    observedGeneration: generation,
    activeVolumes: volumes === undefined ? (before?.activeVolumes ?? vaults?.volumes ?? 0) : volumes + (vaults?.volumes ?? 0),
    ...(vaults === undefined
      ? {}
      : {
          totalStripes: vaults.stripes.total,
          healthyStripes: vaults.stripes.healthy,
          degradedStripes: vaults.stripes.degraded,
          rebuildingStripes: vaults.stripes.rebuilding,
        }),
    ...(standing === undefined ? {} : { storageEfficiency: storageEfficiencyOf(standing), acceptedSpec: standing }),
    // Of the last check that found something new: a time that changes with every look would be a write for every look.
    lastValidationTime: checked ? before.lastValidationTime : new Date(nowMs).toISOString(),
    message,
    // Conditions that somebody else keeps in the same list stay theirs.
    conditions: [
      readyCondition(policy, { before, nowMs, message }),
      ...(vaults === undefined ? [] : [degradedCondition(policy, { before, nowMs, vaults })]),
      ...(before?.conditions ?? []).filter(({ type }) => !Object.hasOwn(erasureCodingPolicyConditions, type)),
    ],
  };
}

function messageOf(problems: readonly string[], accepted: ErasureCodingPolicySpec | undefined, isUsed: boolean): string {
  if (problems.length === 0 && isUsed) {
    return 'The policy is valid, and a vault keeps volumes by it.';
  }
  if (problems.length === 0) {
    return 'The policy is valid. Nothing is erasure-coded by it yet: volumes that refer to it stay replicated.';
  }
  const stands = accepted === undefined ? '' : ' The spec that was accepted before stands (status.acceptedSpec).';
  return `${problems.join('; ')}.${stands}`.slice(0, 32_000);
}

interface Seen {
  readonly before: ErasureCodingPolicyStatus | undefined;
  readonly nowMs: number;
}

function readyCondition({ generation, spec }: EcPolicy, o: Seen & { message: string }) {
  const status = spec === undefined ? ('False' as const) : ('True' as const);
  return {
    type: 'Ready',
    status,
    observedGeneration: generation,
    reason: spec === undefined ? 'Invalid' : 'Valid',
    message: o.message,
    lastTransitionTime: transitionOf('Ready', status, o),
  };
}

function degradedCondition({ generation }: EcPolicy, o: Seen & { vaults: VaultsSum }) {
  const { degraded } = o.vaults;
  const status = degraded === undefined ? ('False' as const) : ('True' as const);
  return {
    type: 'Degraded',
    status,
    observedGeneration: generation,
    reason: degraded?.reason ?? 'AllWell',
    message: degraded?.message ?? 'Every vault of the policy keeps what it promises.',
    lastTransitionTime: transitionOf('Degraded', status, o),
  };
}

function transitionOf(type: string, status: string, { before, nowMs }: Seen): string {
  const previous = before?.conditions?.find((condition) => condition.type === type);
  const unchanged = previous?.status === status ? previous.lastTransitionTime : undefined;
  return unchanged ?? new Date(nowMs).toISOString();
}
