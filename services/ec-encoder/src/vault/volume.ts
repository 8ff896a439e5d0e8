/**
 * A volume as a block device.
 *
 * A write is durable when it is answered. Whole aligned stripes of which the journal holds nothing go straight to the drives: shards synced,
 * index commit flushed, only then the answer. A crash before that leaves the old data. Everything else is a journal record, and where the
 * journal holds data of a block, the next write of it goes there too: so for each block the journal is newer than the map, and the order of
 * lsn is the order of the writes, which is what an index made anew goes by.
 *
 * A read looks into the journal first, then into the map. It is done at once where journal and page cache have everything.
 */
import type { IndexStore } from '../adapters/index/index-store.ts';
import type { Journal } from '../adapters/journal/journal.ts';
import type { BlockDevice } from '../adapters/nbd/block-device.ts';
import type { SharedPool } from '../adapters/shared-buffers.ts';
import { applyEffects } from '../domain/apply-effects.ts';
import { blockBytes, type StripeShape, shapeOf } from '../domain/geometry.ts';
import type { IndexView } from '../domain/index-rows.ts';
import { type LbaPage, pageBlocks } from '../domain/lba-page.ts';
import type { BlocksEffect } from '../domain/stripe.ts';
import type { DirectWrites } from './direct-writes.ts';
import { VaultError } from './errors.ts';
import type { Foreground } from './foreground.ts';
import type { StripeReader } from './stripe-reader.ts';
import type { StripeWriter } from './stripe-writer.ts';
import type { WriteGate } from './write-gate.ts';

/** A longer write is several journal records: one must not fill the ring for the others. */
const recordBytesMax = 1024 * 1024;
/** A read whose stripe was moved under it is resolved anew so often. */
const readAttemptsMax = 4;

export interface VolumeDeps {
  readonly index: IndexStore;
  readonly journal: Journal;
  readonly reader: StripeReader;
  readonly writer: StripeWriter;
  readonly pool: SharedPool;
  readonly code: { readonly dataShards: number; readonly parityShards: number; readonly stripeSizeBytes: number };
  /** Throws VaultError where nothing may be written now: no space, too few drives, stopping, failed. */
  readonly checkWritable: () => void;
  readonly foreground: Foreground;
  /** Holds segments back from their collection until the work is through. */
  readonly inFlight: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Where the volume's blocks are now: its size and head layer change under a snapshot or resize. */
export interface VolumeHead {
  readonly name: string;
  sizeBytes: number;
  layer: number;
  readonly isReadOnly: boolean;
  readonly gate: WriteGate;
  readonly direct: DirectWrites;
  /** Set while the volume is being deleted. */
  isLeaving: boolean;
}

export class VolumeDevice implements BlockDevice {
  readonly #deps: VolumeDeps;
  readonly #head: VolumeHead;
  /** Of a full stripe, in whole blocks. */
  readonly #stripeBlocks: number;

  constructor(deps: VolumeDeps, head: VolumeHead) {
    this.#deps = deps;
    this.#head = head;
    this.#stripeBlocks = Math.floor(deps.code.stripeSizeBytes / blockBytes);
  }

  get sizeBytes(): number {
    return this.#head.sizeBytes;
  }

  get isReadOnly(): boolean {
    return this.#head.isReadOnly;
  }

  read(offsetBytes: number, into: Uint8Array): Promise<void> | undefined {
    this.#checkRange(offsetBytes, into.length);
    if (offsetBytes % blockBytes === 0 && into.length % blockBytes === 0) {
      return this.#readBlocks(offsetBytes / blockBytes, into);
    }
    const first = Math.floor(offsetBytes / blockBytes);
    const end = Math.ceil((offsetBytes + into.length) / blockBytes);
    const blocks = Buffer.allocUnsafe((end - first) * blockBytes);
    const copy = () => into.set(blocks.subarray(offsetBytes - first * blockBytes, offsetBytes - first * blockBytes + into.length));
    const pending = this.#readBlocks(first, blocks);
    if (pending === undefined) {
      copy();
      return undefined;
    }
    return pending.then(copy);
  }

