/**
 * The code of @ronomon/reed-solomon. It works on pieces of shards, whose size depends on that of the shard: parts of a shard cannot be coded by
 * themselves, and its stripes are its own. It wants all data shards in one memory and all parity shards in another, so shards are copied there
 * and back; in return nothing of the caller's can be taken away while it works.
 */
import type { ErasureCodec, Reconstruction } from '../../domain/codec/erasure-codec.ts';
import { CodecError } from '../../domain/codec/errors.ts';
import type { CodeShape } from '../../domain/codec/matrix.ts';
import { checkTargetsApart } from '../../domain/codec/matrix-engine.ts';
import { checkRange, checkShards, checkWanted, newShards, survivorsOf } from '../../domain/codec/shard-checks.ts';
import type { RonomonAddon } from './ronomon-addon.ts';

const dataShardsMax = 24;
const parityShardsMax = 6;
const shardMultipleBytes = 8;
/** Its lengths have 32 bits. */
const memoryBytesMax = 0xffff_ffff;
/** Stripes whose memory is kept for the next one: the system clears new memory page by page, which costs as much as the code. */
const sparesMax = 2;

/** A stripe in the form that the add-on wants. */
interface Packed {
  readonly shardBytes: number;
  readonly data: Buffer;
  readonly parity: Buffer;
}

export class RonomonCodec implements ErasureCodec {
  readonly isByteLocal = false;
  readonly dataShards: number;
  readonly parityShards: number;
  readonly #addon: RonomonAddon;
  readonly #context: Buffer;
  readonly #spares: Packed[] = [];

  /** Throws CodecError BAD_CODE. */
  constructor({ dataShards, parityShards }: CodeShape, addon: RonomonAddon) {
    const isCount = (count: number, max: number) => Number.isInteger(count) && count >= 1 && count <= max;
    if (!isCount(dataShards, dataShardsMax) || !isCount(parityShards, parityShardsMax)) {
      throw new CodecError('BAD_CODE', { codec: 'ronomon', dataShards, parityShards, dataShardsMax, parityShardsMax });
    }
    this.dataShards = dataShards;
    this.parityShards = parityShards;
    this.#addon = addon;
    this.#context = addon.create(dataShards, parityShards);
  }

  async encode(data: readonly Uint8Array[], into?: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
    const shardBytes = checkShards(data, this.dataShards, { holes: false });
    const parity = into ?? newShards(this.parityShards, shardBytes);
    checkTargets(parity, this.parityShards, shardBytes);
    checkTargetsApart({ sources: data, targets: parity });
    await this.#withPacked(data, shardBytes, async (packed) => {
      await this.#run(packed, data);
      copyOut(parity, (row) => shardOf(packed, this.dataShards, this.dataShards + row));
    });
    return parity;
  }

  async reconstruct({ shards, wanted, range, into }: Reconstruction): Promise<readonly Uint8Array[]> {
    const shardBytes = checkShards(shards, this.dataShards + this.parityShards, { holes: true });
    checkWanted(wanted, shards.length);
    survivorsOf(shards, this.dataShards);
    if (wanted.length === 0) {
      return [];
    }
    const part = checkRange(range ?? { offsetBytes: 0, lengthBytes: shardBytes }, shardBytes);
    const targets = into ?? newShards(wanted.length, part.lengthBytes);
    checkTargets(targets, wanted.length, part.lengthBytes);
    checkTargetsApart({ sources: shards.filter((shard) => shard !== undefined), targets });
    await this.#withPacked(shards, shardBytes, async (packed) => {
      await this.#run(packed, shards);
      copyOut(targets, (index) =>
        shardOf(packed, this.dataShards, wanted[index] ?? 0).subarray(part.offsetBytes, part.offsetBytes + part.lengthBytes),
      );
    });
    return targets;
  }

  async verify(shards: readonly Uint8Array[]): Promise<number[]> {
    const shardBytes = checkShards(shards, this.dataShards + this.parityShards, { holes: false });
    const data = shards.slice(0, this.dataShards);
    return await this.#withPacked(data, shardBytes, async (packed) => {
      await this.#run(packed, data);
      const parity = shards.map((_, place) => place).slice(this.dataShards);
      return parity.filter((place) => !shardOf(packed, this.dataShards, place).equals(shards[place] ?? new Uint8Array()));
    });
  }

  /** Computes the shards that are not among those given. */
  async #run({ data, parity }: Packed, given: readonly (Uint8Array | undefined)[]): Promise<void> {
    const total = this.dataShards + this.parityShards;
    let sources = 0;
    for (let place = 0; place < total; place += 1) {
      sources |= given[place] === undefined ? 0 : 1 << place;
    }
    const targets = ((1 << total) - 1) & ~sources;
    if (targets !== 0) {
      await new Promise<void>((resolve) => {
        this.#addon.encode(this.#context, sources, targets, data, 0, data.length, parity, 0, parity.length, resolve);
      });
    }
  }

  async #withPacked<T>(shards: readonly (Uint8Array | undefined)[], shardBytes: number, work: (packed: Packed) => Promise<T>): Promise<T> {
    if (shardBytes % shardMultipleBytes !== 0 || shardBytes * Math.max(this.dataShards, this.parityShards) > memoryBytesMax) {
      throw new CodecError('BAD_SHARDS', {
        codec: 'ronomon',
        shardBytes,
        multipleOfBytes: shardMultipleBytes,
        stripeBytesMax: memoryBytesMax,
      });
    }
    const spare = this.#spares.pop();
    const packed = spare?.shardBytes === shardBytes ? spare : this.#newPacked(shardBytes);
    shards.forEach((shard, place) => {
      if (shard !== undefined) {
        shardOf(packed, this.dataShards, place).set(shard);
      }
    });
    const result = await work(packed);
    if (this.#spares.length < sparesMax) {
      this.#spares.push(packed);
    }
    return result;
  }

  #newPacked(shardBytes: number): Packed {
    return {
      shardBytes,
      data: Buffer.allocUnsafeSlow(shardBytes * this.dataShards),
      parity: Buffer.allocUnsafeSlow(shardBytes * this.parityShards),
    };
  }
}

function shardOf({ shardBytes, data, parity }: Packed, dataShards: number, place: number): Buffer {
  const [memory, index] = place < dataShards ? [data, place] : [parity, place - dataShards];
  return memory.subarray(index * shardBytes, (index + 1) * shardBytes);
}

function checkTargets(targets: readonly Uint8Array[], count: number, lengthBytes: number): void {
  if (checkShards(targets, count, { holes: false }) !== lengthBytes) {
    throw new CodecError('BAD_SHARDS', { lengthBytes: targets[0]?.length, expectedBytes: lengthBytes });
  }
}

function copyOut(targets: readonly Uint8Array[], resultOf: (index: number) => Buffer): void {
  targets.forEach((target, index) => {
    const result = resultOf(index);
    if (target.length !== result.length) {
      throw new CodecError('CHANGED_IN_USE');
    }
    target.set(result);
  });
}
