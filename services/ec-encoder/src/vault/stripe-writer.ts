/**
 * Writes one stripe: parity, checksums, a record for each shard on a drive of its own, all synced.
 *
 * Nothing points at the stripe yet when this returns: the caller's index commit makes it exist. A crash before that leaves records that no
 * index row names; they are garbage and go with their segment, and their stripe id is never used again.
 */
import type { SharedPool } from '../adapters/shared-buffers.ts';
import { blockSeeds } from '../domain/block-seed.ts';
import type { ChecksumEngine } from '../domain/codec/crc32c.ts';
import type { ErasureCodec } from '../domain/codec/erasure-codec.ts';
import { blockBytes, type StripeShape, shardCountOf, storedBytesOf } from '../domain/geometry.ts';
import { placeShards } from '../domain/placement.ts';
import { encodeShardHeader } from '../domain/shard-record.ts';
import type { CodecName, Effect, ShardPlace, StripeRow } from '../domain/stripe.ts';
import type { DriveSet } from './drive-set.ts';
import { VaultError } from './errors.ts';

/** Of a shard that is written for the first time. */
export const firstGeneration = 1;
/** A shard whose drive fails under it is tried on so many others. */
const attemptsMax = 3;

export interface StripeToWrite {
  readonly shape: StripeShape;
  /** dataShards * shardBytes of shared memory, zeros behind the payload; left alone until it is written. */
  readonly data: Uint8Array;
  readonly effects: readonly Effect[];
  /** For rebuild and compaction, which make room. */
  readonly useReserve?: boolean;
  readonly priority?: 'front' | 'back';
}

export interface WrittenStripe {
  readonly row: StripeRow;
  /** Of each shard, also of one that found no drive. */
  readonly sums: readonly Uint32Array[];
}

export interface StripeWriterDeps {
  readonly vaultId: string;
  readonly codecName: CodecName;
  readonly codec: ErasureCodec;
  readonly checksums: ChecksumEngine;
  readonly drives: DriveSet;
  readonly pool: SharedPool;
  readonly nextStripeId: () => number;
  readonly appliedLsn: () => number;
  readonly minHealthyShards: () => number;
  /** The shards are durable; the index does not know of them yet. */
  readonly onWritten: (written: WrittenStripe) => void;
}

export class StripeWriter {
  readonly #deps: StripeWriterDeps;

  constructor(deps: StripeWriterDeps) {
    this.#deps = deps;
  }

  /** Throws VaultError TOO_FEW_DRIVES or NO_SPACE where fewer shards than minHealthyShards found a place. */
  async write(stripe: StripeToWrite): Promise<WrittenStripe> {
    const { codec, pool } = this.#deps;
    const { shape } = stripe;
    const parityBytes = shape.parityShards * shape.shardBytes;
    const parityMemory = parityBytes === 0 ? undefined : pool.take(parityBytes);
    try {
      const data = cut(stripe.data, shape.dataShards, shape.shardBytes);
      const parity = parityMemory === undefined ? [] : cut(parityMemory, shape.parityShards, shape.shardBytes);
      if (parityMemory !== undefined) {
        await codec.encode(data, parity);
      }
      return await this.#store(stripe, [...data, ...parity]);
    } finally {
      if (parityMemory !== undefined) {
        pool.give(parityMemory);
      }
    }
  }

