/**
 * Where the bytes of a stripe lie.
 *
 * A stripe's payload is cut into dataShards contiguous ranges of `shardBytes`, so that a small read touches one shard. The last range may be
 * short or empty: what is missing reads as zeros, is coded as zeros, and is not stored. Parity shards are always whole.
 */

/** What is mapped, checked and read at the least. */
export const blockBytes = 4096;

export interface StripeShape {
  readonly dataShards: number;
  readonly parityShards: number;
  /** Of each shard, a multiple of the block; 0 for a stripe without payload, whose shards are headers only. */
  readonly shardBytes: number;
  /** A multiple of the block. */
  readonly payloadBytes: number;
}

export interface ShardOffset {
  readonly place: number;
  readonly offsetBytes: number;
}

/** The shape that holds so many bytes. A full stripe's is the policy's: ceil(stripeSizeBytes / k / 4096) * 4096 per shard. */
export function shapeOf(code: { dataShards: number; parityShards: number }, payloadBytes: number): StripeShape {
  const shardBytes = Math.ceil(payloadBytes / code.dataShards / blockBytes) * blockBytes;
  return { dataShards: code.dataShards, parityShards: code.parityShards, shardBytes, payloadBytes };
}

export function shardCountOf(shape: StripeShape): number {
  return shape.dataShards + shape.parityShards;
}

/** Of a byte of the payload. */
export function placeOf(shape: StripeShape, payloadOffsetBytes: number): ShardOffset {
  const place = Math.floor(payloadOffsetBytes / shape.shardBytes);
  return { place, offsetBytes: payloadOffsetBytes - place * shape.shardBytes };
}

/** How much of a shard is on its drive, in bytes: all of it but the tail of zeros. */
export function storedBytesOf(shape: StripeShape, place: number): number {
  return place >= shape.dataShards
    ? shape.shardBytes
    : Math.min(shape.shardBytes, Math.max(0, shape.payloadBytes - place * shape.shardBytes));
}
