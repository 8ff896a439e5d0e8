import { describe, expect, it } from 'vitest';
import { phaseAt } from './load.ts';

const phases = [
  { forSeconds: 10, iops: 100, readFraction: 1 },
  { forSeconds: 5, iops: 20, readFraction: 1 },
];

describe('load', () => {
  it.each([
    ['last', 0, 100],
    ['last', 9_999, 100],
    ['last', 10_000, 20],
    ['last', 99_999, 20],
    ['all', 14_999, 20],
    ['all', 15_000, 100],
    ['all', 26_000, 20],
  ] as const)('with repeats "%s" is after %i ms at %i IOPS', (repeats, afterMs, iops) => {
    expect(phaseAt({ phases, repeats, startedAtMs: 500 }, 500 + afterMs)?.iops).toBe(iops);
  });

  it('is none without phases', () => {
    expect(phaseAt({ phases: [], repeats: 'all', startedAtMs: 0 }, 5)).toBeUndefined();
  });
});
