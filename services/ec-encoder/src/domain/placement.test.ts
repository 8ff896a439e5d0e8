import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Placement, type PlacementDrive, placeShards } from './placement.ts';
import { domainLevels } from './spread.ts';

const free = 1000;
function drive(number: number, domain: Partial<PlacementDrive['domain']> = {}, freeBytes = free): PlacementDrive {
  return { number, domain: { zone: 'z', node: `n${number}`, pool: 'p', disk: 'd', ...domain }, freeBytes, totalBytes: 2 * free };
}

const drives = fc
  .array(fc.record({ zone: fc.nat(2), node: fc.nat(3), pool: fc.nat(1), disk: fc.nat(1), freeBytes: fc.integer({ min: 1, max: 50 }) }), {
    maxLength: 24,
  })
  .map((all) =>
    all.map(({ zone, node, pool, disk, freeBytes }, index) =>
      drive(index + 1, { zone: `z${zone}`, node: `n${node}`, pool: `p${pool}`, disk: `d${disk}` }, freeBytes * 10),
    ),
  );
const code = fc.record({ dataShards: fc.integer({ min: 1, max: 10 }), parityShards: fc.integer({ min: 0, max: 4 }) });
const stripeIds = fc.integer({ min: 1, max: 2 ** 50 });

function place(o: Partial<Placement> & Pick<Placement, 'drives'>): (number | undefined)[] {
  return placeShards({ stripeId: 1, shards: 6, parityShards: 2, shardBytes: 1, ...o });
}

/** How many of the chosen drives are in the fullest domain of each level. */
function fullest(all: readonly PlacementDrive[], chosen: readonly (number | undefined)[]): number[] {
  return domainLevels.map((_, level) => {
    const names = chosen.flatMap((number) => {
      const domain = all.find((each) => each.number === number)?.domain;
      return domain === undefined
        ? []
        : [
            domainLevels
              .slice(0, level + 1)
              .map((each) => domain[each])
              .join('/'),
          ];
    });
    return Math.max(0, ...names.map((name) => names.filter((other) => other === name).length));
  });
}

test('any drives, any code: each drive gets one shard at the most, and no shard is left over while a drive is', () => {
  fc.assert(
    fc.property(drives, code, stripeIds, (all, { dataShards, parityShards }, stripeId) => {
      const shards = dataShards + parityShards;
      const chosen = place({ drives: all, shards, parityShards, stripeId });
      const placed = chosen.filter((number) => number !== undefined);
      expect(chosen).toHaveLength(shards);
      expect(new Set(placed).size).toBe(placed.length);
      expect(placed.length).toBe(Math.min(shards, all.length));
      expect(place({ drives: [...all].reverse(), shards, parityShards, stripeId })).toEqual(chosen);
    }),
  );
});

test('no node gets more shards than may be lost, wherever any choice of drives would allow that', () => {
  fc.assert(
    fc.property(drives, code, stripeIds, (all, { dataShards, parityShards }, stripeId) => {
      const shards = dataShards + parityShards;
      const chosen = place({ drives: all, shards, parityShards, stripeId });
      const safe = Math.max(1, parityShards);
      for (const [level, count] of fullest(all, chosen).entries()) {
        // Enough drives if every domain of this level gives only as many as are safe, and those below too.
        const room = (depth: number, within: readonly PlacementDrive[]): number => {
          if (depth === domainLevels.length) {
            return within.length;
          }
          const name = domainLevels[depth] ?? 'disk';
          const parts = [...new Set(within.map((each) => each.domain[name]))];
          const total = parts.reduce((sum, part) => {
            const inPart = room(
              depth + 1,
              within.filter((each) => each.domain[name] === part),
            );
            return sum + (depth >= level ? Math.min(safe, inPart) : inPart);
          }, 0);
          return total;
        };
        if (room(0, all) >= shards) {
          expect(count).toBeLessThanOrEqual(safe);
        }
      }
    }),
  );
});

