import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyAfter, RowsBefore, type SealedRow } from './rows-before.ts';

/** Bytes on both sides of what latin1 and UTF-8 have in common, and one key that begins another. */
const keyArb = fc.array(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), { minLength: 1, maxLength: 3 }).map((bytes) => Buffer.from(bytes));
const rowsArb = fc
  .uniqueArray(fc.tuple(keyArb, fc.nat(9)), { selector: ([key]) => key.toString('hex'), maxLength: 25 })
  .map((rows) => new Map(rows.map(([key, value]) => [key.toString('hex'), Buffer.of(value)])));

function sorted(rows: ReadonlyMap<string, Buffer>, start: Buffer, end: Buffer, limit: number): SealedRow[] {
  return [...rows]
    .map(([hex, sealed]) => ({ key: Buffer.from(hex, 'hex'), sealed }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .filter(({ key }) => Buffer.compare(key, start) >= 0 && Buffer.compare(key, end) < 0)
    .slice(0, limit);
}

describe('the rows before a batch', () => {
  it('put over the rows after it, show what was there: by key, and in any range', () => {
    fc.assert(
      fc.property(
        rowsArb,
        rowsArb,
        keyArb,
        keyArb,
        fc.oneof(fc.integer({ min: 1, max: 6 }), fc.constant(Number.MAX_SAFE_INTEGER)),
        (was, is, start, end, limit) => {
          const before = new RowsBefore();
          for (const hex of new Set([...was.keys(), ...is.keys()])) {
            if (was.get(hex)?.equals(is.get(hex) ?? Buffer.alloc(0)) !== true) {
              before.add(Buffer.from(hex, 'hex'), was.get(hex));
            }
          }
          for (const [hex, sealed] of is) {
            const key = Buffer.from(hex, 'hex');
            expect(before.has(key) ? before.get(key) : sealed).toEqual(was.get(hex));
          }
          const read = (range: { start: Buffer; end: Buffer; limit: number }) => sorted(is, range.start, range.end, range.limit);
          expect(before.range({ start, end, limit }, read)).toEqual(sorted(was, start, end, limit));
        },
      ),
      { numRuns: 400 },
    );
  });

  it('has nothing between a key and the one after it', () => {
    fc.assert(
      fc.property(keyArb, keyArb, (key, other) => {
        expect(Buffer.compare(key, keyAfter(key))).toBe(-1);
        expect(Buffer.compare(key, other) < 0 && Buffer.compare(other, keyAfter(key)) < 0).toBe(false);
      }),
    );
  });
});
