import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redeliveryDelayMs } from './backoff.ts';

describe('the wait before a message is delivered again', () => {
  it('doubles from a second to a minute', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8, 1_000].map((deliveries) => redeliveryDelayMs(deliveries, 1))).toEqual([
      1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000,
    ]);
  });

  it('is between three quarters of that and all of it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.double({ min: 0, max: 1, noNaN: true }), (deliveries, random) => {
        const wholeMs = redeliveryDelayMs(deliveries, 1);
        const delayMs = redeliveryDelayMs(deliveries, random);
        expect(delayMs).toBeGreaterThanOrEqual(0.75 * wholeMs);
        expect(delayMs).toBeLessThanOrEqual(wholeMs);
      }),
    );
  });
});
