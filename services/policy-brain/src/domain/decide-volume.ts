/**
 * The decision on one volume: which policy, what was measured, which tier, and what holds the move back. Pure.
 *
 * It answers with a verb, the code of the rule that decided, and a reason in words and numbers; never with nothing (S5).
 */
import type { Decision, LedgerEntry } from '@couchestor/shared/contracts/brain';
import type { VolumeSample } from '@couchestor/shared/contracts/volume-sampled';
import { type CurrentTier, currentTier, type PoolTier, type Tier } from '@couchestor/shared/tiers';
import { type ActivePolicy, type PoolTiers, selectsVolume } from './active-policy.ts';
import { decideTier, isPromotion } from './decide-tier.ts';
import { holdBack } from './hold-back.ts';
import type { Cluster, KnownVolume } from './known-volume.ts';
import { measure } from './measure.ts';
import { type RuleCode, rules } from './rules.ts';
import type { CompleteRound } from './samples.ts';
import { look, mayLook } from './sight.ts';
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
  /** Why policies and labels may not be decided on: an old reading of Kubernetes, or none. */
  readonly catalogProblem: string | undefined;
  /** Policies by the storage class that they are written for, enabled ones and disabled ones. */
  readonly policiesByClass: ReadonlyMap<string, readonly PolicyInRound[]>;
  /** How many volumes have a refusal on record, and the number of this round: which of them are looked at again. */
  readonly looks: { readonly refusals: number; readonly turn: number };
  readonly nowMs: number;
  readonly decidedAt: string;
}

/** A move that is wanted and that nothing but a free slot holds back. */
export interface WantedMove extends Wish {
  readonly to: Tier;
  readonly from: Tier | 'mixed';
  readonly iops: number;
  readonly active: ActivePolicy;
  readonly poolTiers: PoolTiers;
  readonly volume: KnownVolume;
}

export interface VolumeDecision {
  readonly decision: Decision;
  readonly wanted?: WantedMove;
  /** The one enabled policy that acts on the volume. */
  readonly policy?: ActivePolicy | undefined;
  /** Names of the policies that fight for it. */
  readonly conflict?: readonly string[];
  /** The tier that it counts for. */
  readonly tier?: Tier | undefined;
}

/** As long as a sentence of the contract may be. */
const reasonCharsMax = 2_000;

export function decideVolume(volume: KnownVolume, entry: LedgerEntry | undefined, facts: RoundFacts): VolumeDecision {
  const selecting =
    facts.policiesByClass.get(volume.storageClass ?? '')?.filter(({ active }) => selectsVolume(active.policy, volume)) ?? [];
  const enabled = selecting.length === 0 ? selecting : selecting.filter(({ active }) => active.policy.spec.enabled);
  const [policy, second] = enabled;
  const draft = startDecision(volume, policy, facts);
  if (entry?.pending !== undefined) {
    return { decision: pendingDecision(draft, entry.pending), policy: policy?.active, tier: draft.current };
  }
  if (facts.catalogProblem !== undefined) {
    return decidedBy(draft, 'KUBERNETES_UNREADABLE', facts.catalogProblem);
  }
  if (volume.catalogProblem !== undefined) {
    // By labels that are not known no policy selects it, whichever seems to.
    return { decision: decided(startDecision(volume, undefined, facts), { rule: 'LABELS_UNKNOWN', reason: volume.catalogProblem }) };
  }
  if (second !== undefined) {
    const names = enabled.map(({ active }) => active.policy.name).sort();
    const words = `policies ${names.join(' and ')} both select the volume, so neither acts on it: narrow a storageClassName or a volumeSelector`;
    return { decision: decided(draft, { rule: 'CONFLICT', reason: words, policy: names.join(', ') }), conflict: names };
  }
  if (policy === undefined) {
    return { decision: unclaimed(draft, volume, selecting) };
  }
  return decideByPolicy({ volume, entry, policy, facts, draft });
}

/** What is known of the volume before any rule is asked. */
interface Draft {
  readonly volumeId: string;
  readonly decidedAt: string;
  readonly policy: ActivePolicy | undefined;
  readonly placement: CurrentTier['placement'];
  /** The tier to decide from. */
  readonly current: Tier | undefined;
  readonly sample: VolumeSample | undefined;
  readonly sampleAgeMs: number | undefined;
}

function startDecision(volume: KnownVolume, policy: PolicyInRound | undefined, facts: RoundFacts): Draft {
  const { placement, decideAs } = placementOf(volume, policy);
  return {
    volumeId: volume.id,
    decidedAt: facts.decidedAt,
    policy: policy?.active,
    placement,
    current: decideAs,
    sample: policy?.round?.samples.get(volume.id),
    sampleAgeMs: policy?.round === undefined ? undefined : Math.max(0, facts.nowMs - policy.round.publishedAtMs),
  };
}

function placementOf({ replicas }: KnownVolume, policy: PolicyInRound | undefined): CurrentTier {
  return currentTier(replicas.map(({ pool }): PoolTier => policy?.poolTiers.tierOf.get(pool ?? '') ?? 'none'));
}

