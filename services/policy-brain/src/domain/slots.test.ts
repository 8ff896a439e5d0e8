import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { takeSlots, type Wish } from './slots.ts';

const wish = (volumeId: string, o: Partial<Wish> = {}): Wish => ({ volumeId, policy: 'gold', urgent: false, sinceMs: 0, ...o });
const limits = (total: number, perPolicy: Record<string, number> = { gold: 100, silver: 100 }) => ({
  total,
  perPolicy: new Map(Object.entries(perPolicy)),
});
const ids = (wishes: readonly Wish[]) => wishes.map(({ volumeId }) => volumeId);

describe('slots', () => {
  it('go to repairs and promotions before demotions', () => {
    const chosen = takeSlots([wish('a', { sinceMs: 1 }), wish('b', { urgent: true, sinceMs: 9 })], { limits: limits(1), taken: [] });
    expect(ids(chosen)).toEqual(['b']);
  });

  it('go to the oldest wish first, and on a tie by id', () => {
    const chosen = takeSlots([wish('c', { sinceMs: 2 }), wish('b', { sinceMs: 1 }), wish('a', { sinceMs: 2 })], {
      limits: limits(9),
      taken: [],
    });
    expect(ids(chosen)).toEqual(['b', 'a', 'c']);
  });

  it('count what is under way already, in all and by policy', () => {
    const wishes = [wish('a', { policy: 'gold' }), wish('b', { policy: 'silver' })];
    expect(ids(takeSlots(wishes, { limits: limits(2), taken: [{ policy: 'gone' }, { policy: 'gone' }] }))).toEqual([]);
    expect(ids(takeSlots(wishes, { limits: limits(3, { gold: 1, silver: 1 }), taken: [{ policy: 'gold' }] }))).toEqual(['b']);
  });

  it('never exceed a limit, leave none unused, and do not depend on the order of the wishes', () => {
    const anyPolicy = fc.constantFrom('gold', 'silver', 'bronze');
    const anyWishes = fc.uniqueArray(fc.record({ volumeId: fc.uuid(), policy: anyPolicy, urgent: fc.boolean(), sinceMs: fc.nat(5) }), {
      selector: ({ volumeId }) => volumeId,
      maxLength: 40,
    });
    const anyLimits = fc.record({ total: fc.nat(10), gold: fc.nat(4), silver: fc.nat(4), bronze: fc.nat(4) });
    fc.assert(
      fc.property(anyWishes, fc.array(anyPolicy, { maxLength: 12 }), anyLimits, (wishes, policies, { total, ...perPolicy }) => {
        const o = { limits: limits(total, perPolicy), taken: policies.map((policy) => ({ policy })) };
        const chosen = takeSlots(wishes, o);
        const open = [...o.taken, ...chosen];
        expect(chosen.length === 0 || open.length <= total).toBe(true);
        for (const [policy, most] of Object.entries(perPolicy)) {
          const used = open.filter((move) => move.policy === policy).length;
          expect(chosen.every((move) => move.policy !== policy) || used <= most).toBe(true);
          const passedOver = wishes.some((other) => other.policy === policy && !chosen.includes(other));
          expect(passedOver && open.length < total && used < most).toBe(false);
        }
        expect(takeSlots([...wishes].reverse(), o)).toEqual(chosen);
      }),
    );
  });
});
