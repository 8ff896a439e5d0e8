import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CollectLimits, JournalMap } from './journal-map.ts';

const layers = 2;
const blocks = 24;

type Step =
  | { kind: 'data'; layer: number; first: number; blocks: number }
  | { kind: 'zero'; layer: number; first: number; blocks: number }
  | { kind: 'mapped'; layer: number; first: number; blocks: number; back: number }
  | { kind: 'release'; back: number };

const range = {
  layer: fc.integer({ min: 0, max: layers - 1 }),
  first: fc.integer({ min: 0, max: blocks - 1 }),
  blocks: fc.integer({ min: 1, max: 10 }),
};
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('data' as const), ...range }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('zero' as const), ...range }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('mapped' as const), ...range, back: fc.integer({ min: 0, max: 12 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('release' as const), back: fc.integer({ min: 0, max: 12 }) }) },
  ),
  { maxLength: 60 },
);

/** Newest of data and of zeros for each block, kept apart as they may outlive each other. */
class Model {
  readonly data = new Map<string, number>();
  readonly zeroes = new Map<string, number>();

  at(layer: number, block: number): { kind: 'data' | 'zero'; lsn: number } | undefined {
    const data = this.data.get(`${layer} ${block}`) ?? 0;
    const zero = this.zeroes.get(`${layer} ${block}`) ?? 0;
    return data > zero ? { kind: 'data', lsn: data } : zero > 0 ? { kind: 'zero', lsn: zero } : undefined;
  }

  forget(upTo: number, isIn: (key: string) => boolean): void {
    for (const those of [this.data, this.zeroes]) {
      for (const [key, lsn] of those) {
        if (lsn <= upTo && isIn(key)) {
          those.delete(key);
        }
      }
    }
  }
}

/** So small that chunks are split and dropped, where there is little to hold. */
function play(list: readonly Step[], perChunk = 3): { map: JournalMap; model: Model; lsn: number } {
  const [map, model] = [new JournalMap({ runs: perChunk, ranges: perChunk }), new Model()];
  let lsn = 0;
  for (const step of list) {
    lsn += 1;
    if (step.kind === 'release') {
      map.release(lsn - step.back);
      model.forget(lsn - step.back, () => true);
      continue;
    }
    const keys = Array.from({ length: step.blocks }, (_, index) => `${step.layer} ${step.first + index}`);
    if (step.kind === 'data') {
      keys.forEach((key, index) => {
        map.data(step.layer, step.first + index, lsn, lsn * 1000);
        model.data.set(key, lsn);
      });
    } else if (step.kind === 'zero') {
      map.zero({ layer: step.layer, firstBlock: step.first, blocks: step.blocks, lsn });
      for (const key of keys) {
        model.zeroes.set(key, lsn);
      }
    } else {
      map.mapped({ layer: step.layer, firstBlock: step.first, blocks: step.blocks, upTo: lsn - step.back });
      model.forget(lsn - step.back, (key) => keys.includes(key));
    }
  }
  return { map, model, lsn };
}

const limited = fc.record({
  bytes: fc.integer({ min: 1, max: 20 }).map((blocksMax) => blocksMax * 4096),
  runs: fc.integer({ min: 1, max: 10 }),
  zeroes: fc.integer({ min: 1, max: 6 }),
  visits: fc.integer({ min: 1, max: 60 }),
});
const wide: CollectLimits = { bytes: 2 ** 40, runs: 2 ** 40, zeroes: 2 ** 40, visits: 2 ** 40 };

const everyBlock = Array.from({ length: layers * (blocks + 12) }, (_, index) => ({
  layer: index % layers,
  block: Math.floor(index / layers),
}));

