/**
 * Blobs: bytes of any length under a key of the caller's, laid into stripes.
 *
 * A large one is laid over whole stripes as it streams in; many small ones share a stripe, each within one shard, so that a healthy read
 * touches one drive. The stripes are durable first, then one index change makes the blob exist; a crash before that leaves garbage. A blob
 * is pending until it is adopted, so that whoever put it and died can be asked back. All is idempotent by the key.
 */
import { createHash } from 'node:crypto';
import type { BlobInfo } from '@couchestor/shared/contracts/vault';
import type { IndexStore } from '../adapters/index/index-store.ts';
import type { SharedPool } from '../adapters/shared-buffers.ts';
import { adoptBlob, applyEffects, type NewStripe, releaseBlob } from '../domain/apply-effects.ts';
import { blockBytes, placeOf, shapeOf } from '../domain/geometry.ts';
import type { BlobRow } from '../domain/index-rows.ts';
import type { BlobEffect, StripeRow } from '../domain/stripe.ts';
import { VaultError } from './errors.ts';
import type { StripeReader } from './stripe-reader.ts';
import type { StripeWriter } from './stripe-writer.ts';
import type { VaultBlobs } from './vault-api.ts';

/** Handed out at once by `get`. */
const chunkBytesMax = 256 * 1024;
/** Read ahead of whoever takes the chunks. */
const chunksAhead = 2;
/** Small blobs wait for company while this many stripes of them are being written: what came meanwhile is the next one. */
const packsAtOnce = 2;

export interface BlobStoreDeps {
  readonly index: IndexStore;
  readonly reader: StripeReader;
  readonly writer: StripeWriter;
  readonly pool: SharedPool;
  readonly code: { readonly dataShards: number; readonly parityShards: number; readonly stripeSizeBytes: number };
  readonly checkWritable: () => void;
  readonly inFlight: <T>(work: () => Promise<T>) => Promise<T>;
  /** Keeps the segments of a stripe that no index row names yet. */
  readonly hold: (row: StripeRow) => () => void;
  readonly now: () => number;
}

interface Small {
  readonly blobId: string;
  readonly bytes: Uint8Array;
  readonly resolve: (row: BlobRow) => void;
  readonly reject: (error: unknown) => void;
}

export class BlobStore implements VaultBlobs {
  readonly #deps: BlobStoreDeps;
  readonly #stripeBytes: number;
  readonly #small: Small[] = [];
  /** Puts under way, so that the same key twice at a time is one blob. */
  readonly #putting = new Map<string, Promise<BlobRow>>();
  #packs = 0;

  constructor(deps: BlobStoreDeps) {
    this.#deps = deps;
    this.#stripeBytes = Math.floor(deps.code.stripeSizeBytes / blockBytes) * blockBytes;
  }

  async head(key: string): Promise<BlobInfo | undefined> {
    const row = this.#deps.index.blob(blobIdOf(key));
    return row === undefined ? undefined : infoOf(row);
  }

  async put({ key, body, signal }: Parameters<VaultBlobs['put']>[0]): Promise<BlobInfo> {
    const blobId = blobIdOf(key);
    const known = this.#deps.index.blob(blobId) ?? (await this.#putting.get(blobId)?.catch(() => undefined));
    if (known !== undefined) {
      for await (const _ of body) {
        signal.throwIfAborted();
      }
      const still = this.#deps.index.blob(blobId);
      if (still === undefined) {
        throw new VaultError('RELEASED_MEANWHILE', { key });
      }
      return infoOf(still);
    }
    this.#deps.checkWritable();
    const put = this.#put(blobId, body, signal).finally(() => this.#putting.delete(blobId));
    this.#putting.set(blobId, put);
    return infoOf(await put);
  }

