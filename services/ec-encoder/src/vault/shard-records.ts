/**
 * Reads the whole record of a shard, header and data in one go, everything checked, behind what clients wait for. For those who heal.
 *
 * The header must be that of this shard and this generation, and each block of the data must check against the index.
 */
import { DriveError } from '../adapters/drive/errors.ts';
import type { IndexStore } from '../adapters/index/index-store.ts';
import type { SharedPool } from '../adapters/shared-buffers.ts';
import type { ChecksumEngine } from '../domain/codec/crc32c.ts';
import { blockBytes, storedBytesOf } from '../domain/geometry.ts';
import { decodeShardHeader } from '../domain/shard-record.ts';
import type { ShardHeader, ShardPlace, StripeRow } from '../domain/stripe.ts';
import type { DriveSet } from './drive-set.ts';
import { sumsOf } from './stripe-writer.ts';

export interface ShardRecordDeps {
  readonly index: Pick<IndexStore, 'sums'>;
  readonly drives: DriveSet;
  readonly checksums: ChecksumEngine;
  readonly pool: SharedPool;
}

export interface ShardContent {
  /** `unreadable`: the drive answers, and cannot give this. `unreachable`: the drive does not answer, which says nothing of the shard. */
  readonly state: 'good' | 'corrupt' | 'unreadable' | 'unreachable';
  /** Where it is whole and of this shard. */
  readonly header?: ShardHeader;
  /** shardBytes long, zeros behind what is stored; where it checks, also where the header does not. */
  readonly data?: Uint8Array;
}

/** Records read one after another share this; `release` gives back the memory of them all. */
export class ShardRecords {
  readonly #deps: ShardRecordDeps;
  readonly #taken: Uint8Array[] = [];

  constructor(deps: ShardRecordDeps) {
    this.#deps = deps;
  }

  async read(row: StripeRow, place: number): Promise<ShardContent> {
    const at = row.shards[place];
    const drive = at === undefined ? undefined : this.#deps.drives.get(at.drive);
    if (at === undefined || drive === undefined || drive.state === 'failed') {
      return { state: 'unreachable' };
    }
    const headerBytes = at.headerBlocks * blockBytes;
    const storedBytes = storedBytesOf(row.shape, place);
    const memory = this.take(headerBytes + row.shape.shardBytes);
    try {
      const into = memory.subarray(0, headerBytes + storedBytes);
      await drive.read({ segment: at.segment, offsetBytes: at.offsetBlocks * blockBytes, into, priority: 'back' });
    } catch (error) {
      return { state: DriveError.is(error, 'IO') || DriveError.is(error, 'NO_SEGMENT') ? 'unreadable' : 'unreachable' };
    }
    memory.fill(0, headerBytes + storedBytes);
    const header = this.#headerOf(memory.subarray(0, headerBytes), row, place, at);
    const stored = memory.subarray(headerBytes, headerBytes + storedBytes);
    const sums = sumsOf(this.#deps.checksums, { stripeId: row.stripeId, place, generation: at.generation }, stored);
    const data = isSame(sums, this.#deps.index.sums(row.stripeId, place)) ? memory.subarray(headerBytes) : undefined;
    return {
      state: header !== undefined && data !== undefined ? 'good' : 'corrupt',
      ...(header !== undefined && { header }),
      ...(data !== undefined && { data }),
    };
  }

  /** Memory that goes back with that of the records. Its content is whatever. */
  take(lengthBytes: number): Uint8Array {
    const memory = this.#deps.pool.take(lengthBytes);
    this.#taken.push(memory);
    return memory;
  }

  release(): void {
    for (const memory of this.#taken.splice(0)) {
      this.#deps.pool.give(memory);
    }
  }

  #headerOf(bytes: Uint8Array, row: StripeRow, place: number, at: ShardPlace): ShardHeader | undefined {
    try {
      const header = decodeShardHeader(bytes, this.#deps.checksums);
      return header.stripeId === row.stripeId && header.place === place && header.generation === at.generation ? header : undefined;
    } catch {
      return undefined;
    }
  }
}

export function isSame(a: Uint32Array, b: Uint32Array | undefined): boolean {
  // A shard without data has no sums.
  return a.length === (b?.length ?? 0) && a.every((value, index) => value === b?.[index]);
}