test('six drives of three nodes get two shards per node, and those of six nodes one', () => {
  const three = [1, 2, 3, 4, 5, 6].map((number) => drive(number, { node: `n${number % 3}`, disk: `d${number}` }));
  for (let stripeId = 1; stripeId < 50; stripeId += 1) {
    expect(fullest(three, place({ drives: three, stripeId }))[1]).toBe(2);
    const twelve = Array.from({ length: 12 }, (_, index) => drive(index + 1, { node: `n${index % 6}` }));
    expect(fullest(twelve, place({ drives: twelve, stripeId }))[1]).toBe(1);
  }
});

test('a new drive takes one shard of a stripe or none, and only it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 7, max: 20 }), stripeIds, (count, stripeId) => {
      const all = Array.from({ length: count }, (_, index) => drive(index + 1));
      const before = new Set(place({ drives: all, stripeId }));
      const after = place({ drives: [...all, drive(99)], stripeId });
      const moved = after.filter((number) => !before.has(number));
      expect(moved.every((number) => number === 99)).toBe(true);
      expect(moved.length).toBeLessThanOrEqual(1);
    }),
  );
});

test('a drive with twice the room gets about twice the shards, whichever place they have', () => {
  const all = Array.from({ length: 12 }, (_, index) => drive(index + 1, {}, index < 6 ? 1000 : 2000));
  const counts = new Map<number, number>();
  const firsts = new Map<number, number>();
  const stripes = 4_000;
  for (let stripeId = 1; stripeId <= stripes; stripeId += 1) {
    const chosen = place({ drives: all, stripeId, shards: 3, parityShards: 1 });
    firsts.set(chosen[0] ?? 0, (firsts.get(chosen[0] ?? 0) ?? 0) + 1);
    for (const number of chosen) {
      counts.set(number ?? 0, (counts.get(number ?? 0) ?? 0) + 1);
    }
  }
  const share = (of: Map<number, number>, from: number): number =>
    [...of].reduce((sum, [number, count]) => sum + (number > from && number <= from + 6 ? count : 0), 0) / (6 * stripes);
  expect(share(counts, 6) / share(counts, 0)).toBeGreaterThan(1.6);
  expect(share(counts, 6) / share(counts, 0)).toBeLessThan(2.2);
  expect(share(firsts, 6) / share(firsts, 0)).toBeGreaterThan(1.7);
  for (const number of [1, 2, 3, 4, 5, 6]) {
    expect((counts.get(number) ?? 0) / (share(counts, 0) * stripes)).toBeGreaterThan(0.85);
    expect((counts.get(number) ?? 0) / (share(counts, 0) * stripes)).toBeLessThan(1.15);
  }
});

describe('a rebuild', () => {
  test('keeps the drives that kept their shard and gives the lost ones others', () => {
    fc.assert(
      fc.property(drives, stripeIds, fc.uniqueArray(fc.nat(5), { maxLength: 3 }), (all, stripeId, lost) => {
        const taken = place({ drives: all, stripeId }).map((number, at) => (lost.includes(at) ? undefined : number));
        const again = place({ drives: all, stripeId, taken });
        for (const [at, number] of taken.entries()) {
          expect(number === undefined || again[at] === number).toBe(true);
        }
        const placed = again.filter((number) => number !== undefined);
        expect(new Set(placed).size).toBe(placed.length);
        expect(placed.length).toBe(Math.min(6, all.length));
      }),
    );
  });

  test('counts the shards of drives that are not offered, where it is told where they are', () => {
    const all = [1, 2, 3, 4, 5, 6, 7, 8].map((number) => drive(number, { node: `n${Math.ceil(number / 2)}` }));
    const offered = all.filter(({ number }) => ![1, 2].includes(number));
    const domains = new Map(all.map((each) => [each.number, each.domain]));
    const again = place({ drives: offered, taken: [1, undefined, 3, 4, 5, 7], domains });
    expect(again[1]).toBeOneOf([6, 8]);
  });
});

test('a drive without room for the shard gets none', () => {
  const all = [drive(1, {}, 10), drive(2, {}, 9), drive(3, {}, 10)];
  expect([...place({ drives: all, shards: 2, parityShards: 1, shardBytes: 10 })].sort()).toEqual([1, 3]);
  expect(place({ drives: all, shards: 3, parityShards: 1, shardBytes: 10 })[2]).toBeUndefined();
});