  async #store(stripe: StripeToWrite, shards: readonly Uint8Array[]): Promise<WrittenStripe> {
    const { vaultId, codecName, checksums, appliedLsn, nextStripeId, minHealthyShards } = this.#deps;
    const { shape, effects } = stripe;
    const stripeId = nextStripeId();
    const total = shardCountOf(shape);
    const common = { vaultId, stripeId, shape, codec: codecName, appliedLsn: appliedLsn(), effects, generation: firstGeneration };
    const records = Array.from({ length: total }, (_, place) => {
      const stored = shards[place]?.subarray(0, storedBytesOf(shape, place)) ?? new Uint8Array(0);
      const sums = sumsOf(checksums, { stripeId, place, generation: firstGeneration }, stored);
      return { data: stored, sums, header: encodeShardHeader({ ...common, place, sums }, checksums) };
    });
    const places = await this.#writeAll(stripe, stripeId, records);
    const written = places.filter((place) => place !== undefined).length;
    if (written < Math.min(minHealthyShards(), total)) {
      throw this.#tooFew(stripe, written);
    }
    const done: WrittenStripe = {
      row: { stripeId, shape, codec: codecName, shards: places, liveBytes: 0 },
      sums: records.map(({ sums }) => sums),
    };
    this.#deps.onWritten(done);
    return done;
  }

  async #writeAll(
    stripe: StripeToWrite,
    stripeId: number,
    records: readonly { readonly header: Uint8Array; readonly data: Uint8Array }[],
  ): Promise<(ShardPlace | undefined)[]> {
    const { drives } = this.#deps;
    const useReserve = stripe.useReserve ?? false;
    const places: (ShardPlace | undefined)[] = records.map(() => undefined);
    const wanted = Math.min(this.#deps.minHealthyShards(), records.length);
    if (drives.takers(stripe.shape.shardBytes, { useReserve }).length < wanted) {
      // Not even begun: what is tried again and again would fill the drives with what nobody needs.
      return places;
    }
    const refused = new Set<number>();
    for (let attempt = 0; attempt < attemptsMax && places.includes(undefined); attempt += 1) {
      const recordBytes = Math.max(...records.map(({ header, data }) => header.length + data.length));
      const chosen = placeShards({
        stripeId,
        shards: records.length,
        parityShards: stripe.shape.parityShards,
        drives: drives.takers(recordBytes, { useReserve }).filter(({ number }) => !refused.has(number)),
        taken: places.map((place) => place?.drive),
        shardBytes: stripe.shape.shardBytes,
      });
      await Promise.all(
        records.map(async ({ header, data }, place) => {
          const drive = places[place] === undefined ? drives.get(chosen[place] ?? 0) : undefined;
          if (drive === undefined) {
            return;
          }
          try {
            const at = await drive.write({ header, data, useReserve, priority: stripe.priority ?? 'front' });
            places[place] = { drive: drive.number, ...at, headerBlocks: header.length / blockBytes, generation: firstGeneration };
          } catch {
            // The drive has judged itself, its state tells; this shard goes elsewhere.
            refused.add(drive.number);
          }
        }),
      );
      if (chosen.every((drive, place) => drive === undefined || places[place] !== undefined)) {
        break;
      }
    }
    return places;
  }

  #tooFew(stripe: StripeToWrite, written: number) {
    const { drives, minHealthyShards } = this.#deps;
    const online = drives.all().filter(({ state }) => state === 'online').length;
    const facts = { shardsWritten: written, minHealthyShards: minHealthyShards(), drivesOnline: online };
    // With its header, which is all there is of a stripe that only tells what was zeroed.
    const withRoom = drives.takers(stripe.shape.shardBytes + blockBytes, { useReserve: stripe.useReserve ?? false }).length;
    return new VaultError(withRoom < online && online >= minHealthyShards() ? 'NO_SPACE' : 'TOO_FEW_DRIVES', facts);
  }
}

/** CRC-32C of each block, so begun that a block elsewhere, or of another writing, does not check. */
export function sumsOf(
  checksums: ChecksumEngine,
  shard: { readonly stripeId: number; readonly place: number; readonly generation: number },
  stored: Uint8Array,
): Uint32Array {
  const blocks = stored.length / blockBytes;
  return blocks === 0 ? new Uint32Array(0) : checksums.crc32cBlocks(stored, blockBytes, blockSeeds(checksums, shard, 0, blocks));
}

function cut(memory: Uint8Array, count: number, lengthBytes: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => memory.subarray(index * lengthBytes, (index + 1) * lengthBytes));
}