function decideByPolicy(o: {
  volume: KnownVolume;
  entry: LedgerEntry | undefined;
  policy: PolicyInRound;
  facts: RoundFacts;
  draft: Draft;
}): VolumeDecision {
  const { volume, entry, facts, draft } = o;
  const { active: policy, poolTiers, round } = o.policy;
  const { cluster, nowMs } = facts;
  const { current: tier, sample } = draft;
  if (cluster === undefined || !facts.readable) {
    return decidedBy(draft, 'MAYASTOR_UNREADABLE', 'Mayastor could not be read, and without it nobody knows where the replicas lie');
  }
  if (!policy.windowMeasured) {
    return decidedBy(
      draft,
      'NO_WINDOW',
      `eight other sampling windows are in use; give the policy one of those instead of ${policy.policy.spec.samplingWindow}`,
    );
  }
  if (volume.replicas.length === 0 || volume.replicas.some(({ pool }) => pool === undefined)) {
    return decidedBy(draft, 'PLACEMENT_UNKNOWN', 'Mayastor does not say on which pool every replica lies; a node may be away');
  }
  const measured = measure({ round, sample, published: volume.published, windowText: policy.policy.spec.samplingWindow, nowMs });
  if (!measured.known) {
    return decidedBy(draft, measured.rule, measured.words);
  }
  if (tier === undefined) {
    return decidedBy(
      draft,
      'OUTSIDE_TIERS',
      'no replica lies on a pool that exactly one tier of the policy selects: label its pools, or move it to a tier by hand',
    );
  }
  const { watermarks, destinations } = policy;
  const { rule: tierRule, to } = decideTier({ current: tier, iops: measured.iops, watermarks, destinations });
  const mixed = draft.placement === 'mixed';
  const words = `${measured.words}, ${tierWords({ rule: tierRule, current: tier, watermarks })}`;
  if (tierRule === 'STAY' && !mixed) {
    return decidedBy(draft, 'STAY', words);
  }
  const rule: RuleCode = tierRule === 'STAY' ? 'REPAIR' : tierRule;
  const reason = rule === 'REPAIR' ? `${words}; replicas lie in several tiers and are brought together in ${to}` : words;
  const held = holdBack({
    volume,
    entry,
    policy,
    to,
    exemptFromCooldown: mixed && (rule === 'REPAIR' || stoppedHalfWay(entry, to)),
    tiersWithOnlinePool: poolTiers.withOnlinePool,
    nowMs,
    look: () => (mayLook(volume.id, facts.looks) ? look({ volume, to, policy, poolTiers, cluster }) : undefined),
  });
  if (held !== undefined) {
    return decidedBy(draft, held.rule, `${reason}. ${held.words}`, to);
  }
  const wanted: WantedMove = {
    volumeId: volume.id,
    policy: policy.policy.name,
    urgent: mixed || isPromotion(tier, to),
    sinceMs: facts.nowMs,
    to,
    from: mixed ? 'mixed' : tier,
    iops: measured.iops,
    active: policy,
    poolTiers,
    volume,
  };
  return { ...decidedBy(draft, rule, reason, to), wanted };
}

function decidedBy(draft: Draft, rule: RuleCode, reason: string, to?: Tier): VolumeDecision {
  return { decision: decided(draft, { rule, reason, to }), policy: draft.policy, tier: draft.current };
}

/** The last move was to the same tier and left some replicas behind: to go on is not to move again. */
function stoppedHalfWay(entry: LedgerEntry | undefined, to: Tier): boolean {
  const last = entry?.history[0];
  return last !== undefined && last.to === to && last.result.outcome !== 'success' && last.result.replicasMoved > 0;
}

function pendingDecision(draft: Draft, { request, accepted, step }: NonNullable<LedgerEntry['pending']>): Decision {
  const rule = accepted ? 'MOVING' : 'REQUESTED';
  const words = accepted ? `${request.moveId} is at step ${step ?? 'analyze'}` : `${request.moveId} was requested and waits for a migrator`;
  return decided(draft, { rule, reason: `${request.reason}. Move ${words}`, to: request.to, policy: request.policy.name });
}

function unclaimed(draft: Draft, volume: KnownVolume, [disabled]: readonly PolicyInRound[]): Decision {
  if (disabled === undefined) {
    return decided(draft, { rule: 'NO_POLICY', reason: `no policy selects it (storage class ${volume.storageClass ?? 'not known'})` });
  }
  const { name } = disabled.active.policy;
  return decided(draft, { rule: 'POLICY_DISABLED', reason: `policy ${name} selects the volume and is disabled`, policy: name });
}

/** One literal with the optional fields added after it: this is made for every volume in every round, and spreading costs several times that. */
function decided(draft: Draft, o: { rule: RuleCode; reason: string; to?: Tier | undefined; policy?: string }): Decision {
  const decision: Decision = {
    volumeId: draft.volumeId,
    decidedAt: draft.decidedAt,
    verb: rules[o.rule].verb,
    rule: o.rule,
    reason: flat(o.reason),
    placement: draft.placement,
  };
  const policy = o.policy ?? draft.policy?.policy.name;
  if (policy !== undefined) {
    decision.policy = policy;
  }
  if (draft.policy !== undefined) {
    decision.watermarks = draft.policy.watermarks;
  }
  if (draft.sample !== undefined) {
    decision.sample = draft.sample;
  }
  if (draft.sampleAgeMs !== undefined) {
    decision.sampleAgeMs = draft.sampleAgeMs;
  }
  if (o.to !== undefined) {
    decision.to = o.to;
  }
  return decision;
}

/**
 * V8 keeps joined strings as a tree of their parts until one reads them. Reading them at once leaves one short string instead of a dozen
 * objects for each volume, which halves what garbage collection has to carry from round to round.
 */
function flat(reason: string): string {
  const text = reason.length > reasonCharsMax ? reason.slice(0, reasonCharsMax) : reason;
  text.charCodeAt(0);
  return text;
}
