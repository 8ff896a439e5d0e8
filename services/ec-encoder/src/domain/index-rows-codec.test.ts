import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeBlob,
  decodeNumber,
  decodeStripe,
  decodeSums,
  encodeBlob,
  encodeNumber,
  encodeStripe,
  encodeSums,
  seal,
  unseal,
} from './index-rows-codec.ts';
import { blobIdOfKey, blobKey, layerPageKey, pageOfKey, stripeIdOfKey, stripeKey, sumsKey } from './index-rows-keys.ts';
import { codecNames } from './stripe.ts';

const u48 = fc.maxSafeNat().map((value) => value % 2 ** 48);
const u32 = fc.nat(2 ** 32 - 1);
const u16 = fc.nat(2 ** 16 - 1);
const shardArbitrary = fc.option(fc.record({ drive: u16, segment: u32, offsetBlocks: u32, headerBlocks: u16, generation: u32 }), {
  nil: undefined,
});
const stripeArbitrary = fc
  .record({ dataShards: fc.integer({ min: 1, max: 8 }), parityShards: fc.nat(4), shardBytes: u32, payloadBytes: u48 })
  .chain((shape) =>
    fc.record({
      stripeId: u48,
      shape: fc.constant(shape),
      codec: fc.constantFrom(...codecNames),
      shards: fc.array(shardArbitrary, {
        minLength: shape.dataShards + shape.parityShards,
        maxLength: shape.dataShards + shape.parityShards,
      }),
      liveBytes: u48,
    }),
  );
const blobIdArbitrary = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex'));

describe('rows of the index', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(stripeArbitrary, (row) => {
        expect(decodeStripe(row.stripeId, encodeStripe(row))).toEqual(row);
      }),
    );
    fc.assert(
      fc.property(fc.uint32Array(), (sums) => {
        expect(decodeSums(encodeSums(sums))).toEqual(sums);
      }),
    );
    fc.assert(
      fc.property(
        blobIdArbitrary,
        fc.constantFrom('pending' as const, 'adopted' as const),
        fc.array(fc.record({ part: u32, isLast: fc.boolean(), stripeId: u48, offsetBytes: u48, lengthBytes: u32 })),
        (blobId, state, parts) => {
          const sizeBytes = parts.reduce((sum, part) => sum + part.lengthBytes, 0);
          const row = { blobId, state, parts, sizeBytes, createdAt: '2026-02-03T04:05:06.789Z' };
          expect(decodeBlob(blobId, encodeBlob(row))).toEqual(row);
        },
      ),
    );
    expect(decodeNumber(encodeNumber(Number.MAX_SAFE_INTEGER))).toBe(Number.MAX_SAFE_INTEGER);
  });

  it('are known by their seal: a changed bit, a cut end or the key of another row is seen', () => {
    const row = encodeNumber(77);
    fc.assert(
      fc.property(fc.nat(row.length + 3), fc.nat(7), (at, bit) => {
        const sealed = seal(stripeKey(1), row);
        expect(unseal(stripeKey(1), sealed)).toEqual(row);
        expect(() => unseal(stripeKey(2), sealed)).toThrow(/ROW_CORRUPT/);
        expect(() => unseal(stripeKey(1), sealed.subarray(0, at))).toThrow(/ROW_CORRUPT/);
        sealed.writeUInt8(sealed.readUInt8(at) ^ (1 << bit), at);
        expect(() => unseal(stripeKey(1), sealed)).toThrow(/ROW_CORRUPT/);
      }),
    );
  });

  it('of a newer version are refused', () => {
    const newer = encodeNumber(1);
    newer.writeUInt8(2, 0);
    expect(() => decodeNumber(newer)).toThrow(/ROW_NEWER_VERSION/);
  });

  it('stand in the order of their numbers', () => {
    fc.assert(
      fc.property(u48, u48, (a, b) => {
        expect(Math.sign(Buffer.compare(stripeKey(a), stripeKey(b)))).toBe(Math.sign(a - b));
        expect(stripeIdOfKey(stripeKey(a))).toBe(a);
        expect(Math.sign(Buffer.compare(sumsKey(a, 0), sumsKey(b, 0)))).toBe(Math.sign(a - b));
      }),
    );
    fc.assert(
      fc.property(u32, u32, u32, (layer, a, b) => {
        expect(Math.sign(Buffer.compare(layerPageKey(layer, a), layerPageKey(layer, b)))).toBe(Math.sign(a - b));
        expect(pageOfKey(layerPageKey(layer, a))).toBe(a);
      }),
    );
    fc.assert(
      fc.property(blobIdArbitrary, (blobId) => {
        expect(blobIdOfKey(blobKey(blobId))).toBe(blobId);
      }),
    );
  });
});