  async write(offsetBytes: number, data: readonly Uint8Array[]): Promise<void> {
    const lengthBytes = data.reduce((sum, { length }) => sum + length, 0);
    this.#checkWrite(offsetBytes, lengthBytes);
    if (lengthBytes === 0) {
      return;
    }
    if (offsetBytes % blockBytes === 0 && lengthBytes % blockBytes === 0) {
      await this.#deps.foreground.timed(() =>
        this.#head.gate.shared(() => this.#writeBlocks(offsetBytes / blockBytes, lengthBytes / blockBytes, data)),
      );
    } else {
      await this.#head.gate.alone(() => this.#writeUnaligned(offsetBytes, lengthBytes, data));
    }
  }

  /** Every write was durable when it was answered. */
  async flush(): Promise<void> {
    this.#throwIfFailed();
  }

  async zero(offsetBytes: number, lengthBytes: number): Promise<void> {
    this.#checkRange(offsetBytes, lengthBytes);
    if (this.#head.isReadOnly) {
      throw new VaultError('READ_ONLY', { volume: this.#head.name });
    }
    this.#throwIfFailed();
    const firstWhole = Math.ceil(offsetBytes / blockBytes);
    const endWhole = Math.floor((offsetBytes + lengthBytes) / blockBytes);
    if (endWhole < firstWhole) {
      await this.#zeroEdge(offsetBytes, lengthBytes);
      return;
    }
    const headBytes = firstWhole * blockBytes - offsetBytes;
    const tailBytes = offsetBytes + lengthBytes - endWhole * blockBytes;
    await allOf([
      this.#zeroEdge(offsetBytes, headBytes),
      this.#zeroEdge(endWhole * blockBytes, tailBytes),
      this.#head.gate.shared(() => this.#zeroBlocks(firstWhole, endWhole - firstWhole)),
    ]);
  }

  async #zeroBlocks(firstBlock: number, blocks: number): Promise<void> {
    const { layer, direct } = this.#head;
    if (blocks > 0) {
      for (let clear = direct.untilClear(firstBlock, blocks); clear !== undefined; clear = direct.untilClear(firstBlock, blocks)) {
        await clear;
      }
      await this.#deps.journal.zero({ layer, firstBlock, blocks });
    }
  }

  /** Within a block. It is let through where a write would not be: whoever zeroes makes room. */
  async #zeroEdge(offsetBytes: number, lengthBytes: number): Promise<void> {
    if (lengthBytes > 0) {
      await this.#head.gate.alone(() => this.#writeUnaligned(offsetBytes, lengthBytes, [Buffer.alloc(lengthBytes)]));
    }
  }

  async status(offsetBytes: number, lengthBytes: number): Promise<readonly { lengthBytes: number; isHole: boolean }[]> {
    this.#checkRange(offsetBytes, lengthBytes);
    const extents: { lengthBytes: number; isHole: boolean }[] = [];
    const first = Math.floor(offsetBytes / blockBytes);
    const end = Math.ceil((offsetBytes + lengthBytes) / blockBytes);
    for (let block = first; block < end; ) {
      const { blocks, isHole } = this.#extentAt(block, end - block);
      const from = Math.max(offsetBytes, block * blockBytes);
      const to = Math.min(offsetBytes + lengthBytes, (block + blocks) * blockBytes);
      const last = extents.at(-1);
      if (last?.isHole === isHole) {
        last.lengthBytes += to - from;
      } else {
        extents.push({ lengthBytes: to - from, isHole });
      }
      block += blocks;
    }
    return extents;
  }

