import fc from 'fast-check';
import { expect, test } from 'vitest';
import { blockSeeds } from './block-seed.ts';
import { referenceChecksums } from './codec/crc32c.ts';
import { blockBytes, shapeOf, storedBytesOf } from './geometry.ts';
import { RecordError } from './record-errors.ts';
import { decodeShardHeader, encodeShardHeader, shardHeaderBlocks } from './shard-record.ts';
import { isStamped, stampShard } from './shard-stamp.ts';
import { codecNames, type ShardHeader } from './stripe.ts';

const u32 = fc.nat(0xffff_ffff);
const lsn = fc.maxSafeNat();
const u48 = fc.nat(Number.MAX_SAFE_INTEGER).map((value) => value % 2 ** 48);
const blocksOffset = u32.map((blocks) => blocks * blockBytes);
const effect = fc.oneof(
  fc.record({ kind: fc.constant('blocks' as const), layer: u32, firstBlock: u48, blocks: u32, offsetBytes: blocksOffset, lsn }),
  fc.record({ kind: fc.constant('zeroes' as const), layer: u32, firstBlock: u48, blocks: u48, lsn }),
  fc.record({
    kind: fc.constant('blob' as const),
    blobId: fc.stringMatching(/^[0-9a-f]{32}$/),
    part: fc.nat(0xff_ffff),
    isLast: fc.boolean(),
    offsetBytes: u32,
    lengthBytes: u32,
  }),
  fc.record({
    kind: fc.constant('catalog' as const),
    version: lsn,
    json: fc.string({ unit: 'binary' }),
  }),
);
const headers: fc.Arbitrary<ShardHeader> = fc
  .record({
    dataShards: fc.integer({ min: 1, max: 20 }),
    parityShards: fc.nat(5),
    payloadBlocks: fc.nat(6_000),
    placeAt: fc.nat(24),
    vaultId: fc.uuid(),
    stripeId: lsn,
    generation: u32,
    codec: fc.constantFrom(...codecNames),
    appliedLsn: lsn,
    effects: fc.array(effect, { maxLength: 12 }),
  })
  .map(({ dataShards, parityShards, payloadBlocks, placeAt, ...fields }) => {
    const shape = shapeOf({ dataShards, parityShards }, payloadBlocks * blockBytes);
    const place = placeAt % (dataShards + parityShards);
    const sums = Uint32Array.from({ length: storedBytesOf(shape, place) / blockBytes }, (_, index) => index * 0x9e37_79b9);
    return { ...fields, shape, place, sums };
  });

test('every head comes back from its bytes, also when more follows it', () => {
  fc.assert(
    fc.property(headers, (header) => {
      const bytes = encodeShardHeader(header, referenceChecksums);
      expect(bytes.length % blockBytes).toBe(0);
      expect(shardHeaderBlocks(bytes.subarray(0, blockBytes))).toBe(bytes.length / blockBytes);
      const decoded = decodeShardHeader(Buffer.concat([bytes, Buffer.alloc(100, 7)]), referenceChecksums);
      expect(decoded).toEqual(header);
    }),
    { numRuns: 60 },
  );
});

test('no bit of a head can flip unseen, but for those of the stamp', () => {
  const header = fc.sample(headers, { numRuns: 1, seed: 5 })[0];
  const bytes = encodeShardHeader(header as ShardHeader, referenceChecksums);
  fc.assert(
    fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
      fc.pre(bit < 192 * 8 || bit >= 256 * 8);
      const flipped = Buffer.from(bytes);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(() => decodeShardHeader(flipped, referenceChecksums)).toThrow(/RECORD_(CORRUPT|NOT_A_RECORD)/);
    }),
    { numRuns: 200 },
  );
});

test('no cut of a head passes, nor does anything else', () => {
  const bytes = encodeShardHeader(fc.sample(headers, { numRuns: 1, seed: 6 })[0] as ShardHeader, referenceChecksums);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), (end) => {
      expect(() => decodeShardHeader(bytes.subarray(0, end), referenceChecksums)).toThrow(/RECORD_/);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 9_000 }), (other) => {
      expect(() => decodeShardHeader(other, referenceChecksums)).toThrow(/RECORD_NOT_A_RECORD/);
    }),
  );
  expect(shardHeaderBlocks(new Uint8Array(blockBytes))).toBeUndefined();
});

