import type { Condition, PolicyView } from '@couchestor/shared/contracts/brain';
import { expect, it } from 'vitest';
import { attention } from './attention.ts';

function condition(type: string, status: Condition['status'], message = type): Condition {
  return { type, status, reason: 'Because', message, lastTransitionTime: '2025-01-01T00:00:00Z' };
}

function policy(conditions: Condition[], o: Partial<PolicyView> = {}): PolicyView {
  const counts = {
    watchedVolumes: 0,
    hotVolumes: 0,
    warmVolumes: 0,
    coldVolumes: 0,
    activeMigrations: 0,
    totalMigrations: 0,
    failedMigrations: 0,
  };
  return { name: 'p', source: 'p.yaml', phase: 'Active', enabled: true, dryRun: false, ...counts, conditions, ...o };
}

it('is silent about a policy that is well', () => {
  expect(attention([policy([condition('Ready', 'True'), condition('Conflict', 'False'), condition('Unsupported', 'False')])])).toEqual([]);
  expect(attention([policy([condition('Ready', 'Unknown')], { phase: 'Pending' })])).toEqual([]);
});

it('tells a problem once, though the policy is not ready because of it', () => {
  const unread = [condition('Ready', 'False', 'Mayastor is away'), condition('MayastorUnavailable', 'True', 'Mayastor is away')];
  expect(attention([policy(unread)])).toEqual([{ policy: 'p', text: 'MayastorUnavailable: Mayastor is away' }]);
});

it('tells of a file that could not be read, and of problems that stop nothing', () => {
  expect(attention([policy([condition('Ready', 'False', 'spec.x: bad')], { phase: 'Error', enabled: false })])).toEqual([
    { policy: 'p', text: 'not ready: spec.x: bad' },
  ]);
  expect(attention([policy([condition('Ready', 'True'), condition('UnselectedPools', 'True', 'pool a')])])).toEqual([
    { policy: 'p', text: 'UnselectedPools: pool a' },
  ]);
});

it('takes a policy that was switched off for what a person wanted', () => {
  expect(attention([policy([condition('Ready', 'False', 'disabled')], { phase: 'Disabled', enabled: false })])).toEqual([]);
});