  #readBlocks(firstBlock: number, into: Uint8Array): Promise<void> | undefined {
    const { journal, index, reader } = this.#deps;
    const { layer } = this.#head;
    const end = firstBlock + into.length / blockBytes;
    const hasJournal = journal.hasAny(layer, firstBlock, end - firstBlock);
    let pending: Promise<void>[] | undefined;
    let page: LbaPage | undefined;
    let pageNumber = -1;
    for (let block = firstBlock; block < end; ) {
      const at = (block - firstBlock) * blockBytes;
      const entry = hasJournal ? journal.find(layer, block) : undefined;
      if (entry !== undefined) {
        const target = into.subarray(at, at + blockBytes);
        if (entry.kind === 'zero') {
          target.fill(0);
        } else if (!journal.readNow(entry, target)) {
          pending ??= [];
          const first = block;
          pending.push(this.#deps.foreground.timed(() => this.#readSlowly(first, target)));
        }
        block += 1;
        continue;
      }
      const number = Math.floor(block / pageBlocks);
      if (page === undefined || number !== pageNumber) {
        page = index.resolvePage(layer, number);
        pageNumber = number;
      }
      const run = runAt(page, block - number * pageBlocks);
      let blocks = Math.min(run.blocks, end - block);
      for (let next = 1; hasJournal && next < blocks; next += 1) {
        if (journal.find(layer, block + next) !== undefined) {
          blocks = next;
        }
      }
      const target = into.subarray(at, at + blocks * blockBytes);
      if (run.stripeId === undefined) {
        target.fill(0);
      } else {
        const row = index.stripe(run.stripeId);
        if (row === undefined || !reader.readNow(row, run.offsetBlocks * blockBytes, target)) {
          pending ??= [];
          const first = block;
          pending.push(this.#deps.foreground.timed(() => this.#readSlowly(first, target)));
        }
      }
      block += blocks;
    }
    return pending === undefined ? undefined : allOf(pending);
  }

  /**
   * Blocks of one run, or one of the journal, when they were looked for first. They may be moved, destaged, or written to while a disk is waited
   * for, so each is looked for anew.
   */
  async #readSlowly(firstBlock: number, into: Uint8Array): Promise<void> {
    const { index, journal, reader } = this.#deps;
    const end = firstBlock + into.length / blockBytes;
    let last: unknown;
    for (let attempt = 0; attempt < readAttemptsMax; attempt += 1) {
      try {
        for (let block = firstBlock; block < end; ) {
          const { layer } = this.#head;
          const at = (block - firstBlock) * blockBytes;
          const entry = journal.find(layer, block);
          if (entry !== undefined) {
            const target = into.subarray(at, at + blockBytes);
            await (entry.kind === 'zero' ? target.fill(0) : journal.read(entry, target));
            block += 1;
            continue;
          }
          const number = Math.floor(block / pageBlocks);
          const run = runAt(index.resolvePage(layer, number), block - number * pageBlocks);
          let blocks = Math.min(run.blocks, end - block);
          for (let next = 1; next < blocks; next += 1) {
            if (journal.find(layer, block + next) !== undefined) {
              blocks = next;
            }
          }
          const target = into.subarray(at, at + blocks * blockBytes);
          if (run.stripeId === undefined) {
            target.fill(0);
          } else {
            const row = index.stripe(run.stripeId);
            if (row === undefined) {
              throw new VaultError('LOST', { stripeId: run.stripeId, reason: 'the index has no row of the stripe' });
            }
            await reader.read(row, run.offsetBlocks * blockBytes, target);
          }
          block += blocks;
        }
        return;
      } catch (error) {
        last = error;
      }
    }
    throw VaultError.is(last, 'LOST')
      ? new VaultError(
          'LOST',
          { volume: this.#head.name, offsetBytes: firstBlock * blockBytes, lengthBytes: into.length, reason: String(last.facts['reason']) },
          { cause: last },
        )
      : last;
  }

  async #writeBlocks(firstBlock: number, blocks: number, data: readonly Uint8Array[]): Promise<void> {
    const work: Promise<unknown>[] = [];
    const source = new ChunkReader(data);
    const end = firstBlock + blocks;
    for (let block = firstBlock; block < end; ) {
      const toBoundary = this.#stripeBlocks - (block % this.#stripeBlocks);
      if (toBoundary === this.#stripeBlocks && end - block >= this.#stripeBlocks) {
        work.push(this.#writeStripe(block, source));
        block += this.#stripeBlocks;
      } else {
        const here = Math.min(toBoundary, end - block);
        work.push(this.#append(block, source.take(here * blockBytes)));
        block += here;
      }
    }
    await allOf(work);
  }

  /** Into the journal, as one record or several where it is long. */
  #append(firstBlock: number, data: readonly Uint8Array[]): Promise<unknown> {
    const { journal } = this.#deps;
    const { layer, direct } = this.#head;
    const lengthBytes = data.reduce((sum, { length }) => sum + length, 0);
    const clear = direct.untilClear(firstBlock, lengthBytes / blockBytes);
    if (clear !== undefined) {
      return clear.then(() => this.#append(firstBlock, data));
    }
    if (lengthBytes <= recordBytesMax) {
      return journal.append({ layer, firstBlock, data });
    }
    const source = new ChunkReader(data);
    const work: Promise<unknown>[] = [];
    for (let at = 0; at < lengthBytes; at += recordBytesMax) {
      const part = source.take(Math.min(recordBytesMax, lengthBytes - at));
      work.push(journal.append({ layer, firstBlock: firstBlock + at / blockBytes, data: part }));
    }
    return allOf(work);
  }

  /** A whole aligned stripe. It is copied out of the source before this returns. */
  #writeStripe(firstBlock: number, source: ChunkReader): Promise<unknown> {
    const { pool, code, journal } = this.#deps;
    const { layer, direct } = this.#head;
    const blocks = this.#stripeBlocks;
    if (journal.hasAny(layer, firstBlock, blocks) || direct.untilClear(firstBlock, blocks) !== undefined) {
      return this.#append(firstBlock, source.take(blocks * blockBytes));
    }
    const shape = shapeOf(code, blocks * blockBytes);
    const memoryBytes = shape.dataShards * shape.shardBytes;
    const memory = pool.take(memoryBytes);
    source.copyTo(memory.subarray(0, shape.payloadBytes));
    memory.fill(0, shape.payloadBytes, memoryBytes);
    const end = direct.begin(firstBlock, blocks);
    return this.#writeDirectly({ firstBlock, blocks, shape, data: memory.subarray(0, memoryBytes) })
      .finally(end)
      .then((isWritten) => (isWritten ? undefined : this.#append(firstBlock, [memory.subarray(0, shape.payloadBytes)])))
      .finally(() => pool.give(memory));
  }

  /** False where the journal must take it after all. */
  async #writeDirectly(o: { firstBlock: number; blocks: number; shape: StripeShape; data: Uint8Array }): Promise<boolean> {
    const { journal, writer, index } = this.#deps;
    const { firstBlock, blocks, shape, data } = o;
    const { layer } = this.#head;
    // An lsn of its own: of two writes of a block it says which is the later one, whatever way they took.
    const lsn = await journal.mapped({ layer, firstBlock, blocks, upTo: 0 });
    if (journal.hasAny(layer, firstBlock, blocks)) {
      // Of a write that was on its way into the journal before.
      return false;
    }
    const effects: BlocksEffect[] = [{ kind: 'blocks', layer, firstBlock, blocks, offsetBytes: 0, lsn }];
    try {
      await this.#deps.inFlight(async () => {
        const stripe = { ...(await writer.write({ shape, data, effects })), effects };
        await index.change((see) => ({ writes: applyEffects(see, { stripe, isLive: () => isLayerLive(see, layer) }), result: undefined }));
      });
      return true;
    } catch (error) {
      // The journal takes it, or makes it wait, until stripes can be written again.
      if (VaultError.is(error, 'TOO_FEW_DRIVES')) {
        return false;
      }
      throw error;
    }
  }

