/** What a policy's status says: phase, counters, and conditions that keep the time of their last change. Pure. */
import type { Condition, PolicyView } from '@couchestor/shared/contracts/brain';
import type { StoragePolicy } from '@couchestor/shared/storage-policy';
import type { PoolTiers } from './active-policy.ts';
import { windowSecondsOf } from './active-policy.ts';
import type { PolicyCounts } from './decide-round.ts';
import { type CompleteRound, isFresh } from './samples.ts';

export interface StatusFacts {
  readonly policy: StoragePolicy;
  readonly source: string;
  readonly windowMeasured: boolean;
  readonly round: CompleteRound | undefined;
  readonly counts: PolicyCounts | undefined;
  readonly poolTiers: PoolTiers | undefined;
  readonly mayastorProblem: string | undefined;
  /** Why what was read from Kubernetes may not be decided on. */
  readonly kubernetesProblem: string | undefined;
  /** Volumes that could not be measured because Prometheus failed, and how. */
  readonly prometheus: PrometheusTrouble | undefined;
  /** Whether the ErasureCodingPolicy that the policy refers to may be used. */
  readonly ecPolicy: 'usable' | 'not-found' | 'invalid';
  /** Undefined: not known yet. */
  readonly poolCordon: boolean | undefined;
  readonly dryRun: boolean;
  readonly moves: { readonly active: number; readonly total: number; readonly failed: number };
  readonly before: readonly Condition[];
  readonly nowMs: number;
}

export interface PrometheusTrouble {
  readonly volumes: number;
  /** Of those that had to be measured. */
  readonly of: number;
  readonly example: string;
}

/** A file or custom resource that could not be read as a policy. */
export interface PolicyProblem {
  readonly name: string;
  readonly source: string;
  readonly message: string;
  /** Where the document says so; otherwise it is a StoragePolicy, or nobody can tell. */
  readonly kind?: 'ErasureCodingPolicy';
  /** Of a custom resource: its status says what is wrong. */
  readonly object?: { readonly uid: string; readonly generation: number };
}

type Finding = Omit<Condition, 'lastTransitionTime'>;

export function policyView(facts: StatusFacts): PolicyView {
  const { name, spec } = facts.policy;
  const findings = problemsOf(facts);
  const { byTier = { hot: 0, warm: 0, cold: 0 }, volumes = 0 } = facts.counts ?? {};
  return {
    name,
    source: facts.source,
    phase: phaseOf(facts),
    enabled: spec.enabled,
    dryRun: facts.dryRun,
    watermarks: { high: spec.highWatermarkIOPS, warm: spec.warmWatermarkIOPS, low: spec.lowWatermarkIOPS },
    samplingWindow: spec.samplingWindow,
    watchedVolumes: volumes,
    hotVolumes: byTier.hot,
    warmVolumes: byTier.warm,
    coldVolumes: byTier.cold,
    activeMigrations: facts.moves.active,
    totalMigrations: facts.moves.total,
    failedMigrations: facts.moves.failed,
    conditions: withTransitions([readiness(facts, findings), ...findings], facts),
  };
}

/** A policy in phase Error takes no decisions until it is corrected. */
export function problemView(
  problem: PolicyProblem,
  o: { moves: StatusFacts['moves']; before: readonly Condition[]; nowMs: number },
): PolicyView {
  return {
    name: problem.name,
    source: problem.source,
    phase: 'Error',
    enabled: false,
    dryRun: false,
    watchedVolumes: 0,
    hotVolumes: 0,
    warmVolumes: 0,
    coldVolumes: 0,
    activeMigrations: o.moves.active,
    totalMigrations: o.moves.total,
    failedMigrations: o.moves.failed,
    conditions: withTransitions([finding('Ready', 'False', 'Invalid', problem.message)], o),
  };
}

function phaseOf({ policy, windowMeasured, counts }: StatusFacts): PolicyView['phase'] {
  if (!policy.spec.enabled) {
    return 'Disabled';
  }
  if (!windowMeasured) {
    return 'Error';
  }
  return counts === undefined ? 'Pending' : 'Active';
}

