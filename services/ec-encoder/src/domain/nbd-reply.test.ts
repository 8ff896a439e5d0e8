import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeBlockStatus, encodeErrorChunk, mergeExtents, putNone, putOffsetData, putOffsetHole, putSimpleReply } from './nbd-reply.ts';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const cookie = fc.record({ cookieHigh: u32, cookieLow: u32 });
const offset = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const at = fc.integer({ min: 0, max: 20 });
const cookieOf = (o: { cookieHigh: number; cookieLow: number }) => (BigInt(o.cookieHigh) << 32n) | BigInt(o.cookieLow);

/** A structured reply as a client reads it. */
function readChunk(bytes: Buffer, from = 0) {
  expect(bytes.readUInt32BE(from)).toBe(0x668e_33ef);
  const lengthBytes = bytes.readUInt32BE(from + 16);
  return {
    flags: bytes.readUInt16BE(from + 4),
    type: bytes.readUInt16BE(from + 6),
    cookie: bytes.readBigUInt64BE(from + 8),
    lengthBytes,
    data: bytes.subarray(from + 20, from + 20 + lengthBytes),
  };
}

describe('a reply', () => {
  it('without a structure has the number of its error, and touches nothing around it', () => {
    fc.assert(
      fc.property(
        cookie,
        at,
        fc.constantFrom([undefined, 0], ['EIO', 5], ['ENOSPC', 28], ['ESHUTDOWN', 108]),
        (to, from, [error, number]) => {
          const into = Buffer.alloc(from + 16 + 4, 0xaa);
          putSimpleReply(into, from, to, error as 'EIO' | undefined);
          expect([into.readUInt32BE(from), into.readUInt32BE(from + 4), into.readBigUInt64BE(from + 8)]).toEqual([
            0x6744_6698,
            number,
            cookieOf(to),
          ]);
          expect(Buffer.concat([into.subarray(0, from), into.subarray(from + 16)]).every((byte) => byte === 0xaa)).toBe(true);
        },
      ),
    );
  });

  it('with data or a hole says where, as the last chunk of its request', () => {
    fc.assert(
      fc.property(cookie, at, offset, fc.integer({ min: 1, max: 0xffff_fff0 }), (to, from, offsetBytes, lengthBytes) => {
        const into = Buffer.alloc(from + 32);
        putOffsetData(into, from, to, { offsetBytes, lengthBytes });
        expect(readChunk(into, from)).toMatchObject({ flags: 1, type: 1, cookie: cookieOf(to), lengthBytes: lengthBytes + 8 });
        expect(into.readBigUInt64BE(from + 20)).toBe(BigInt(offsetBytes));
        putOffsetHole(into, from, to, { offsetBytes, lengthBytes });
        const hole = readChunk(into, from);
        expect(hole).toMatchObject({ flags: 1, type: 2, cookie: cookieOf(to), lengthBytes: 12 });
        expect([hole.data.readBigUInt64BE(0), hole.data.readUInt32BE(8)]).toEqual([BigInt(offsetBytes), lengthBytes]);
        putNone(into, from, to);
        expect(readChunk(into, from)).toMatchObject({ flags: 1, type: 0, cookie: cookieOf(to), lengthBytes: 0 });
      }),
    );
  });

  it('with an error has its text, and the offset where one is known', () => {
    fc.assert(
      fc.property(
        cookie,
        fc.string({ unit: 'grapheme', maxLength: 60 }),
        fc.option(offset, { nil: undefined }),
        (to, message, offsetBytes) => {
          const chunk = readChunk(encodeErrorChunk(to, { error: 'EIO', message, ...(offsetBytes === undefined ? {} : { offsetBytes }) }));
          const textBytes = chunk.data.readUInt16BE(4);
          expect(chunk).toMatchObject({ flags: 1, type: offsetBytes === undefined ? 0x8001 : 0x8002, cookie: cookieOf(to) });
          expect(chunk.data.readUInt32BE(0)).toBe(5);
          expect([...message].slice(0, 1_000).join('')).toBe(chunk.data.toString('utf8', 6, 6 + textBytes));
          expect(chunk.lengthBytes).toBe(6 + textBytes + (offsetBytes === undefined ? 0 : 8));
          if (offsetBytes !== undefined) {
            expect(chunk.data.readBigUInt64BE(6 + textBytes)).toBe(BigInt(offsetBytes));
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('cuts a long text between characters', () => {
    const { data } = readChunk(encodeErrorChunk({ cookieHigh: 0, cookieLow: 0 }, { error: 'EINVAL', message: '😀'.repeat(2_000) }));
    expect(data.toString('utf8', 6)).toBe('😀'.repeat(1_000));
  });
});

describe('extents', () => {
  const extents = fc.array(fc.record({ lengthBytes: fc.integer({ min: 0, max: 5 }), isHole: fc.boolean() }), { maxLength: 20 });
  const flat = (list: readonly { lengthBytes: number; isHole: boolean }[]) =>
    list.map(({ lengthBytes, isHole }) => (isHole ? 'h' : 'd').repeat(lengthBytes)).join('');

  it('say of each byte what they said before, are never empty, never alike side by side, and never too many', () => {
    fc.assert(
      fc.property(extents, fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 8 }), (found, lengthBytes, extentsMax) => {
        const merged = mergeExtents(found, { lengthBytes, extentsMax });
        expect(flat(found).slice(0, lengthBytes).startsWith(flat(merged))).toBe(true);
        expect(merged.length).toBeLessThanOrEqual(extentsMax);
        expect(merged.every((one, index) => one.lengthBytes > 0 && merged[index - 1]?.isHole !== one.isHole)).toBe(true);
        if (merged.length < extentsMax) {
          expect(flat(merged)).toBe(flat(found).slice(0, lengthBytes));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('are sent as pairs of a length and what it is', () => {
    fc.assert(
      fc.property(cookie, extents, (to, list) => {
        const chunk = readChunk(encodeBlockStatus(to, list));
        expect(chunk).toMatchObject({ flags: 1, type: 5, cookie: cookieOf(to), lengthBytes: 4 + 8 * list.length });
        expect(chunk.data.readUInt32BE(0)).toBe(1);
        const seen = list.map((_, index) => ({
          lengthBytes: chunk.data.readUInt32BE(4 + index * 8),
          isHole: chunk.data.readUInt32BE(8 + index * 8) === 3,
        }));
        expect(seen).toEqual(list);
      }),
    );
  });
});
