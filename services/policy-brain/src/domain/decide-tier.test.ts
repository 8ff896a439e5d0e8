import { readFileSync } from 'node:fs';
import { type Tier, tiersFastestFirst } from '@couchestor/shared/tiers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bandOf, bands, decideTier, type TierTable, threeTiers, twoTiers } from './decide-tier.ts';
import { rules } from './rules.ts';

const page = readFileSync(new URL('../../../../docs/decision.md', import.meta.url), 'utf8');
const watermarks = { high: 5_000, warm: 2_000, low: 500 };
const all: ReadonlySet<Tier> = new Set(tiersFastestFirst);

/** The rows of the first table below a heading of docs/decision.md. */
function tableBelow(heading: string): string[][] {
  const lines = page.slice(page.indexOf(`\n${heading}\n`)).split('\n');
  const start = lines.findIndex((line) => line.startsWith('| ---'));
  const rows = lines.slice(start + 1);
  return rows
    .slice(
      0,
      rows.findIndex((line) => !line.startsWith('|')),
    )
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function documented(heading: string): TierTable {
  const rows = tableBelow(heading).map(([tier = '', ...cells]) => [
    tier,
    Object.fromEntries(bands.map((band, index) => [band, cells[index]])),
  ]);
  return Object.fromEntries(rows) as TierTable;
}

describe('the documented tables', () => {
  it('are those of the code', () => {
    expect(documented('### Three tiers')).toEqual(threeTiers);
    expect(documented('### Two tiers')).toEqual(twoTiers);
  });

  it('list every rule with its verb and meaning', () => {
    const listed = tableBelow('## All rules').map(([code = '', verb, says]) => [code.replaceAll('`', ''), { verb, says }]);
    expect(Object.fromEntries(listed)).toEqual(rules);
  });
});

describe('the rule, row by row as documented', () => {
  const iopsIn = { low: [0, 499, 500], lower: [501, 1_999], upper: [2_000, 4_999], high: [5_000, 1_000_000] } as const;
  const destinationOf: Record<string, Tier | undefined> = { TO_HOT: 'hot', TO_COLD: 'cold', UP_TO_WARM: 'warm', DOWN_TO_WARM: 'warm' };
  const cases = (table: TierTable) =>
    tiersFastestFirst.flatMap((current) =>
      bands.flatMap((band) => iopsIn[band].map((iops) => ({ current, iops, rule: table[current][band] }))),
    );

  it.each(cases(documented('### Three tiers')))('with three tiers, a $current volume at $iops IOPS: $rule', ({ current, iops, rule }) => {
    expect(decideTier({ current, iops, watermarks, destinations: all })).toEqual({ rule, to: destinationOf[rule] ?? current });
  });

  it.each(cases(documented('### Two tiers')))('with warm off, a $current volume at $iops IOPS: $rule', ({ current, iops, rule }) => {
    // Without a warm watermark there is nothing between low and high.
    expect(decideTier({ current, iops, watermarks: { ...watermarks, warm: 0 }, destinations: all })).toEqual({
      rule,
      to: destinationOf[rule] ?? current,
    });
  });

  it.each(cases(documented('### Two tiers')))(
    'without a warm selector, a $current volume at $iops IOPS: $rule',
    ({ current, iops, rule }) => {
      const destinations = new Set<Tier>(['hot', 'cold']);
      expect(decideTier({ current, iops, watermarks, destinations })).toEqual({ rule, to: destinationOf[rule] ?? current });
    },
  );

  it.each([
    { current: 'cold', iops: 6_000, rule: 'UP_TO_WARM' },
    { current: 'warm', iops: 6_000, rule: 'STAY' },
    { current: 'hot', iops: 6_000, rule: 'STAY' },
  ] as const)('without a hot selector, a $current volume at $iops IOPS counts as below high: $rule', ({ current, iops, rule }) => {
    expect(decideTier({ current, iops, watermarks, destinations: new Set(['warm', 'cold']) }).rule).toBe(rule);
  });

  it.each([
    { current: 'hot', iops: 10, rule: 'DOWN_TO_WARM' },
    { current: 'warm', iops: 10, rule: 'STAY' },
    { current: 'cold', iops: 10, rule: 'STAY' },
  ] as const)('without a cold selector, a $current volume at $iops IOPS counts as above low: $rule', ({ current, iops, rule }) => {
    expect(decideTier({ current, iops, watermarks, destinations: new Set(['hot', 'warm']) }).rule).toBe(rule);
  });

  it('has the bands meet without a gap', () => {
    expect([0, 500, 500.01, 1_999.99, 2_000, 4_999.99, 5_000].map((iops) => bandOf({ iops, watermarks, destinations: all }))).toEqual([
      'low',
      'low',
      'lower',
      'lower',
      'upper',
      'upper',
      'high',
    ]);
  });
});

describe('properties of the rule', () => {
  const anyWatermarks = fc
    .record({
      low: fc.integer({ min: 0, max: 10_000 }),
      first: fc.integer({ min: 1, max: 10_000 }),
      second: fc.integer({ min: 1, max: 10_000 }),
      off: fc.boolean(),
    })
    .map(({ low, first, second, off }) => ({ low, warm: off ? 0 : low + first, high: low + first + second }));
  const anyDestinations = fc.subarray([...tiersFastestFirst]).map((tiers): ReadonlySet<Tier> => new Set(tiers));
  const anyIops = fc.oneof(fc.integer({ min: 0, max: 40_000 }), fc.double({ min: 0, max: 40_000, noNaN: true }));
  const anyTier = fc.constantFrom(...tiersFastestFirst);

  it('moves a volume at most once for constant IOPS', () => {
    fc.assert(
      fc.property(anyTier, anyIops, anyWatermarks, anyDestinations, (current, iops, marks, destinations) => {
        const first = decideTier({ current, iops, watermarks: marks, destinations });
        expect(decideTier({ current: first.to, iops, watermarks: marks, destinations })).toEqual({ rule: 'STAY', to: first.to });
      }),
    );
  });

  it('never moves to a tier without a selector, nor to warm where warm is off', () => {
    fc.assert(
      fc.property(anyTier, anyIops, anyWatermarks, anyDestinations, (current, iops, marks, destinations) => {
        const { rule, to } = decideTier({ current, iops, watermarks: marks, destinations });
        expect(rule === 'STAY' || destinations.has(to)).toBe(true);
        expect(rule === 'STAY' || to !== 'warm' || marks.warm > 0).toBe(true);
      }),
    );
  });

  it('never wants a slower tier for more IOPS', () => {
    fc.assert(
      fc.property(anyTier, anyIops, anyIops, anyWatermarks, anyDestinations, (current, one, other, marks, destinations) => {
        const speedOf = (iops: number) => -tiersFastestFirst.indexOf(decideTier({ current, iops, watermarks: marks, destinations }).to);
        expect(speedOf(Math.max(one, other))).toBeGreaterThanOrEqual(speedOf(Math.min(one, other)));
      }),
    );
  });
});