/** Each is True where there is something to be done about it. */
function problemsOf(facts: StatusFacts): Finding[] {
  const { policy, round, nowMs } = facts;
  const { samplingWindow } = policy.spec;
  const conflicts = facts.counts?.conflicts;
  const fresh = round !== undefined && isFresh(round, nowMs);
  const withoutPool = [...(facts.counts?.withoutPool ?? [])];
  return [
    problem(
      'TooManyWindows',
      'NinthWindow',
      facts.windowMeasured || !policy.spec.enabled
        ? undefined
        : `Eight other sampling windows are in use, and ${samplingWindow} (${windowSecondsOf(policy)} s) is a ninth: give the policy one of those.`,
    ),
    problem(
      'MeasurementUnavailable',
      round === undefined ? 'NoRound' : 'Stale',
      fresh || !policy.spec.enabled
        ? undefined
        : `There is no complete round of samples over ${samplingWindow} that is fresh enough to decide on. Check metrics-watcher and Prometheus.`,
    ),
    prometheusFinding(facts, fresh),
    problem('MayastorUnavailable', 'NotReadable', facts.mayastorProblem),
    problem('KubernetesUnavailable', 'NotReadable', facts.kubernetesProblem),
    problem(
      'Unsupported',
      'NoPoolCordon',
      facts.poolCordon === false
        ? 'This Mayastor cannot cordon a pool: decisions are made and explained, moves are refused. Upgrade to Mayastor 2.10 (OpenEBS 4.4) or newer.'
        : undefined,
    ),
    problem(
      'EcNotSupported',
      'NotImplemented',
      policy.spec.ecPolicyRef === undefined
        ? undefined
        : `ecPolicyRef ${policy.spec.ecPolicyRef} is not acted on yet: cold volumes stay replicated.`,
    ),
    problem('EcPolicyInvalid', facts.ecPolicy === 'invalid' ? 'Invalid' : 'NotFound', ecPolicyWords(policy, facts.ecPolicy)),
    problem(
      'Conflict',
      'TwoPolicies',
      conflicts === undefined || conflicts.volumes === 0
        ? undefined
        : `${conflicts.volumes} volumes (${conflicts.examples.join(', ')}${conflicts.volumes > conflicts.examples.length ? ', ...' : ''}) are also selected by ${[...conflicts.policies].sort().join(', ')}. No policy acts on them: narrow a storageClassName or a volumeSelector.`,
    ),
    problem(
      'NoEligiblePool',
      'NoneOnline',
      withoutPool.length === 0
        ? undefined
        : `Volumes are to move to ${withoutPool.join(' and ')}, where no pool is online: label a pool for it, or bring one back.`,
    ),
    problem(
      'AmbiguousPools',
      'TwoTiers',
      listed(facts.poolTiers?.ambiguous, 'are selected by two tiers and used by none: narrow the selectors.'),
    ),
    problem(
      'UnselectedPools',
      'NoTier',
      listed(facts.poolTiers?.unselected, 'belong to no tier of this policy and are never a destination.'),
    ),
  ];
}

/** Ready: decisions of this policy are made and acted on. */
function readiness(facts: StatusFacts, findings: readonly Finding[]): Finding {
  if (!facts.policy.spec.enabled) {
    return finding('Ready', 'False', 'Disabled', 'The policy is disabled: nothing is decided by it.');
  }
  const stopping = ['TooManyWindows', 'KubernetesUnavailable', 'MayastorUnavailable', 'MeasurementUnavailable', 'Unsupported'];
  const { prometheus } = facts;
  if (prometheus !== undefined && prometheus.volumes === prometheus.of) {
    stopping.push('PrometheusUnavailable');
  }
  const stopped = findings.find(({ type, status }) => status === 'True' && stopping.includes(type));
  if (stopped !== undefined) {
    return finding('Ready', 'False', stopped.type, stopped.message);
  }
  if (facts.counts === undefined) {
    return finding('Ready', 'Unknown', 'NotDecidedYet', 'The first round has not been decided yet.');
  }
  const { volumes, unknown } = facts.counts;
  return finding(
    'Ready',
    'True',
    facts.dryRun ? 'DryRun' : 'Deciding',
    `${volumes} volumes are watched, ${unknown} of them without a usable measurement.`,
  );
}

function withTransitions(findings: readonly Finding[], o: { before: readonly Condition[]; nowMs: number }): Condition[] {
  return findings.map((found) => {
    const previous = o.before.find(({ type }) => type === found.type);
    const lastTransitionTime = previous?.status === found.status ? previous.lastTransitionTime : new Date(o.nowMs).toISOString();
    return { ...found, lastTransitionTime };
  });
}

function problem(type: string, reason: string, message: string | undefined): Finding {
  return message === undefined ? finding(type, 'False', 'AsExpected', '') : finding(type, 'True', reason, message);
}

function finding(type: string, status: Condition['status'], reason: string, message: string): Finding {
  return { type, status, reason, message: message.slice(0, 2_000) };
}

/** Told by the samples. Without any, nobody has asked Prometheus, and it may be well. */
function prometheusFinding({ policy, prometheus }: StatusFacts, fresh: boolean): Finding {
  if (!policy.spec.enabled) {
    return problem('PrometheusUnavailable', '', undefined);
  }
  if (!fresh) {
    return finding('PrometheusUnavailable', 'Unknown', 'NotMeasured', 'Without a fresh round of samples nothing is known of Prometheus.');
  }
  const words =
    prometheus === undefined
      ? undefined
      : `${prometheus.volumes} of ${prometheus.of} volumes could not be measured, because Prometheus could not be asked: ${prometheus.example}`;
  return problem('PrometheusUnavailable', 'QueriesFail', words);
}

function ecPolicyWords({ spec: { ecPolicyRef } }: StoragePolicy, found: StatusFacts['ecPolicy']): string | undefined {
  if (ecPolicyRef === undefined || found === 'usable') {
    return undefined;
  }
  return found === 'invalid'
    ? `ecPolicyRef ${ecPolicyRef} names an ErasureCodingPolicy that is not valid: its status says why.`
    : `ecPolicyRef ${ecPolicyRef} names no ErasureCodingPolicy: create it, or correct the name.`;
}

function listed(names: readonly string[] | undefined, words: string): string | undefined {
  if (names === undefined || names.length === 0) {
    return undefined;
  }
  const shown = names.slice(0, 5).join(', ');
  return `Pools ${shown}${names.length > 5 ? ` and ${names.length - 5} more` : ''} ${words}`;
}
