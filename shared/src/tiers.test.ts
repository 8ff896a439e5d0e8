import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { currentTier, type PoolTier, tierOfPool, tiersFastestFirst } from './tiers.ts';

const selectors = {
  hot: { matchLabels: { 'storage-tier': 'hot' } },
  warm: { matchExpressions: [{ key: 'storage-tier', operator: 'In' as const, values: ['warm', 'hot-ish'] }] },
  cold: { matchLabels: { media: 'hdd' } },
};

describe('the tier of a pool', () => {
  it('is the one whose selector alone matches', () => {
    expect(tierOfPool({ 'storage-tier': 'hot' }, selectors)).toBe('hot');
    expect(tierOfPool({ 'storage-tier': 'hot-ish' }, selectors)).toBe('warm');
    expect(tierOfPool({ media: 'hdd' }, selectors)).toBe('cold');
  });

  it('is ambiguous where two selectors match, and none where no selector does', () => {
    expect(tierOfPool({ 'storage-tier': 'hot', media: 'hdd' }, selectors)).toBe('ambiguous');
    expect(tierOfPool({ 'storage-tier': 'lukewarm' }, selectors)).toBe('none');
    expect(tierOfPool({}, {})).toBe('none');
  });

  it('is never that of a tier without a selector', () => {
    expect(tierOfPool({ 'storage-tier': 'hot', media: 'hdd' }, { cold: selectors.cold })).toBe('cold');
  });
});

describe('the current tier of a volume', () => {
  it.each<[PoolTier[], ReturnType<typeof currentTier>]>([
    [['hot', 'hot'], { placement: 'hot', decideAs: 'hot' }],
    [['cold'], { placement: 'cold', decideAs: 'cold' }],
    [['hot', 'cold', 'cold'], { placement: 'mixed', decideAs: 'cold' }],
    [['cold', 'hot'], { placement: 'mixed', decideAs: 'hot' }],
    [['cold', 'warm'], { placement: 'mixed', decideAs: 'warm' }],
    [['cold', 'none'], { placement: 'mixed', decideAs: 'cold' }],
    [['ambiguous', 'ambiguous', 'warm'], { placement: 'mixed', decideAs: 'warm' }],
    [['none', 'ambiguous'], { placement: 'none', decideAs: undefined }],
    [[], { placement: 'none', decideAs: undefined }],
  ])('of replicas on %j is %j', (pools, expected) => {
    expect(currentTier(pools)).toEqual(expected);
  });

  it('is decided as if in a tier that no other tier outnumbers, whatever the order of the replicas', () => {
    const pool = fc.constantFrom<PoolTier>('hot', 'warm', 'cold', 'ambiguous', 'none');
    fc.assert(
      fc.property(fc.array(pool, { maxLength: 8 }), (pools) => {
        const { placement, decideAs } = currentTier(pools);
        const count = (tier: PoolTier): number => pools.filter((found) => found === tier).length;
        expect(currentTier([...pools].reverse())).toEqual({ placement, decideAs });
        for (const [index, tier] of tiersFastestFirst.entries()) {
          const decided = decideAs === undefined ? tiersFastestFirst.length : tiersFastestFirst.indexOf(decideAs);
          const most = decideAs === undefined ? 0 : count(decideAs);
          expect(index < decided ? count(tier) < most || most === 0 : count(tier) <= most).toBe(true);
        }
        expect(placement === 'none').toBe(decideAs === undefined);
        expect(placement === decideAs).toBe(decideAs === undefined ? false : count(decideAs) === pools.length);
      }),
    );
  });
});
