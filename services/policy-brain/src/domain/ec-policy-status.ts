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

/** Counted by whoever keeps the stripes; absent until there are any. */
export interface StripeCounts {
  readonly total: number;
  readonly healthy: number;
  readonly degraded: number;
  readonly rebuilding: number;
}

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
  readonly stripes: StripeCounts | undefined;
  readonly before: ErasureCodingPolicyStatus | undefined;
  readonly nowMs: number;
}

/** Of a valid one. `volumes` as in EcStatusFacts. */
export function ecPhase(volumes: number | undefined): 'Pending' | 'Ready' | 'Active' {
  return volumes === undefined ? 'Pending' : volumes > 0 ? 'Active' : 'Ready';
}

export function ecStatus({ policy, volumes, stripes, before, nowMs }: EcStatusFacts): ErasureCodingPolicyStatus {
  const { spec, problems, accepted, generation } = policy;
  const standing = spec ?? accepted;
  const message = messageOf(problems, accepted);
  const phase = spec === undefined ? 'Invalid' : ecPhase(volumes);
  const checked = before?.observedGeneration === generation && before.message === message && before.lastValidationTime !== undefined;
  return {
    phase,
    observedGeneration: generation,
    activeVolumes: volumes ?? before?.activeVolumes ?? 0,
    ...(stripes === undefined
      ? {}
      : {
          totalStripes: stripes.total,
          healthyStripes: stripes.healthy,
          degradedStripes: stripes.degraded,
          rebuildingStripes: stripes.rebuilding,
        }),
    ...(standing === undefined ? {} : { storageEfficiency: storageEfficiencyOf(standing), acceptedSpec: standing }),
    // Of the last check that found something new: a time that changes with every look would be a write for every look.
    lastValidationTime: checked ? before.lastValidationTime : new Date(nowMs).toISOString(),
    message,
    // Conditions that somebody else keeps in the same list stay theirs.
    conditions: [
      readyCondition(policy, { before, nowMs, message }),
      ...(before?.conditions ?? []).filter(({ type }) => !Object.hasOwn(erasureCodingPolicyConditions, type)),
    ],
  };
}

function messageOf(problems: readonly string[], accepted: ErasureCodingPolicySpec | undefined): string {
  if (problems.length === 0) {
    return 'The policy is valid. Nothing is erasure-coded by it yet: volumes that refer to it stay replicated.';
  }
  const stands = accepted === undefined ? '' : ' The spec that was accepted before stands (status.acceptedSpec).';
  return `${problems.join('; ')}.${stands}`.slice(0, 32_000);
}

function readyCondition(
  { generation, spec }: EcPolicy,
  o: { before: ErasureCodingPolicyStatus | undefined; nowMs: number; message: string },
) {
  const status = spec === undefined ? ('False' as const) : ('True' as const);
  const previous = o.before?.conditions?.find(({ type }) => type === 'Ready');
  const unchanged = previous?.status === status ? previous.lastTransitionTime : undefined;
  return {
    type: 'Ready',
    status,
    observedGeneration: generation,
    reason: spec === undefined ? 'Invalid' : 'Valid',
    message: o.message,
    lastTransitionTime: unchanged ?? new Date(o.nowMs).toISOString(),
  };
}