test('a head of a newer version is told from a damaged one', () => {
  const bytes = encodeShardHeader(fc.sample(headers, { numRuns: 1, seed: 7 })[0] as ShardHeader, referenceChecksums);
  bytes.writeUInt8(2, 8);
  expect(() => decodeShardHeader(bytes, referenceChecksums)).toThrow(/RECORD_CORRUPT/);
  const summed = [bytes.subarray(0, 16), bytes.subarray(20, 192), bytes.subarray(256)];
  bytes.writeUInt32LE(
    summed.reduce((crc, part) => referenceChecksums.crc32c(part, crc), 0),
    16,
  );
  expect(() => decodeShardHeader(bytes, referenceChecksums)).toThrow(/RECORD_NEWER_VERSION.*found=2/);
});

test('sums that do not go with the shape are refused, and so are effects that do not fit their fields', () => {
  const header = fc.sample(headers, { numRuns: 1, seed: 8 })[0] as ShardHeader;
  expect(() => encodeShardHeader({ ...header, sums: new Uint32Array(header.sums.length + 1) }, referenceChecksums)).toThrow(RangeError);
  const bad = { kind: 'blocks', layer: 1, firstBlock: 2 ** 48, blocks: 1, offsetBytes: 0, lsn: 1 } as const;
  expect(() => encodeShardHeader({ ...header, effects: [bad] }, referenceChecksums)).toThrow(RangeError);
  expect(() => encodeShardHeader({ ...header, effects: [{ ...bad, firstBlock: 0, offsetBytes: 5 }] }, referenceChecksums)).toThrow(
    RangeError,
  );
});

test('a stamp is good for its place alone, and leaves the head as it was', () => {
  const bytes = encodeShardHeader(fc.sample(headers, { numRuns: 1, seed: 9 })[0] as ShardHeader, referenceChecksums);
  const stamp = { driveId: '3b0e4f3a-6f0e-4a53-9a0f-0c1d2e3f4a5b', segment: 3, offsetBlocks: 4 };
  expect(isStamped(bytes, stamp)).toBe(false);
  stampShard(bytes, stamp);
  expect(isStamped(bytes, stamp)).toBe(true);
  expect(isStamped(bytes, { ...stamp, offsetBlocks: 5 })).toBe(false);
  expect(isStamped(bytes, { ...stamp, segment: 4 })).toBe(false);
  expect(isStamped(bytes, { ...stamp, driveId: stamp.driveId.replace('3', '4') })).toBe(false);
  expect(() => decodeShardHeader(bytes, referenceChecksums)).not.toThrow(RecordError);
});

test('the seed of a block is the checksum of its address, and differs for every part of it', () => {
  const shard = { stripeId: 2 ** 40 + 5, place: 3, generation: 9 };
  const address = Buffer.alloc(18);
  address.writeBigUInt64LE(BigInt(shard.stripeId), 0);
  address.writeUInt16LE(3, 8);
  address.writeUInt32LE(12, 10);
  address.writeUInt32LE(9, 14);
  const seeds = blockSeeds(referenceChecksums, shard, 10, 5);
  expect(seeds[2]).toBe(referenceChecksums.crc32c(address));
  expect(blockSeeds(referenceChecksums, shard, 12, 1)[0]).toBe(seeds[2]);
  // Few by our own code, many by the engine.
  expect([...blockSeeds(referenceChecksums, shard, 0, 100).subarray(10, 15)]).toEqual([...seeds]);
  const others = [
    { ...shard, stripeId: 5 },
    { ...shard, place: 2 },
    { ...shard, generation: 8 },
  ].map((other) => blockSeeds(referenceChecksums, other, 12, 1)[0]);
  expect(new Set([...seeds, ...others]).size).toBe(8);
  expect(blockSeeds(referenceChecksums, shard, 0, 0)).toHaveLength(0);
});
