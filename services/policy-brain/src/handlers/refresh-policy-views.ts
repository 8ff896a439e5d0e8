/** Brings the policies' status and the metrics up to date after a round, and logs every condition that changed. */
import type { Condition, PolicyView } from '@couchestor/shared/contracts/brain';
import type { Logger } from '@couchestor/shared/logger';
import { tiersFastestFirst } from '@couchestor/shared/tiers';
import type { BusClock } from '../adapters/bus-clock.ts';
import type { LedgerStore } from '../adapters/ledger-store.ts';
import type { PolicyRecordStore } from '../adapters/policy-record-store.ts';
import type { PolicySet } from '../adapters/policy-source.ts';
import type { Brain } from '../brain.ts';
import type { OperatorLimits } from '../domain/active-policy.ts';
import { windowSecondsOf } from '../domain/active-policy.ts';
import { totalsOf } from '../domain/policy-record.ts';
import { policyView, problemView, type StatusFacts } from '../domain/policy-status.ts';
import { prometheusTrouble } from '../domain/prometheus-trouble.ts';
import type { BrainMetrics } from '../metrics.ts';

export interface RefreshDeps {
  readonly brain: Brain;
  readonly ledger: LedgerStore;
  readonly records: Pick<PolicyRecordStore, 'get'>;
  readonly clock: BusClock;
  readonly limits: OperatorLimits;
  readonly metrics: BrainMetrics;
  readonly logger: Logger;
  /** Told of the new views. */
  readonly onViews?: (() => void) | undefined;
}

export function refreshPolicyViews(deps: RefreshDeps): void {
  const { brain, limits } = deps;
  const nowMs = deps.clock.now();
  const before = conditionsByName(brain.policyViews);
  const ecBefore = conditionsByName(brain.ecProblemViews);
  const moves = countMoves(deps);
  const movesOf = (policy: string) => ({ active: moves.byPolicy.get(policy) ?? 0, ...totalsOf(deps.records.get(policy)) });
  const troubles = new Map(brain.windows.map((window) => [window, prometheusTrouble(brain.roundsOf(window).complete)]));
  const views = (brain.policySet?.policies ?? []).map(({ policy, source }) =>
    policyView({
      policy,
      source,
      windowMeasured: brain.windows.includes(windowSecondsOf(policy)),
      round: brain.roundsOf(windowSecondsOf(policy)).complete,
      counts: brain.round?.outcome.counts.get(policy.name),
      poolTiers: brain.round?.prepared.poolTiers.get(policy.name),
      mayastorProblem: brain.mayastorProblem,
      kubernetesProblem: brain.catalogProblem,
      prometheus: troubles.get(windowSecondsOf(policy)),
      ecPolicy: ecPolicyOf(brain.policySet, policy.spec.ecPolicyRef),
      poolCordon: brain.cluster?.poolCordon,
      dryRun: policy.spec.dryRun || limits.dryRun,
      moves: movesOf(policy.name),
      before: before.get(policy.name) ?? [],
      nowMs,
    }),
  );
  const problems = brain.policySet?.problems ?? [];
  const problemViews = problems
    .filter(({ kind }) => kind === undefined)
    .map((problem) => problemView(problem, { moves: movesOf(problem.name), before: before.get(problem.name) ?? [], nowMs }));
  brain.policyViews = [...views, ...problemViews];
  // By themselves, because a name may be that of a StoragePolicy too.
  brain.ecProblemViews = problems
    .filter(({ kind }) => kind !== undefined)
    .map((problem) => problemView(problem, { moves: { active: 0, total: 0, failed: 0 }, before: ecBefore.get(problem.name) ?? [], nowMs }));
  logChanges(deps.logger, { before, after: brain.policyViews });
  logChanges(deps.logger, { before: ecBefore, after: brain.ecProblemViews });
  setMetrics(deps, moves);
  deps.onViews?.();
}

function conditionsByName(views: readonly PolicyView[]): ReadonlyMap<string, readonly Condition[]> {
  return new Map(views.map(({ name, conditions }) => [name, conditions]));
}

function ecPolicyOf(set: PolicySet | undefined, name: string | undefined): StatusFacts['ecPolicy'] {
  if (name === undefined || set?.ecPolicies.some((policy) => policy.name === name) === true) {
    return 'usable';
  }
  return set?.problems.some((problem) => problem.kind === 'ErasureCodingPolicy' && problem.name === name) === true
    ? 'invalid'
    : 'not-found';
}

/** Open moves by policy. */
function countMoves({ ledger }: RefreshDeps): { byPolicy: ReadonlyMap<string, number>; accepted: number; unaccepted: number } {
  const byPolicy = new Map<string, number>();
  let accepted = 0;
  let unaccepted = 0;
  for (const { value } of ledger.entries()) {
    if (value.pending?.accepted === true) {
      const { name } = value.pending.request.policy;
      byPolicy.set(name, (byPolicy.get(name) ?? 0) + 1);
      accepted += 1;
    } else if (value.pending !== undefined) {
      unaccepted += 1;
    }
  }
  return { byPolicy, accepted, unaccepted };
}

function logChanges(logger: Logger, o: { before: ReadonlyMap<string, readonly Condition[]>; after: readonly PolicyView[] }): void {
  for (const { name, source, conditions } of o.after) {
    for (const { type, status, reason, message } of conditions) {
      const previous = o.before.get(name)?.find((condition) => condition.type === type);
      const news = previous === undefined ? status !== 'False' || type === 'Ready' : previous.status !== status;
      if (news) {
        logger.info({ policy: name, source, condition: type, status, reason }, message === '' ? `${type} is ${status}` : message);
      }
    }
  }
}

function setMetrics({ brain, metrics }: RefreshDeps, moves: { accepted: number; unaccepted: number }): void {
  const byTier = new Map<string, number>([...tiersFastestFirst, 'mixed', 'none'].map((tier) => [tier, 0]));
  const byRule = new Map<string, { verb: string; rule: string; count: number }>();
  for (const { placement, verb, rule } of brain.round?.outcome.decisions.values() ?? []) {
    byTier.set(placement, (byTier.get(placement) ?? 0) + 1);
    const counted = byRule.get(rule) ?? { verb, rule, count: 0 };
    counted.count += 1;
    byRule.set(rule, counted);
  }
  for (const [tier, count] of byTier) {
    metrics.volumes.set({ tier }, count);
  }
  metrics.decisions.reset();
  let unknown = 0;
  for (const { verb, rule, count } of byRule.values()) {
    metrics.decisions.set({ verb, rule }, count);
    unknown += verb === 'unknown' ? count : 0;
  }
  metrics.unknownVolumes.set(unknown);
  metrics.wanted.set(brain.round?.outcome.wanted ?? 0);
  metrics.pending.set({ accepted: 'true' }, moves.accepted);
  metrics.pending.set({ accepted: 'false' }, moves.unaccepted);
  metrics.policyConditions.reset();
  // StoragePolicies last: where both kinds have one of this name, decisions are made by that one.
  for (const { name, conditions } of [...brain.ecProblemViews, ...brain.policyViews]) {
    for (const { type, status } of conditions) {
      metrics.policyConditions.set({ policy: name, type }, status === 'True' ? 1 : 0);
    }
  }
}
