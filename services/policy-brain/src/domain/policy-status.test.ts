import { policyViewSchema } from '@couchestor/shared/contracts/brain';
import { describe, expect, it } from 'vitest';
import {
  clusterWith,
  limits,
  measured,
  nowMs,
  policyOf,
  poolOf,
  roundOf,
  type SituationInput,
  situation,
  volumeOf,
} from '../testing/fixtures.ts';
import { decideRound } from './decide-round.ts';
import { policyView, problemView, type StatusFacts } from './policy-status.ts';

function view(o: Partial<StatusFacts> & { readonly given?: SituationInput } = {}) {
  const prepared = situation(o.given);
  const policy = o.policy ?? prepared.policies[0]?.policy ?? policyOf('gold');
  const { counts } = decideRound(prepared, { ledger: new Map(), open: [], wishes: new Map() });
  return policyView({
    policy,
    source: 'gold.yaml',
    windowMeasured: true,
    round: roundOf([measured(100)]),
    counts: counts.get(policy.name),
    poolTiers: prepared.poolTiers.get(policy.name),
    mayastorProblem: undefined,
    kubernetesProblem: undefined,
    prometheus: undefined,
    ecPolicy: 'usable',
    poolCordon: true,
    dryRun: limits.dryRun,
    moves: { active: 1, total: 5, failed: 2 },
    before: [],
    nowMs,
    ...o,
  });
}

const condition = (found: ReturnType<typeof view>, type: string) => found.conditions.find((one) => one.type === type);

describe('the status of a policy', () => {
  it('counts volumes by where they lie, and fits its contract', () => {
    const found = view({ given: { volume: volumeOf({ pools: ['hot-1', 'hot-2'] }) } });
    expect(found).toMatchObject({
      phase: 'Active',
      watchedVolumes: 1,
      hotVolumes: 1,
      warmVolumes: 0,
      coldVolumes: 0,
      activeMigrations: 1,
      totalMigrations: 5,
      failedMigrations: 2,
    });
    expect(policyViewSchema.parse(found)).toEqual(found);
    expect(condition(found, 'Ready')).toMatchObject({ status: 'True', reason: 'Deciding' });
  });

  it.each<[string, string, Parameters<typeof view>[0], RegExp]>([
    ['TooManyWindows', 'a ninth window', { windowMeasured: false }, /is a ninth: give the policy one of those/],
    ['MeasurementUnavailable', 'no samples', { round: undefined }, /Check metrics-watcher and Prometheus/],
    ['MeasurementUnavailable', 'stale samples', { round: roundOf([], { ageMs: 10 ** 7 }) }, /fresh enough/],
    ['MayastorUnavailable', 'an unreadable Mayastor', { mayastorProblem: 'connection refused' }, /connection refused/],
    ['KubernetesUnavailable', 'an unreadable Kubernetes', { kubernetesProblem: 'connection refused' }, /connection refused/],
    [
      'PrometheusUnavailable',
      'a Prometheus that does not answer',
      { prometheus: { volumes: 2, of: 3, example: 'PROM_UNREACHABLE: gone' } },
      /2 of 3 volumes .* PROM_UNREACHABLE/,
    ],
    [
      'EcPolicyInvalid',
      'a reference to nothing',
      { policy: policyOf('gold', { ecPolicyRef: 'ec' }), ecPolicy: 'not-found' },
      /ec names no ErasureCodingPolicy/,
    ],
    [
      'EcPolicyInvalid',
      'a reference to a broken one',
      { policy: policyOf('gold', { ecPolicyRef: 'ec' }), ecPolicy: 'invalid' },
      /its status says why/,
    ],
    ['Unsupported', 'an old Mayastor', { poolCordon: false }, /2\.10/],
    ['EcNotSupported', 'an erasure coding policy', { policy: policyOf('gold', { ecPolicyRef: 'ec' }) }, /stay replicated/],
    [
      'Conflict',
      'a second policy',
      { given: { policies: [policyOf('gold'), policyOf('silver')] } },
      /1 volumes .* also selected by silver/,
    ],
    [
      'AmbiguousPools',
      'a pool of two tiers',
      {
        given: {
          policies: [policyOf('gold', { warmPoolSelector: { matchLabels: { 'couchestor-managed': 'true', 'storage-tier': 'cold' } } })],
        },
      },
      /cold-1, cold-2, cold-3/,
    ],
    [
      'UnselectedPools',
      'a pool of no tier',
      { given: { cluster: clusterWith([volumeOf()], { pools: [poolOf('cold', 1), poolOf('cold', 2), poolOf('other', 1)] }) } },
      /other-1/,
    ],
    [
      'NoEligiblePool',
      'a tier without a pool',
      { given: { cluster: clusterWith([volumeOf()], { pools: [poolOf('cold', 1), poolOf('cold', 2)] }), sample: measured(9_000) } },
      /to move to hot/,
    ],
  ])('has the condition %s for %s', (type, _what, o, message) => {
    expect(condition(view(), type)?.status).toBe('False');
    const found = condition(view(o), type);
    expect(found?.status).toBe('True');
    expect(found?.message).toMatch(message);
  });

  it.each(['windowMeasured', 'round', 'mayastorProblem', 'poolCordon'] as const)('is not Ready for want of %s', (field) => {
    const missing = { windowMeasured: false, round: undefined, mayastorProblem: 'down', poolCordon: false };
    expect(condition(view({ [field]: missing[field] }), 'Ready')?.status).toBe('False');
  });

  it('does not say that Prometheus is well where nothing was measured', () => {
    expect(condition(view({ round: undefined }), 'PrometheusUnavailable')).toMatchObject({ status: 'Unknown', reason: 'NotMeasured' });
  });

  it('is not Ready where Prometheus failed for every volume, and is where it failed for some', () => {
    const example = 'PROM_TIMEOUT: late';
    expect(condition(view({ prometheus: { volumes: 3, of: 3, example } }), 'Ready')).toMatchObject({
      status: 'False',
      reason: 'PrometheusUnavailable',
    });
    expect(condition(view({ prometheus: { volumes: 1, of: 3, example } }), 'Ready')?.status).toBe('True');
  });

  it('keeps the time of a condition until its status changes', () => {
    const first = view();
    const later = nowMs + 60_000;
    expect(
      condition(view({ before: first.conditions, nowMs: later, round: roundOf([], { ageMs: -60_000 }) }), 'Ready')?.lastTransitionTime,
    ).toBe(condition(first, 'Ready')?.lastTransitionTime);
    expect(condition(view({ before: first.conditions, nowMs: later, mayastorProblem: 'down' }), 'Ready')?.lastTransitionTime).toBe(
      new Date(later).toISOString(),
    );
  });

  it.each([
    ['Disabled', { policy: policyOf('gold', { enabled: false }) }],
    ['Error', { windowMeasured: false }],
    ['Pending', { counts: undefined }],
  ])('is in phase %s', (phase, o) => {
    expect(view(o).phase).toBe(phase);
  });

  it('is in phase Error with the message where it cannot be read', () => {
    const found = problemView(
      { name: 'gold', source: 'gold.yaml', message: 'gold.yaml: spec.nope is no field' },
      { moves: { active: 1, total: 7, failed: 2 }, before: [], nowMs },
    );
    expect(found).toMatchObject({ phase: 'Error', enabled: false, activeMigrations: 1, totalMigrations: 7, failedMigrations: 2 });
    expect(found.conditions).toMatchObject([
      { type: 'Ready', status: 'False', reason: 'Invalid', message: 'gold.yaml: spec.nope is no field' },
    ]);
  });
});
