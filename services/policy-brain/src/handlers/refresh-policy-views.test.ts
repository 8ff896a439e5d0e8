import { createLogger } from '@couchestor/shared/logger';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { Brain } from '../brain.ts';
import { brainMetrics } from '../metrics.ts';
import { limits, nowMs, policyOf } from '../testing/fixtures.ts';
import { type RefreshDeps, refreshPolicyViews } from './refresh-policy-views.ts';

function refreshing() {
  const lines: { policy?: string; source?: string; condition?: string }[] = [];
  const brain = new Brain(1, { stillLeads: () => true });
  const metrics = brainMetrics(new Registry(), { sampleAgesMs: () => new Map(), leads: () => true });
  const deps = {
    brain,
    ledger: { entries: () => [].values() },
    records: { get: () => undefined },
    clock: { now: () => nowMs },
    limits,
    metrics,
    logger: createLogger({ name: 'test', level: 'info', json: true, to: { write: (line) => void lines.push(JSON.parse(line)) } }),
  } as unknown as RefreshDeps;
  return { brain, metrics, lines, refresh: () => refreshPolicyViews(deps) };
}

describe('the views of the policies', () => {
  it('of a StoragePolicy and an ErasureCodingPolicy with one name have nothing to do with each other', async () => {
    const { brain, metrics, lines, refresh } = refreshing();
    brain.policySet = {
      policies: [{ policy: policyOf('gold'), source: 'storagepolicy/gold' }],
      ecPolicies: [],
      problems: [{ name: 'gold', source: 'erasurecodingpolicy/gold', kind: 'ErasureCodingPolicy', message: 'spec.codec: no' }],
    };
    refresh();
    expect(lines).toContainEqual(expect.objectContaining({ source: 'erasurecodingpolicy/gold', condition: 'Ready', status: 'False' }));
    const told = lines.length;
    refresh();
    refresh();
    expect(lines).toHaveLength(told);
    expect(brain.policyViews.map(({ source }) => source)).toEqual(['storagepolicy/gold']);
    expect(brain.ecProblemViews).toMatchObject([{ source: 'erasurecodingpolicy/gold', phase: 'Error', totalMigrations: 0 }]);
    const { values } = await metrics.policyConditions.get();
    expect(values.filter(({ labels }) => labels.type === 'Ready')).toHaveLength(1);
  });

  it('of a file that is not readable as a policy are told once', () => {
    const { brain, lines, refresh } = refreshing();
    brain.policySet = { policies: [], ecPolicies: [], problems: [{ name: 'odd.yaml', source: 'odd.yaml', message: 'not readable' }] };
    refresh();
    refresh();
    expect(lines).toHaveLength(1);
    expect(brain.policyViews).toMatchObject([{ name: 'odd.yaml', phase: 'Error' }]);
  });
});
