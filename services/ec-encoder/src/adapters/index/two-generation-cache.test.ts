import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TwoGenerationCache } from './two-generation-cache.ts';

describe('a cache of two generations', () => {
  it('gives what was set last, or nothing, and keeps no more than two generations', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('get', 'set', 'delete'), fc.nat(30), fc.integer({ min: 1, max: 5 }))), (ops) => {
        const cache = new TwoGenerationCache<number, { readonly weight: number }>({ weightMax: 20, weigh: (value) => value.weight });
        const model = new Map<number, { readonly weight: number }>();
        for (const [op, key, weight] of ops) {
          if (op === 'set') {
            model.set(key, { weight });
            cache.set(key, model.get(key) ?? expect.unreachable());
          } else if (op === 'delete') {
            model.delete(key);
            cache.delete(key);
          } else {
            expect([undefined, model.get(key)]).toContain(cache.get(key));
          }
        }
        const kept = Array.from({ length: 31 }, (_, key) => cache.get(key)?.weight ?? 0).reduce((sum, weight) => sum + weight, 0);
        expect(kept).toBeLessThanOrEqual(2 * 25);
      }),
    );
  });

  it('keeps what is asked for again and again', () => {
    const cache = new TwoGenerationCache<number, number>({ weightMax: 10, weigh: () => 1 });
    cache.set(-1, 7);
    for (let key = 0; key < 100; key += 1) {
      cache.set(key, key);
      expect(cache.get(-1)).toBe(7);
    }
    expect(cache.get(0)).toBeUndefined();
  });
});
