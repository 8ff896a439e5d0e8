import { expect, it } from 'vitest';
import { painter } from '../terminal/ansi.ts';
import { textWidth } from '../terminal/text-width.ts';
import { type Explanation, explanation } from './explanation.ts';

const volumeId = '11111111-2222-4333-8444-555555555555';
const answer: Explanation = {
  volume: {
    volumeId,
    name: 'orders-db',
    sizeBytes: 64 * 1024 * 1024,
    numReplicas: 2,
    status: 'Online',
    published: true,
    pools: [
      { pool: 'cold-1', node: 'node-1', tier: 'cold', state: 'Online' },
      { pool: 'cold-2', node: 'node-2', tier: 'cold', state: 'Online' },
    ],
    decision: {
      volumeId,
      policy: 'tiering',
      decidedAt: '2025-01-01T00:00:00Z',
      verb: 'blocked',
      rule: 'REFUSED',
      reason:
        'mean over 8s is 812 IOPS, at or above the high watermark 500: cold to hot. Every node of the hot tier holds a replica of it already.',
      placement: 'cold',
      to: 'hot',
      sample: { status: 'measured', volumeId, readIops: 600, writeIops: 212, iops: 812, coverage: 0.98 },
      sampleAgeMs: 1_200,
      watermarks: { high: 500, warm: 200, low: 50 },
    },
  },
  ledger: {
    requests: 2,
    failures: 1,
    retryAt: '2025-01-01T00:06:00Z',
    history: [
      {
        moveId: 'm0123456789abcdef',
        policy: 'tiering',
        from: 'hot',
        to: 'cold',
        triggerIops: 3,
        startedAt: '2025-01-01T00:00:00Z',
        finishedAt: '2025-01-01T00:00:30Z',
        result: { outcome: 'success', code: 'MOVED', message: 'done', replicasMoved: 2, bytesMoved: 1 },
      },
    ],
  },
  facts: ['Policy tiering averages over 8s.'],
};
const now = Date.parse('2025-01-01T00:01:00Z');

it('tells the decision, the rule, the numbers that it used, the replicas, and what was before', () => {
  const text = explanation(answer, { paint: painter(false), columns: undefined, now }).join('\n');
  for (const part of [
    /^orders-db {2}1{8}-/,
    /^decision +blocked to hot {2}\(rule REFUSED\)$/m,
    /^because +mean over 8s is 812 IOPS/m,
    /^iops +812, 600 read and 212 write, 98 % of the window measured, 1s old$/m,
    /^watermarks +hot from 500, warm at 200, cold up to 50$/m,
    /^replicas +cold-1 on node-1: cold, Online\n +cold-2 on node-2: cold, Online$/m,
    /^failures +1, next try in 5m$/m,
    /^30s ago +hot → cold +success +30s +done$/m,
  ]) {
    expect(text).toMatch(part);
  }
});

it('fits a narrow terminal, breaking the reason at words', () => {
  const lines = explanation(answer, { paint: painter(false), columns: 80, now });
  expect(Math.max(...lines.map(textWidth))).toBeLessThanOrEqual(80);
  expect(lines.join(' ').replaceAll(/\s+/g, ' ')).toContain('Every node of the hot tier holds a replica of it already.');
});

it('says so where nothing has been decided yet', () => {
  const { decision: _undecided, ...volume } = answer.volume;
  const text = explanation({ volume, facts: [] }, { paint: painter(false), columns: 80, now }).join('\n');
  expect(text).toContain('has not decided on this volume yet');
  expect(text).toMatch(/^iops +\?$/m);
});