describe('the map of the journal', () => {
  test('finds the newest of each block, whatever was written, zeroed, mapped and released', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const { map, model } = play(list);
        for (const { layer, block } of everyBlock) {
          const found = map.find(layer, block);
          expect(found && { kind: found.kind, lsn: found.lsn }).toEqual(model.at(layer, block));
          expect(found?.handle ?? 0).toBe(found?.kind === 'data' ? found.lsn * 1000 : 0);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('collects exactly what lives up to the cut, in order', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 30 }), fc.option(limited, { nil: undefined }), (list, back, limits) => {
        const { map, model, lsn } = play(list);
        const { cut, entries, zeroes } = map.collect(lsn - back, limits);
        const expected = everyBlock
          .map(({ layer, block }) => ({ layer, block, ...model.at(layer, block) }))
          .filter((each) => each.lsn !== undefined && each.lsn <= cut)
          .sort((a, b) => a.layer - b.layer || a.block - b.block);
        expect(entries.map(({ layer, block, lsn: at }) => ({ layer, block, lsn: at }))).toEqual(
          expected.filter((each) => each.kind === 'data').map(({ layer, block, lsn: at }) => ({ layer, block, lsn: at })),
        );
        const zeroed = zeroes.flatMap((zero) =>
          Array.from({ length: zero.blocks }, (_, index) => ({ layer: zero.layer, block: zero.firstBlock + index, lsn: zero.lsn })),
        );
        // A zeroed block that was written after the cut may be among them: the higher lsn counts.
        const mayBe = zeroed.filter(({ layer, block }) => (model.at(layer, block)?.lsn ?? 0) <= cut);
        expect(mayBe).toEqual(
          expected.filter((each) => each.kind === 'zero').map(({ layer, block, lsn: at }) => ({ layer, block, lsn: at })),
        );
        expect(cut === lsn - back || limits !== undefined).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('a limit lowers the cut, and always leaves something to collect', () => {
    const map = new JournalMap();
    for (let block = 0; block < 100; block += 1) {
      map.data(1, 99 - block, block + 1, block);
    }
    expect(map.collect(100, { ...wide, bytes: 10 * 4096 })).toMatchObject({ cut: 10 });
    expect(map.collect(100, { ...wide, bytes: 10 * 4096 }).entries).toHaveLength(10);
    expect(map.collect(100, { ...wide, bytes: 1 }).entries).toHaveLength(1);
  });

  test('blocks that follow each other count as one run where they were written at once', () => {
    const map = new JournalMap();
    for (let block = 0; block < 100; block += 1) {
      map.data(1, block, block < 50 ? 1 : block, block);
    }
    const { cut, entries } = map.collect(100, { ...wide, runs: 10 });
    expect({ cut, entries: entries.length }).toEqual({ cut: 58, entries: 59 });
  });

  test('step by step, everything is moved, and at no time reads as anything else', () => {
    fc.assert(
      fc.property(steps, limited, (list, limits) => {
        const { map, model, lsn } = play(list);
        const moved = new Map<string, number>();
        const shown = (layer: number, block: number) => {
          const entry = map.find(layer, block);
          return entry === undefined ? (moved.get(`${layer} ${block}`) ?? 0) : entry.kind === 'data' ? entry.lsn : 0;
        };
        const written = everyBlock.map(({ layer, block }) => model.at(layer, block)).map((at) => (at?.kind === 'data' ? at.lsn : 0));
        for (let released = 0; released < lsn; ) {
          const { cut, entries, zeroes } = map.collect(lsn, limits);
          expect(cut).toBeGreaterThan(released);
          for (const zero of zeroes) {
            for (let block = zero.firstBlock; block < zero.firstBlock + zero.blocks; block += 1) {
              moved.delete(`${zero.layer} ${block}`);
            }
          }
          for (const entry of entries) {
            moved.set(`${entry.layer} ${entry.block}`, entry.lsn);
          }
          map.release(cut);
          released = cut;
          expect(everyBlock.map(({ layer, block }) => shown(layer, block))).toEqual(written);
        }
        expect(map.hasAny(0, 0, 2 ** 31) || map.hasAny(1, 0, 2 ** 31)).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  test('a step has no more zeroes than it may, however many were zeroed, and none is lost', () => {
    const map = new JournalMap();
    for (let lsn = 1; lsn <= 5_000; lsn += 1) {
      map.zero({ layer: 1, firstBlock: ((lsn * 7919) % 5_000) * 2, blocks: 1, lsn });
    }
    const found = new Set<number>();
    for (let step = 1; step <= 20; step += 1) {
      const { cut, zeroes, visited } = map.collect(5_000, { ...wide, zeroes: 250 });
      expect({ cut, zeroes: zeroes.length }).toEqual({ cut: step * 250, zeroes: 250 });
      expect(visited).toBeLessThanOrEqual(2 * 251);
      for (const { firstBlock } of zeroes) {
        found.add(firstBlock);
      }
      map.release(cut);
    }
    expect(found.size).toBe(5_000);
    expect(map.hasAny(1, 0, 2 ** 31)).toBe(false);
  });

  test('a range that fell into too many pieces is zeroed as a whole, by itself', () => {
    const map = new JournalMap();
    map.zero({ layer: 1, firstBlock: 0, blocks: 10_000, lsn: 1 });
    for (let lsn = 2; lsn < 2002; lsn += 1) {
      map.zero({ layer: 1, firstBlock: lsn * 3, blocks: 1, lsn });
    }
    map.data(1, 9_999, 2002, 0);
    expect(map.collect(2002, { ...wide, zeroes: 100 })).toMatchObject({
      cut: 1,
      zeroes: [{ layer: 1, firstBlock: 0, blocks: 10_000, lsn: 1 }],
      entries: [],
    });
  });

  test('blocks that were written into a zeroed range count as the pieces that it falls into', () => {
    const map = new JournalMap();
    map.zero({ layer: 1, firstBlock: 0, blocks: 10_000, lsn: 1 });
    for (let lsn = 2; lsn < 2002; lsn += 1) {
      map.data(1, lsn * 3, lsn, lsn);
    }
    const { cut, zeroes } = map.collect(2001, { ...wide, zeroes: 100 });
    expect({ cut, zeroes: zeroes.length }).toEqual({ cut: 100, zeroes: 100 });
    map.release(cut);
    expect(map.collect(2001, { ...wide, zeroes: 100 })).toMatchObject({ cut: 2001, zeroes: [] });
  });

  test('a step looks at what it takes, not at all that there is, and gives up on what is all overwritten', () => {
    const map = new JournalMap();
    for (let lsn = 1; lsn <= 20_000; lsn += 1) {
      map.data(1, lsn < 10_000 ? 0 : lsn, lsn, lsn);
    }
    const limits = { ...wide, bytes: 100 * 4096, visits: 5_000 };
    expect(map.collect(20_000, limits)).toMatchObject({ cut: 5_000, entries: [], visited: 5_000 });
    map.release(9_999);
    const { cut, entries, visited } = map.collect(20_000, limits);
    expect({ cut, entries: entries.length }).toEqual({ cut: 10_099, entries: 100 });
    expect(visited).toBe(101);
  });

  test('says whether it knows anything of a range, short or beyond all bounds', () => {
    fc.assert(
      fc.property(steps, range.first, fc.oneof(range.blocks, fc.constant(2 ** 31)), (list, first, count) => {
        const { map, model } = play(list);
        const expected = everyBlock.some(
          ({ layer, block }) => layer === 0 && block >= first && block < first + count && model.at(0, block),
        );
        // Data under newer zeros, or zeros under newer data, are known all the same.
        expect(map.hasAny(0, first, count)).toBe(expected);
      }),
      { numRuns: 200 },
    );
  });

  test('holds many blocks, over many releases', () => {
    const map = new JournalMap();
    let lsn = 0;
    for (let round = 0; round < 10; round += 1) {
      for (let block = 0; block < 20_000; block += 1) {
        lsn += 1;
        map.data(round, block * 7, lsn, lsn);
      }
      expect(map.find(round, 19_999 * 7)).toEqual({ kind: 'data', lsn, handle: lsn });
      map.release(lsn - 5);
      expect(map.find(round, 0)).toBeUndefined();
      expect(map.collect(lsn).entries).toHaveLength(5);
    }
  });
});