  /** By itself: what is read here and written back must not change in between. */
  async #writeUnaligned(offsetBytes: number, lengthBytes: number, data: readonly Uint8Array[]): Promise<void> {
    const first = Math.floor(offsetBytes / blockBytes);
    const end = Math.ceil((offsetBytes + lengthBytes) / blockBytes);
    const whole = Buffer.alloc((end - first) * blockBytes);
    const edges = end - first === 1 ? [first] : [first, end - 1];
    for (const block of edges) {
      const at = (block - first) * blockBytes;
      await this.#readBlocks(block, whole.subarray(at, at + blockBytes));
    }
    new ChunkReader(data).copyTo(whole.subarray(offsetBytes - first * blockBytes, offsetBytes - first * blockBytes + lengthBytes));
    await this.#writeBlocks(first, end - first, [whole]);
  }

  #extentAt(block: number, blocksMax: number): { blocks: number; isHole: boolean } {
    const { journal, index } = this.#deps;
    const { layer } = this.#head;
    const number = Math.floor(block / pageBlocks);
    const inPage = block - number * pageBlocks;
    const run = runAt(index.resolvePage(layer, number), inPage);
    const blocks = Math.min(run.blocks, blocksMax, pageBlocks - inPage);
    if (!journal.hasAny(layer, block, blocks)) {
      return { blocks, isHole: run.stripeId === undefined };
    }
    const entry = journal.find(layer, block);
    return { blocks: 1, isHole: entry === undefined ? run.stripeId === undefined : entry.kind === 'zero' };
  }

  #checkRange(offsetBytes: number, lengthBytes: number): void {
    if (offsetBytes < 0 || lengthBytes < 0 || offsetBytes + lengthBytes > this.#head.sizeBytes) {
      throw new VaultError('BAD_RANGE', { volume: this.#head.name, offsetBytes, lengthBytes, sizeBytes: this.#head.sizeBytes });
    }
  }

  #checkWrite(offsetBytes: number, lengthBytes: number): void {
    this.#checkRange(offsetBytes, lengthBytes);
    if (this.#head.isReadOnly) {
      throw new VaultError('READ_ONLY', { volume: this.#head.name });
    }
    this.#deps.checkWritable();
  }

  #throwIfFailed(): void {
    const failed = this.#deps.journal.failed ?? this.#deps.index.failed;
    if (failed !== undefined) {
      throw new VaultError('FAILED', { volume: this.#head.name }, { cause: failed });
    }
  }
}

/** The blocks from here on that lie in one row in one stripe, or in no stripe at all. */
function runAt(page: LbaPage, inPage: number): { stripeId?: number; offsetBlocks: number; blocks: number } {
  const { runs } = page;
  let low = 0;
  for (let high = runs.length; low < high; ) {
    const middle = (low + high) >>> 1;
    const run = runs[middle];
    if (run !== undefined && run.first + run.blocks <= inPage) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  const run = runs[low];
  if (run === undefined || run.first > inPage) {
    return { offsetBlocks: 0, blocks: (run?.first ?? pageBlocks) - inPage };
  }
  const skipped = inPage - run.first;
  return { stripeId: run.stripeId, offsetBlocks: run.offsetBlocks + skipped, blocks: run.blocks - skipped };
}

/** Reads chunks one after another, wherever their borders lie. */
class ChunkReader {
  readonly #chunks: readonly Uint8Array[];
  #chunk = 0;
  #at = 0;

  constructor(chunks: readonly Uint8Array[]) {
    this.#chunks = chunks;
  }

  take(lengthBytes: number): Uint8Array[] {
    const taken: Uint8Array[] = [];
    for (let left = lengthBytes; left > 0; ) {
      const chunk = this.#chunks[this.#chunk];
      if (chunk === undefined) {
        throw new RangeError(`${left} bytes are missing`);
      }
      const part = chunk.subarray(this.#at, this.#at + left);
      this.#at += part.length;
      left -= part.length;
      if (part.length > 0) {
        taken.push(part);
      }
      if (this.#at === chunk.length) {
        this.#chunk += 1;
        this.#at = 0;
      }
    }
    return taken;
  }

  copyTo(target: Uint8Array): void {
    let at = 0;
    for (const part of this.take(target.length)) {
      target.set(part, at);
      at += part.length;
    }
  }
}

/** Whether it is neither deleted nor being merged, which nothing may be added to. */
function isLayerLive(see: IndexView, layer: number): boolean {
  return see.catalog.layers.some(({ id, state }) => id === layer && state === undefined);
}

/** All of them, also after one failed: the memory is in use until then. */
async function allOf(work: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) {
    throw failed.reason;
  }
}
