/**
 * The decision on one volume: which policy, what was measured, which tier, and what holds the move back. Pure.
 *
 * It answers with a verb, the code of the rule that decided, and a reason in words and numbers; never with nothing (S5).
 */
import type { Decision, LedgerEntry } from '@couchestor/shared/contracts/brain';
import { currentTier, type PoolTier, type Tier } from '@couchestor/shared/tiers';
import { type ActivePolicy, type PoolTiers, selectsVolume } from './active-policy.ts';
import { decideTier, isPromotion } from './decide-tier.ts';
import { holdBack } from './hold-back.ts';
import type { Cluster, KnownVolume } from './known-volume.ts';
import { measure, sampleOf } from './measure.ts';
import { type RuleCode, rules } from './rules.ts';
import type { CompleteRound } from './samples.ts';
import { look } from './sight.ts';
import type { Wish } from './slots.ts';
import { tierWords } from './words.ts';

/** A policy with what this round knows about it. */
export interface PolicyInRound {
  readonly active: ActivePolicy;
  readonly poolTiers: PoolTiers;
  readonly round: CompleteRound | undefined;
}

export interface RoundFacts {
  readonly cluster: Cluster | undefined;
  /** False: Mayastor could not be read in this round, and `cluster` is an old reading. */
  readonly readable: boolean;
  /** Policies by the storage class that they are written for, enabled ones and disabled ones. */
  readonly policiesByClass: ReadonlyMap<string, readonly PolicyInRound[]>;
  readonly nowMs: number;
  readonly decidedAt: string;
}

/** A move that is wanted and that nothing but a free slot holds back. */
export interface WantedMove extends Omit<Wish, 'sinceMs'> {
  readonly to: Tier;
  readonly from: Tier | 'mixed';
  readonly iops: number;
  readonly active: ActivePolicy;
  readonly volume: KnownVolume;
}

export interface VolumeDecision {
  readonly decision: Decision;
  readonly wanted?: WantedMove;
  /** The one enabled policy that acts on the volume. */
  readonly policy?: ActivePolicy;
  /** Names of the policies that fight for it. */
  readonly conflict?: readonly string[];
  /** The tier that it counts for. */
  readonly tier?: Tier;
}

export function decideVolume(volume: KnownVolume, entry: LedgerEntry | undefined, facts: RoundFacts): VolumeDecision {
  const selecting = (facts.policiesByClass.get(volume.storageClass ?? '') ?? []).filter(({ active }) => selectsVolume(active.policy, volume));
  const enabled = selecting.filter(({ active }) => active.policy.spec.enabled);
  const [policy, second] = enabled;
  const draft = startDecision(volume, policy, facts);
  if (entry?.pending !== undefined) {
    return { decision: pendingDecision(draft, entry.pending), ...(policy === undefined ? {} : { policy: policy.active, ...tierOf(draft) }) };
  }
  if (second !== undefined) {
    const names = enabled.map(({ active }) => active.policy.name).sort();
    const words = `policies ${names.join(' and ')} both select the volume, so neither acts on it: narrow a storageClassName or a volumeSelector`;
    return { decision: { ...decided(draft, 'CONFLICT', words), policy: names.join(', ') }, conflict: names };
  }
  if (policy === undefined) {
    return { decision: unclaimed(draft, volume, selecting) };
  }
  return { ...decideByPolicy({ volume, entry, policy, facts, draft }), policy: policy.active, ...tierOf(draft) };
}

interface Draft {
  readonly base: Omit<Decision, 'verb' | 'rule' | 'reason'>;
  readonly current: Tier | undefined;
  readonly placementKnown: boolean;
}

function startDecision(volume: KnownVolume, policy: PolicyInRound | undefined, facts: RoundFacts): Draft {
  const placementKnown = volume.replicas.length > 0 && volume.replicas.every(({ pool }) => pool !== undefined);
  const poolTiers = volume.replicas.map(({ pool }): PoolTier => policy?.poolTiers.tierOf.get(pool ?? '') ?? 'none');
  const { placement, decideAs } = currentTier(poolTiers);
  const seen = sampleOf(policy?.round, volume.id, facts.nowMs);
  const base = {
    volumeId: volume.id,
    decidedAt: facts.decidedAt,
    placement,
    ...(policy === undefined ? {} : { policy: policy.active.policy.name, watermarks: policy.active.watermarks }),
    ...(seen.sample === undefined ? {} : { sample: seen.sample }),
    ...(seen.ageMs === undefined ? {} : { sampleAgeMs: seen.ageMs }),
  };
  return { base, current: decideAs, placementKnown };
}

