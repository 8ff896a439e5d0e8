import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backOffMs } from './back-off.ts';

describe('backOffMs', () => {
  it.each([
    [60_000, 1, 60_000],
    [60_000, 2, 120_000],
    [60_000, 3, 240_000],
    [60_000, 4, 300_000],
    [60_000, 1_000, 300_000],
    [1_000, 5, 8_000],
    [600_000, 3, 600_000],
  ])('with rounds every %i ms, failure %i waits %i ms at most', (roundIntervalMs, failures, waitMs) => {
    expect(backOffMs({ failures, roundIntervalMs, random: 0 })).toBe(waitMs);
  });

  it('takes off up to half by chance', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.double({ min: 0, max: 1, noNaN: true }), (failures, random) => {
        const full = backOffMs({ failures, roundIntervalMs: 60_000, random: 0 });
        const some = backOffMs({ failures, roundIntervalMs: 60_000, random });
        expect(some).toBeGreaterThanOrEqual(full / 2);
        expect(some).toBeLessThanOrEqual(full);
      }),
    );
  });
});
