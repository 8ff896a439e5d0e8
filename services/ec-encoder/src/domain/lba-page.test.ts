import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePage, emptyPage, encodePage, type LbaPage, mapRun, type PageRun, pageBlocks, pointerAt, unmap } from './lba-page.ts';

const rangeArbitrary = fc
  .record({ first: fc.nat(pageBlocks - 1), blocks: fc.integer({ min: 1, max: pageBlocks }) })
  .map(({ first, blocks }) => ({ first, blocks: Math.min(blocks, pageBlocks - first) }));
const opArbitrary = fc.oneof(
  fc.record({ range: rangeArbitrary, stripeId: fc.integer({ min: 1, max: 3 }), offsetBlocks: fc.nat(300), isUnmap: fc.constant(false) }),
  fc.record({ range: rangeArbitrary, stripeId: fc.constant(0), offsetBlocks: fc.constant(0), isUnmap: fc.constant(true) }),
);

function flat(page: LbaPage): (string | undefined)[] {
  return Array.from({ length: pageBlocks }, (_, block) => {
    const pointer = pointerAt(page, block);
    return pointer && `${pointer.stripeId}:${pointer.offsetBlocks}`;
  });
}

function flatRuns(runs: readonly PageRun[]): string[] {
  return runs.flatMap((run) => Array.from({ length: run.blocks }, (_, at) => `${run.first + at}=${run.stripeId}:${run.offsetBlocks + at}`));
}

describe('a page of the map', () => {
  it('is a flat array of pointers, and tells what each change released', () => {
    fc.assert(
      fc.property(fc.array(opArbitrary, { maxLength: 30, size: 'max' }), (ops) => {
        let page = emptyPage;
        const model = new Array<string | undefined>(pageBlocks).fill(undefined);
        for (const { range, stripeId, offsetBlocks, isUnmap } of ops) {
          const expected: string[] = [];
          for (let at = 0; at < range.blocks; at += 1) {
            const old = model[range.first + at];
            if (old !== undefined) {
              expected.push(`${range.first + at}=${old}`);
            }
            model[range.first + at] = isUnmap ? undefined : `${stripeId}:${offsetBlocks + at}`;
          }
          const changed = isUnmap ? unmap(page, range.first, range.blocks) : mapRun(page, { ...range, stripeId, offsetBlocks });
          expect(flatRuns(changed.released)).toEqual(expected);
          page = changed.page;
          expect(decodePage(encodePage(page))).toEqual(page);
        }
        expect(flat(page)).toEqual(model);
        // Neighbours that continue each other are one run.
        expect(page.runs.length).toBe(model.filter((one, block) => one !== undefined && !continues(model[block - 1], one)).length);
      }),
    );
  });

  it('takes 12 bytes a run and one for its version', () => {
    const { page } = mapRun(mapRun(emptyPage, { first: 0, blocks: 3, stripeId: 2 ** 47, offsetBlocks: 2 ** 31 }).page, {
      first: 255,
      blocks: 1,
      stripeId: 7,
      offsetBlocks: 0,
    });
    expect(encodePage(page).length).toBe(25);
    expect(encodePage(page).toString('hex')).toBe('010002800000008000000000' + '00ff0000000000000000000' + '007');
    expect(decodePage(encodePage(page))).toEqual(page);
  });

  it('refuses ranges that are not of a page, newer versions, and runs that contradict each other', () => {
    expect(() => mapRun(emptyPage, { first: 250, blocks: 7, stripeId: 1, offsetBlocks: 0 })).toThrow(RangeError);
    expect(() => unmap(emptyPage, 0, 0)).toThrow(RangeError);
    const bytes = encodePage({
      runs: [
        { first: 0, blocks: 9, stripeId: 1, offsetBlocks: 0 },
        { first: 8, blocks: 1, stripeId: 1, offsetBlocks: 0 },
      ],
    });
    expect(() => decodePage(bytes)).toThrow(/ROW_CORRUPT/);
    expect(() => decodePage(bytes.subarray(0, 20))).toThrow(/ROW_CORRUPT/);
    bytes[0] = 2;
    expect(() => decodePage(bytes)).toThrow(/ROW_NEWER_VERSION/);
  });
});

function continues(left: string | undefined, right: string): boolean {
  const [stripeId, offset] = right.split(':');
  return left === `${stripeId}:${Number(offset) - 1}`;
}