function decideByPolicy(o: { volume: KnownVolume; entry: LedgerEntry | undefined; policy: PolicyInRound; facts: RoundFacts; draft: Draft }): VolumeDecision {
  const { volume, entry, facts, draft } = o;
  const { active, poolTiers, round } = o.policy;
  const { cluster, nowMs } = facts;
  if (cluster === undefined || !facts.readable) {
    return { decision: decided(draft, 'MAYASTOR_UNREADABLE', 'Mayastor could not be read, and without it nobody knows where the replicas lie') };
  }
  if (!active.windowMeasured) {
    return { decision: decided(draft, 'NO_WINDOW', `eight other sampling windows are in use; give the policy one of those instead of ${active.policy.spec.samplingWindow}`) };
  }
  if (!draft.placementKnown) {
    return { decision: decided(draft, 'PLACEMENT_UNKNOWN', 'Mayastor does not say on which pool every replica lies; a node may be away') };
  }
  const measured = measure({ round, sample: draft.base.sample, published: volume.published, windowText: active.policy.spec.samplingWindow, nowMs });
  if (!measured.known) {
    return { decision: decided(draft, measured.rule, measured.words) };
  }
  const { current } = draft;
  if (current === undefined) {
    return { decision: decided(draft, 'OUTSIDE_TIERS', 'no replica lies on a pool that exactly one tier of the policy selects: label its pools, or move it to a tier by hand') };
  }
  const { watermarks, destinations } = active;
  const tier = decideTier({ current, iops: measured.iops, watermarks, destinations });
  const mixed = draft.base.placement === 'mixed';
  const words = `${measured.words}, ${tierWords({ decision: tier, current, watermarks })}`;
  if (tier.rule === 'STAY' && !mixed) {
    return { decision: decided(draft, 'STAY', words) };
  }
  const rule: RuleCode = tier.rule === 'STAY' ? 'REPAIR' : tier.rule;
  const reason = rule === 'REPAIR' ? `${words}; replicas lie in several tiers and are brought together in ${tier.to}` : words;
  const held = holdBack({
    volume,
    entry,
    policy: active,
    to: tier.to,
    exemptFromCooldown: mixed && (rule === 'REPAIR' || stoppedHalfWay(entry, tier.to)),
    tiersWithOnlinePool: poolTiers.withOnlinePool,
    nowMs,
    look: () => look({ volume, to: tier.to, policy: active, cluster }),
  });
  if (held !== undefined) {
    return { decision: { ...decided(draft, held.rule, `${reason}. ${held.words}`), to: tier.to } };
  }
  return {
    decision: { ...decided(draft, rule, reason), to: tier.to },
    wanted: {
      volumeId: volume.id,
      policy: active.policy.name,
      urgent: mixed || isPromotion(current, tier.to),
      to: tier.to,
      from: mixed ? 'mixed' : current,
      iops: measured.iops,
      active,
      volume,
    },
  };
}

/** The last move was to the same tier and left some replicas behind: to go on is not to move again. */
function stoppedHalfWay(entry: LedgerEntry | undefined, to: Tier): boolean {
  const last = entry?.history[0];
  return last !== undefined && last.to === to && last.result.outcome !== 'success' && last.result.replicasMoved > 0;
}

function pendingDecision(draft: Draft, pending: NonNullable<LedgerEntry['pending']>): Decision {
  const { request, accepted, step } = pending;
  const rule = accepted ? 'MOVING' : 'REQUESTED';
  const words = accepted ? `${request.moveId} is at step ${step ?? 'analyze'}` : `${request.moveId} was requested and waits for a migrator`;
  return { ...decided(draft, rule, `${request.reason}. Move ${words}`), policy: request.policy.name, to: request.to };
}

function unclaimed(draft: Draft, volume: KnownVolume, disabled: readonly PolicyInRound[]): Decision {
  const [policy] = disabled;
  if (policy !== undefined) {
    return { ...decided(draft, 'POLICY_DISABLED', `policy ${policy.active.policy.name} selects the volume and is disabled`), policy: policy.active.policy.name };
  }
  return decided(draft, 'NO_POLICY', `no policy selects it (storage class ${volume.storageClass ?? 'not known'})`);
}

function decided({ base }: Draft, rule: RuleCode, reason: string): Decision {
  return { ...base, verb: rules[rule].verb, rule, reason: reason.slice(0, 2_000) };
}

function tierOf({ current }: Draft): { tier?: Tier } {
  return current === undefined ? {} : { tier: current };
}
