/** What every codec asks of the shards that it is given. */
import type { ShardRange } from './erasure-codec.ts';
import { CodecError } from './errors.ts';

/** Judges their number and their one length, which is returned; 0 where there are none at all. Throws CodecError BAD_SHARDS. */
export function checkShards(shards: readonly (Uint8Array | undefined)[], count: number, o: { holes: boolean }): number {
  if (!Array.isArray(shards) || shards.length !== count) {
    throw new CodecError('BAD_SHARDS', { shards: Array.isArray(shards) ? shards.length : -1, expected: count });
  }
  let lengthBytes: number | undefined;
  for (let place = 0; place < count; place += 1) {
    const shard: unknown = shards[place];
    if (shard === undefined && o.holes) {
      continue;
    }
    if (!(shard instanceof Uint8Array) || shard.length === 0 || shard.length !== (lengthBytes ?? shard.length)) {
      throw new CodecError('BAD_SHARDS', { shard: place, lengthBytes: shard instanceof Uint8Array ? shard.length : -1 });
    }
    lengthBytes = shard.length;
  }
  return lengthBytes ?? 0;
}

/** Throws CodecError BAD_RANGE. */
export function checkRange(range: ShardRange, shardBytes: number): ShardRange {
  const { offsetBytes, lengthBytes } = range;
  const isWhole = Number.isSafeInteger(offsetBytes) && Number.isSafeInteger(lengthBytes);
  if (!isWhole || offsetBytes < 0 || lengthBytes < 1 || offsetBytes + lengthBytes > shardBytes) {
    throw new CodecError('BAD_RANGE', { offsetBytes, lengthBytes, shardBytes });
  }
  return range;
}

/** Throws CodecError BAD_SHARDS unless all are places of a code of so many shards. */
export function checkWanted(wanted: readonly number[], total: number): void {
  const isPlace = (place: unknown) => typeof place === 'number' && Number.isInteger(place) && place >= 0 && place < total;
  if (!Array.isArray(wanted) || !wanted.every(isPlace) || wanted.length > total) {
    throw new CodecError('BAD_SHARDS', { wanted: String(wanted).slice(0, 100), shards: total });
  }
}

/** The places of the first `needed` shards that are there. Throws CodecError TOO_FEW_SHARDS. */
export function survivorsOf(shards: readonly (Uint8Array | undefined)[], needed: number): number[] {
  const survivors = places(0, shards.length)
    .filter((place) => shards[place] !== undefined)
    .slice(0, needed);
  if (survivors.length < needed) {
    throw new CodecError('TOO_FEW_SHARDS', { left: survivors.length, needed });
  }
  return survivors;
}

/** Memory of their own for each, not of a pool: they may live long after one another. */
export function newShards(count: number, lengthBytes: number): Uint8Array[] {
  return Array.from({ length: count }, () => Buffer.allocUnsafeSlow(lengthBytes));
}

export function places(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => from + index);
}
