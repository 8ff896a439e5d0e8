import type { StoragePolicy, StoragePolicySpec } from '@couchestor/shared/storage-policy';
import { describe, expect, it } from 'vitest';
import { clusterWith, limits, policyOf, requestFor, volumeOf, windowSeconds } from '../testing/fixtures.ts';
import { activatePolicy, type OperatorLimits } from './active-policy.ts';
import { standingOf } from './standing.ts';

function ask(
  policies: readonly StoragePolicy[],
  o: { request?: Parameters<typeof requestFor>[0]; limits?: Partial<OperatorLimits>; gone?: boolean } = {},
) {
  const [volume] = clusterWith([volumeOf()]).volumes;
  const operator = { ...limits, ...o.limits };
  const active = policies.map((policy) => activatePolicy(policy, { limits: operator, windows: new Set([windowSeconds]) }));
  return standingOf(requestFor(o.request), { policies: active, volume: o.gone === true ? undefined : volume });
}

const changed = (spec: Partial<StoragePolicySpec>) => [{ ...policyOf('gold', spec), generation: 2 }];

describe('a request', () => {
  it('stands as long as its policy is unchanged', () => {
    expect(ask([policyOf('gold')])).toEqual({ stands: true, reason: 'policy gold wants the volume in hot' });
  });

  it.each([
    ['was deleted', [], {}],
    ['was deleted', [{ ...policyOf('gold'), uid: 'another' }], {}],
    ['was disabled', [policyOf('gold', { enabled: false })], {}],
    ['is in dry run', [policyOf('gold', { dryRun: true })], {}],
    ['is in dry run', [policyOf('gold')], { limits: { dryRun: true } }],
    ['no longer exists', [policyOf('gold')], { gone: true }],
    ['no longer selects the volume', [policyOf('gold', { storageClassName: 'other' })], {}],
    ['no longer selects the volume', [policyOf('gold', { volumeSelector: { matchLabels: { team: 'a' } } })], {}],
    ['gold and silver both select the volume', [policyOf('gold'), policyOf('silver')], {}],
    ['selectors are others', changed({ warmPoolSelector: { matchLabels: { 'storage-tier': 'tepid' } } }), {}],
    ['preservationMode or allowSnapshots is another', changed({ preservationMode: true }), {}],
    ['capacityWatermarkPercent is another', changed({ capacityWatermarkPercent: 50 }), {}],
    ['at 6000 IOPS it now wants warm and not hot', changed({ highWatermarkIOPS: 9_000 }), {}],
  ] as const)('falls where: %s', (reason, policies, o) => {
    const answer = ask(policies, o);
    expect(answer.stands).toBe(false);
    expect(answer.reason).toContain(reason);
  });

  it.each([
    ['other watermarks that decide the same', { highWatermarkIOPS: 5_500 }],
    ['another cooldown', { cooldownPeriod: '1h' }],
    ['another window', { samplingWindow: '5m' }],
  ])('stands in a new generation with %s', (_what, spec) => {
    expect(ask(changed(spec)).stands).toBe(true);
  });

  it('to repair a mixed volume stands where the tier would not be left again', () => {
    const repair = { from: 'mixed', to: 'cold', triggerIops: 1_000 } as const;
    expect(ask(changed({ lowWatermarkIOPS: 100 }), { request: repair }).stands).toBe(true);
    expect(ask(changed({ warmWatermarkIOPS: 800 }), { request: repair }).stands).toBe(false);
  });
});
