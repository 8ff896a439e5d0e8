import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { looksPerRoundMax, mayLook } from './sight.ts';

describe('looking again at what was refused', () => {
  it('comes to every volume in turn', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.integer({ min: 1, max: 50_000 }), fc.nat(1_000), (volumeId, refusals, first) => {
        const groups = Math.ceil(refusals / looksPerRoundMax);
        const turns = Array.from({ length: groups }, (_, n) => mayLook(volumeId, { refusals, turn: first + n }));
        expect(turns.filter(Boolean)).toHaveLength(1);
      }),
    );
  });

  it('is for all of them at once where there are few', () => {
    expect(mayLook('00000000-0000-4000-8000-00000000000f', { refusals: looksPerRoundMax, turn: 3 })).toBe(true);
  });
});
