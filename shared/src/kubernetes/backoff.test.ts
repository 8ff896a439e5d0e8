import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs } from './backoff.ts';

const limits = { firstMs: 800, longestMs: 30_000 };

describe('backoffMs', () => {
  it('doubles from the first wait to the longest', () => {
    expect([1, 2, 3, 6, 7, 1_000_000].map((failures) => backoffMs(failures, limits, 1))).toEqual([
      800, 1_600, 3_200, 25_600, 30_000, 30_000,
    ]);
  });

  it('lies between half and the whole of that', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (failures, random) => {
        const wholeMs = backoffMs(failures, limits, 1);
        const ms = backoffMs(failures, limits, random);
        expect(ms).toBeGreaterThanOrEqual(wholeMs / 2);
        expect(ms).toBeLessThanOrEqual(wholeMs);
      }),
    );
  });
});
