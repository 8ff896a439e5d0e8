import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RebuildQueue } from './rebuilder-queue.ts';
import { StripeSet } from './stripe-set.ts';

const drained = (queue: RebuildQueue) => {
  const taken: number[] = [];
  for (let stripeId = queue.take(); stripeId !== undefined; stripeId = queue.take()) {
    taken.push(stripeId);
  }
  return taken;
};

describe('the queue of the rebuild', () => {
  it('gives each stripe once, by the least that was said it could lose, in that order', () => {
    const adds = fc.array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 3 })), { maxLength: 60 });
    fc.assert(
      fc.property(adds, (added) => {
        const queue = new RebuildQueue();
        const least = new Map<number, number>();
        for (const [stripeId, spare] of added) {
          queue.add(stripeId, spare);
          least.set(stripeId, Math.min(spare, least.get(stripeId) ?? spare));
        }
        expect(queue.size).toBe(least.size);
        const taken = drained(queue);
        expect([...taken].sort((a, b) => a - b)).toEqual([...least.keys()].sort((a, b) => a - b));
        const spares = taken.map((stripeId) => least.get(stripeId) ?? 0);
        expect(spares).toEqual([...spares].sort((a, b) => a - b));
        expect([queue.size, queue.overflowed]).toEqual([0, false]);
      }),
    );
  });

  it('lets go of those that could lose the most where there are too many, and says so', () => {
    const queue = new RebuildQueue(3);
    for (const [stripeId, spare] of [
      [1, 2],
      [2, 1],
      [3, 2],
      [4, 0],
      [5, 2],
      [6, 1],
    ] as const) {
      queue.add(stripeId, spare);
    }
    expect(queue.overflowed).toBe(true);
    expect(drained(queue).sort()).toEqual([2, 4, 6]);
  });
});

describe('a set of stripes', () => {
  it('is as a set of numbers', () => {
    const ids = fc.array(fc.tuple(fc.oneof(fc.integer({ min: 0, max: 9_000 }), fc.maxSafeNat()), fc.boolean()), { maxLength: 50 });
    fc.assert(
      fc.property(ids, (steps) => {
        const set = new StripeSet();
        const model = new Set<number>();
        for (const [stripeId, isAdded] of steps) {
          expect(isAdded ? set.add(stripeId) : set.delete(stripeId)).toBe(isAdded ? !model.has(stripeId) : model.has(stripeId));
          isAdded ? model.add(stripeId) : model.delete(stripeId);
        }
        expect([...set]).toEqual([...model].sort((a, b) => a - b));
        expect(set.size).toBe(model.size);
      }),
    );
  });
});
