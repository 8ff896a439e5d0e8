/** What every checksum engine must do. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChecksumEngine } from './crc32c.ts';

/** By the definition, a bit at a time. */
function byDefinition(data: Uint8Array, seed = 0): number {
  let crc = ~seed;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
    }
  }
  return ~crc >>> 0;
}

const seed = fc.integer({ min: 0, max: 0xffff_ffff });
/** Long enough for several of the longest stretches that an engine takes at once. */
const data = fc.oneof(fc.uint8Array({ maxLength: 600 }), fc.uint8Array({ minLength: 4_000, maxLength: 13_000, size: 'max' }));

export function checksumConformance(engine: () => ChecksumEngine): void {
  describe('crc32c', () => {
    it.each([
      ['nothing', Buffer.alloc(0), 0],
      ['the nine digits', Buffer.from('123456789'), 0xe3069283],
      ['32 zero bytes of RFC 3720', Buffer.alloc(32), 0x8a9136aa],
      ['32 bytes of ones of RFC 3720', Buffer.alloc(32, 0xff), 0x62a8ab43],
      ['32 rising bytes of RFC 3720', Buffer.from(Array.from({ length: 32 }, (_, at) => at)), 0x46dd794e],
      ['32 falling bytes of RFC 3720', Buffer.from(Array.from({ length: 32 }, (_, at) => 31 - at)), 0x113fdb5c],
    ])('gives the known checksum of %s', (_, bytes, expected) => {
      expect(engine().crc32c(bytes)).toBe(expected);
    });

    it('is what the definition gives, for any bytes, alignment and seed', () => {
      fc.assert(
        fc.property(data, fc.integer({ min: 0, max: 9 }), seed, (bytes, skipped, start) => {
          const part = bytes.subarray(Math.min(skipped, bytes.length));
          expect(engine().crc32c(part, start)).toBe(byDefinition(part, start));
        }),
        { numRuns: 60 },
      );
    });

    it('goes on from the checksum of what came before', () => {
      fc.assert(
        fc.property(data, fc.nat(), (bytes, at) => {
          const cut = at % (bytes.length + 1);
          expect(engine().crc32c(bytes.subarray(cut), engine().crc32c(bytes.subarray(0, cut)))).toBe(engine().crc32c(bytes));
        }),
        { numRuns: 60 },
      );
    });
  });

  describe('crc32cBlocks', () => {
    it('gives each block its own checksum, begun with its own seed', () => {
      fc.assert(
        fc.property(
          fc.uint8Array({ minLength: 1, maxLength: 9_000, size: 'max' }),
          fc.integer({ min: 100, max: 5_000 }),
          seed,
          (bytes, blockBytes, start) => {
            const seeds = Uint32Array.from({ length: Math.ceil(bytes.length / blockBytes) }, (_, index) => start + index);
            const expected = [...seeds].map((own, index) =>
              byDefinition(bytes.subarray(index * blockBytes, (index + 1) * blockBytes), own),
            );
            expect([...engine().crc32cBlocks(bytes, blockBytes, seeds)]).toEqual(expected);
          },
        ),
        { numRuns: 40 },
      );
    });

    it.each([
      ['too few seeds', 8192, 4096, 1],
      ['too many seeds', 8192, 4096, 3],
      ['no bytes', 0, 4096, 0],
      ['blocks of nothing', 8192, 0, 2],
      ['blocks of half bytes', 8192, 4096.5, 2],
      ['blocks longer than can be said', 8192, 2 ** 32, 1],
    ])('refuses %s', (_, bytes, blockBytes, seeds) => {
      expect(() => engine().crc32cBlocks(new Uint8Array(bytes), blockBytes, new Uint32Array(seeds))).toThrow(RangeError);
    });
  });
}
