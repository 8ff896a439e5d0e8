import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluationTimeMs, planMeasuring } from './measuring-plan.ts';

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

describe('planMeasuring', () => {
  it.each([
    // window, rate interval, scrape interval, step, points, scrapes
    [24 * hour, 5 * minute, 30 * second, 5 * minute, 288, 2_880],
    [hour, 5 * minute, 30 * second, 5 * minute, 12, 120],
    [20 * minute, 5 * minute, 30 * second, 2 * minute, 10, 40],
    [10 * minute, 5 * minute, 30 * second, 2 * minute, 5, 20],
    [hour, 5 * minute, 2 * minute, 514_285, 7, 30],
    [60 * second, 5 * minute, second, 6 * second, 10, 60],
    [10 * second, 5 * minute, second, 5 * second, 2, 10],
    [4 * second, 5 * minute, second, 4 * second, 1, 4],
  ])(
    'cuts %i ms at a rate interval of %i and scrapes every %i into steps of %i',
    (windowMs, rateIntervalMs, scrapeIntervalMs, stepMs, points, scrapes) => {
      expect(planMeasuring(windowMs, { rateIntervalMs, scrapeIntervalMs })).toEqual({ windowMs, stepMs, points, scrapes });
    },
  );

  it('refuses a window of less than four scrapes', () => {
    expect(planMeasuring(3 * second, { rateIntervalMs: minute, scrapeIntervalMs: second })).toBeUndefined();
  });

  it('never makes a step of less than four scrapes, and fills the window', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: second, max: 30 * 24 * hour }),
        fc.integer({ min: second, max: hour }),
        fc.integer({ min: second, max: 5 * minute }),
        (windowMs, rateIntervalMs, scrapeIntervalMs) => {
          const plan = planMeasuring(windowMs, { rateIntervalMs, scrapeIntervalMs });
          if (plan === undefined) {
            expect(windowMs).toBeLessThan(4 * scrapeIntervalMs);
            return;
          }
          expect(plan.stepMs).toBeGreaterThanOrEqual(4 * scrapeIntervalMs);
          expect(windowMs - plan.points * plan.stepMs).toBeLessThan(plan.points);
        },
      ),
    );
  });
});

describe('evaluationTimeMs', () => {
  it('keeps exactly `points` multiples of the step in the window, whether its ends count or not', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1_700_000_000_000, max: 1_900_000_000_000 }),
        fc.constantFrom(4_000, 60_000, 300_000),
        fc.integer({ min: 1, max: 300 }),
        (nowMs, stepMs, points) => {
          const plan = { windowMs: stepMs * points, stepMs, points, scrapes: 4 * points };
          const atMs = evaluationTimeMs(nowMs, plan);
          const first = Math.ceil((atMs - plan.windowMs) / stepMs);
          const last = Math.floor(atMs / stepMs);
          expect(last - first + 1).toBe(points);
          expect(nowMs - atMs).toBeLessThanOrEqual(1);
        },
      ),
    );
  });
});