  async adopt(key: string): Promise<BlobInfo> {
    const blobId = blobIdOf(key);
    return await this.#deps.index.change((see) => {
      const row = adoptBlob(see, blobId);
      if (row === undefined) {
        throw new VaultError('NO_SUCH_BLOB', { key });
      }
      return { writes: { blobs: [row] }, result: infoOf(row) };
    });
  }

  async release(key: string): Promise<void> {
    const blobId = blobIdOf(key);
    await this.#deps.index.change((see) => ({ writes: releaseBlob(see, blobId), result: undefined }), { freesSpace: true });
  }

  async get({ key, range }: Parameters<VaultBlobs['get']>[0]): Promise<{ info: BlobInfo; body: AsyncIterable<Uint8Array> } | undefined> {
    const row = this.#deps.index.blob(blobIdOf(key));
    if (row === undefined) {
      return undefined;
    }
    const { offsetBytes, lengthBytes } = range ?? { offsetBytes: 0, lengthBytes: row.sizeBytes };
    if (offsetBytes < 0 || lengthBytes < 0 || offsetBytes + lengthBytes > row.sizeBytes) {
      throw new VaultError('BAD_RANGE', { key, offsetBytes, lengthBytes, sizeBytes: row.sizeBytes });
    }
    return { info: infoOf(row), body: this.#chunks(row.blobId, offsetBytes, lengthBytes) };
  }

  async list({ after = '', limit, state }: Parameters<VaultBlobs['list']>[0]): Promise<readonly BlobInfo[]> {
    const found: BlobInfo[] = [];
    for (const row of this.#deps.index.blobs(after)) {
      if (found.length >= limit) {
        break;
      }
      if (row.blobId > after && (state === undefined || row.state === state)) {
        found.push(infoOf(row));
      }
    }
    return found;
  }

  async *#chunks(blobId: string, offsetBytes: number, lengthBytes: number): AsyncIterable<Uint8Array> {
    const ahead: Promise<Uint8Array>[] = [];
    let asked = 0;
    try {
      while (asked < lengthBytes || ahead.length > 0) {
        while (asked < lengthBytes && ahead.length < chunksAhead) {
          const length = Math.min(chunkBytesMax, lengthBytes - asked);
          const chunk = this.#read(blobId, offsetBytes + asked, length);
          chunk.catch(() => undefined);
          ahead.push(chunk);
          asked += length;
        }
        const next = ahead.shift();
        if (next !== undefined) {
          yield await next;
        }
      }
    } finally {
      await Promise.allSettled(ahead);
    }
  }

  /** The row is read anew for each chunk: compaction may have moved the blob meanwhile. */
  async #read(blobId: string, offsetBytes: number, lengthBytes: number): Promise<Uint8Array> {
    const into = Buffer.allocUnsafe(lengthBytes);
    for (let attempt = 0; ; attempt += 1) {
      try {
        await this.#readParts(blobId, offsetBytes, into);
        return into;
      } catch (error) {
        if (attempt > 0) {
          throw error;
        }
      }
    }
  }

  async #readParts(blobId: string, offsetBytes: number, into: Uint8Array): Promise<void> {
    const { index, reader } = this.#deps;
    const row = index.blob(blobId);
    if (row === undefined) {
      throw new VaultError('NO_SUCH_BLOB', { blobId });
    }
    let partStart = 0;
    for (const { stripeId, offsetBytes: inPayload, lengthBytes } of row.parts) {
      const from = Math.max(offsetBytes, partStart);
      const to = Math.min(offsetBytes + into.length, partStart + lengthBytes);
      if (from < to) {
        const stripe = index.stripe(stripeId);
        if (stripe === undefined) {
          throw new VaultError('LOST', { blobId, stripeId, reason: 'the index has no row of the stripe' });
        }
        // Whole blocks are read, because they are what is checked.
        const start = inPayload + from - partStart;
        const first = Math.floor(start / blockBytes) * blockBytes;
        const blocks = Buffer.allocUnsafe(Math.ceil((start + to - from - first) / blockBytes) * blockBytes);
        await reader.read(stripe, first, blocks);
        into.set(blocks.subarray(start - first, start - first + to - from), from - offsetBytes);
      }
      partStart += lengthBytes;
    }
  }

  async #put(blobId: string, body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<BlobRow> {
    const { pool, code } = this.#deps;
    const shape = shapeOf(code, this.#stripeBytes);
    const memoryBytes = shape.dataShards * shape.shardBytes;
    const parts: NewStripe[] = [];
    const holds: (() => void)[] = [];
    let memory = pool.take(memoryBytes);
    let filled = 0;
    try {
      for await (const chunk of body) {
        signal.throwIfAborted();
        for (let at = 0; at < chunk.length; ) {
          // A full stripe is stored once more is to come, so that the last part knows that it is the last.
          if (filled === this.#stripeBytes) {
            parts.push(await this.#storePart(blobId, memory, filled, { part: parts.length, isLast: false, holds }));
            filled = 0;
          }
          const length = Math.min(chunk.length - at, this.#stripeBytes - filled);
          memory.set(chunk.subarray(at, at + length), filled);
          filled += length;
          at += length;
        }
      }
      if (parts.length === 0 && filled <= shape.shardBytes) {
        const bytes = Buffer.from(memory.subarray(0, filled));
        pool.give(memory);
        memory = new Uint8Array(0);
        return bytes.length === 0 ? await this.#putEmpty(blobId) : await this.#putSmall(blobId, bytes);
      }
      parts.push(await this.#storePart(blobId, memory, filled, { part: parts.length, isLast: true, holds }));
      await this.#commit(parts);
      return this.#rowThere(blobId);
    } finally {
      for (const letGo of holds) {
        letGo();
      }
      if (memory.length > 0) {
        pool.give(memory);
      }
    }
  }

  async #storePart(
    blobId: string,
    memory: Uint8Array,
    filled: number,
    { holds, ...o }: { part: number; isLast: boolean; holds: (() => void)[] },
  ): Promise<NewStripe> {
    const shape = shapeOf(this.#deps.code, Math.ceil(filled / blockBytes) * blockBytes);
    const data = memory.subarray(0, shape.dataShards * shape.shardBytes);
    data.fill(0, filled);
    const effects: BlobEffect[] = [{ kind: 'blob', blobId, ...o, offsetBytes: 0, lengthBytes: filled }];
    return await this.#deps.inFlight(async () => {
      const written = await this.#deps.writer.write({ shape, data, effects });
      holds.push(this.#deps.hold(written.row));
      return { ...written, effects };
    });
  }

  /** One change: the stripes with what is live in them, and the rows that point there. */
  async #commit(stripes: readonly NewStripe[]): Promise<void> {
    const createdAt = new Date(this.#deps.now()).toISOString();
    await this.#deps.index.change((see) => ({ writes: applyEffects(see, { stripes, createdAt }), result: undefined }));
  }

  #rowThere(blobId: string): BlobRow {
    const row = this.#deps.index.blob(blobId);
    if (row === undefined) {
      throw new VaultError('NO_SUCH_BLOB', { blobId });
    }
    return row;
  }

  /** A row alone: there is nothing to be kept in a stripe. */
  async #putEmpty(blobId: string): Promise<BlobRow> {
    const row: BlobRow = { blobId, sizeBytes: 0, state: 'pending', createdAt: new Date(this.#deps.now()).toISOString(), parts: [] };
    await this.#deps.index.change(() => ({ writes: { blobs: [row] }, result: undefined }));
    return row;
  }

  #putSmall(blobId: string, bytes: Uint8Array): Promise<BlobRow> {
    return new Promise((resolve, reject) => {
      this.#small.push({ blobId, bytes, resolve, reject });
      // What else comes in this turn of the loop goes along.
      setImmediate(() => this.#pack());
    });
  }

  #pack(): void {
    while (this.#packs < packsAtOnce && this.#small.length > 0) {
      const pack = this.#nextPack();
      this.#packs += 1;
      void this.#storePack(pack)
        .catch((error: unknown) => {
          for (const { reject } of pack.small) {
            reject(error);
          }
        })
        .finally(() => {
          this.#packs -= 1;
          this.#pack();
        });
    }
  }

  /** As many as fit, in the order of their coming, each within one shard of the stripe that results. */
  #nextPack(): { small: Small[]; shardBytes: number } {
    const { dataShards } = this.#deps.code;
    const fullShardBytes = shapeOf(this.#deps.code, this.#stripeBytes).shardBytes;
    const whole = this.#small.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const largest = this.#small.reduce((most, { bytes }) => Math.max(most, bytes.length), 1);
    // A twentieth more than an even share, so that what does not divide evenly still fits.
    const wanted = Math.max(largest, Math.ceil((whole * 1.05) / dataShards));
    const shardBytes = Math.min(fullShardBytes, Math.ceil(wanted / blockBytes) * blockBytes);
    const small: Small[] = [];
    const used = new Packing(dataShards, shardBytes);
    for (let next = this.#small[0]; next !== undefined && used.place(next.bytes.length) !== undefined; next = this.#small[0]) {
      small.push(next);
      this.#small.shift();
    }
    return { small, shardBytes };
  }

  async #storePack({ small, shardBytes }: { small: readonly Small[]; shardBytes: number }): Promise<void> {
    const { code, pool, writer } = this.#deps;
    const packing = new Packing(code.dataShards, shardBytes);
    const offsets = small.map(({ bytes }) => packing.place(bytes.length) ?? 0);
    const payloadBytes = Math.ceil(packing.endBytes / blockBytes) * blockBytes;
    const data = pool.take(code.dataShards * shardBytes);
    try {
      data.fill(0);
      const effects = small.map(({ blobId, bytes }, at): BlobEffect => {
        data.set(bytes, offsets[at]);
        return { kind: 'blob', blobId, part: 0, isLast: true, offsetBytes: offsets[at] ?? 0, lengthBytes: bytes.length };
      });
      await this.#deps.inFlight(async () => {
        const written = await writer.write({
          shape: { dataShards: code.dataShards, parityShards: code.parityShards, shardBytes, payloadBytes },
          data,
          effects,
        });
        await this.#commit([{ ...written, effects }]);
      });
      for (const { blobId, resolve } of small) {
        resolve(this.#rowThere(blobId));
      }
    } finally {
      pool.give(data);
    }
  }
}

/** Lays pieces one behind the other, none across the border of a shard. */
class Packing {
  readonly #shards: number;
  readonly #shardBytes: number;
  endBytes = 0;

  constructor(shards: number, shardBytes: number) {
    this.#shards = shards;
    this.#shardBytes = shardBytes;
  }

  /** Where it begins; undefined where it no longer fits. */
  place(lengthBytes: number): number | undefined {
    const shape = { dataShards: this.#shards, parityShards: 0, shardBytes: this.#shardBytes, payloadBytes: 0 };
    const { place, offsetBytes } = placeOf(shape, this.endBytes);
    const at = offsetBytes + lengthBytes <= this.#shardBytes ? this.endBytes : (place + 1) * this.#shardBytes;
    if (at + lengthBytes > this.#shards * this.#shardBytes) {
      return undefined;
    }
    this.endBytes = at + lengthBytes;
    return at;
  }
}

function infoOf({ blobId, sizeBytes, state, createdAt }: BlobRow): BlobInfo {
  return { blobId, sizeBytes, state, createdAt };
}

/** Of the caller's key: short, of one length, and the same after the index was made anew from the drives. */
function blobIdOf(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 32);
}
