/**
 * Gives space back: layers that nobody has any more, stripes that are mostly dead, segments that are.
 *
 * Whatever is moved is durable and indexed at its new place before the old one is let go, and a change of the index names the old place as its
 * condition, so a write or a rebuild in between wins. A segment is removed once it is closed and no row points into it; a record that was
 * written but is not in the index yet is never in such a segment, because those in flight at the time of the look are waited for.
 */
import { setImmediate } from 'node:timers/promises';
import type { Logger } from '@couchestor/shared/logger';
import type { Drive } from '../adapters/drive/drive.ts';
import type { IndexStore } from '../adapters/index/index-store.ts';
import { allocateShared, type SharedPool } from '../adapters/shared-buffers.ts';
import { applyEffects, liveEffects, type NewStripe } from '../domain/apply-effects.ts';
import { nextLayerStep } from '../domain/catalog-layers.ts';
import type { ChecksumEngine } from '../domain/codec/crc32c.ts';
import { blockBytes, shapeOf, storedBytesOf } from '../domain/geometry.ts';
import type { IndexView } from '../domain/index-rows.ts';
import { pageBlocks, pointerAt } from '../domain/lba-page.ts';
import type { BlobEffect, BlocksEffect, Effect, ShardPlace, StripeRow, ZeroesEffect } from '../domain/stripe.ts';
import type { DriveSet } from './drive-set.ts';
import { effectsOf } from './shard-effects.ts';
import type { BadShard, StripeReader } from './stripe-reader.ts';
import { type StripeWriter, sumsOf } from './stripe-writer.ts';

/** What is more dead than this is worth writing the rest anew. */
const liveShareMin = 0.5;
/** Of all that the drives hold: less dead than this is left alone. */
const deadShareMin = 0.1;
/** Rows looked at before others get their turn. */
const rowsPerTurn = 500;
/** Stripes without payload beyond this many are put together. */
const headersMax = 64;
const zeroesPerStripeMax = 1_000;

export interface CollectorDeps {
  readonly index: IndexStore;
  readonly drives: DriveSet;
  readonly reader: StripeReader;
  readonly writer: StripeWriter;
  readonly checksums: ChecksumEngine;
  readonly pool: SharedPool;
  readonly code: { readonly dataShards: number; readonly parityShards: number; readonly stripeSizeBytes: number };
  readonly inFlight: <T>(work: () => Promise<T>) => Promise<T>;
  /** Resolves once all that is in flight now has been indexed or given up. */
  readonly landed: () => Promise<void>;
  readonly isHeld: (drive: number, segment: number) => boolean;
  /** The newest catalog that is in a header: older ones are garbage, this one and any that is newer are not. */
  readonly catalogKept: () => { readonly stripeId: number; readonly version: number } | undefined;
  /** A shard that cannot be carried on. */
  readonly onBadShard: (bad: BadShard) => void;
  /** Bytes that are about to be moved: waits where the move would be in the way of others. */
  readonly throttle: (bytes: number, signal: AbortSignal) => Promise<void>;
  readonly logger: Logger;
}

/** A range of a stripe's payload that is carried over, and all that it means. */
interface Carried {
  readonly from: StripeRow;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly effects: readonly (BlocksEffect | BlobEffect)[];
}

interface OldPlace {
  readonly stripeId: number;
  readonly offsetBytes: number;
}

export class Collector {
  readonly #deps: CollectorDeps;

  constructor(deps: CollectorDeps) {
    this.#deps = deps;
  }

  /** Once over everything. Returns what was given back of the drives, in bytes. */
  async collect(signal: AbortSignal): Promise<number> {
    await this.#settleLayers(signal);
    // What needs no room first. A drive that fails under this must not keep the others from it.
    let freedBytes = await this.#removeAll(signal);
    if (await this.#isWorthwhile()) {
      await this.#compactStripes(signal);
    }
    for (const drive of this.#deps.drives.all().filter(({ state }) => state === 'online')) {
      await this.#trying(signal, () => this.#compactSegments(drive, signal));
    }
    freedBytes += await this.#removeAll(signal);
    return freedBytes;
  }

  async #removeAll(signal: AbortSignal): Promise<number> {
    let freedBytes = 0;
    for (const drive of this.#deps.drives.all().filter(({ state }) => state === 'online' || state === 'draining')) {
      freedBytes += (await this.#trying(signal, () => this.#removeSegments(drive, signal))) ?? 0;
    }
    return freedBytes;
  }

  /** Undefined where it failed: what was to be done is found again by the next collection. */
  async #trying<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (err) {
      signal.throwIfAborted();
      this.#deps.logger.warn({ err }, 'something that is dead could not be collected; it is tried again');
      return undefined;
    }
  }

  async #settleLayers(signal: AbortSignal): Promise<void> {
    for (let isLeft = true; isLeft; ) {
      signal.throwIfAborted();
      isLeft = await this.#deps.index.change(
        (see) => {
          const step = nextLayerStep(see);
          return { writes: step?.writes ?? {}, result: step !== undefined };
        },
        { freesSpace: true },
      );
    }
  }

  /** Whether enough is dead: to find what is, all rows must be looked at. */
  async #isWorthwhile(): Promise<boolean> {
    let [sizeBytes, liveBytes] = [0, 0];
    for (const drive of this.#deps.drives.all().filter(({ state }) => state === 'online')) {
      const segments = await drive.segments().catch(() => undefined);
      if (segments === undefined) {
        continue;
      }
      sizeBytes += segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
      for (const use of this.#deps.index.segmentUse(drive.number).values()) {
        liveBytes += use.liveBytes;
      }
    }
    return sizeBytes - liveBytes > sizeBytes * deadShareMin;
  }

  /** Closed segments that nothing points into. */
  async #removeSegments(drive: Drive, signal: AbortSignal): Promise<number> {
    const segments = await drive.segments();
    await this.#deps.landed();
    let freedBytes = 0;
    for (const { segment, sizeBytes, isOpen } of segments) {
      signal.throwIfAborted();
      const isWanted = this.#deps.index.segmentUse(drive.number).has(segment) || this.#deps.isHeld(drive.number, segment);
      if (!isOpen && !isWanted) {
        await drive.removeSegment(segment);
        freedBytes += sizeBytes;
      }
    }
    return freedBytes;
  }

  /** Moves what is left of mostly dead segments to the open one. */
  async #compactSegments(drive: Drive, signal: AbortSignal): Promise<void> {
    const segments = await drive.segments();
    await this.#deps.landed();
    for (const { segment, sizeBytes, isOpen } of segments) {
      const use = this.#deps.index.segmentUse(drive.number).get(segment);
      if (isOpen || use === undefined || use.liveBytes > sizeBytes * liveShareMin) {
        continue;
      }
      for await (const record of drive.scan(segment, { headersOnly: true })) {
        signal.throwIfAborted();
        if ('header' in record) {
          const { offsetBlocks, header } = record;
          await this.#trying(signal, () => this.#moveShard(drive, { segment, offsetBlocks, ...header }, signal));
        }
      }
    }
  }

  async #moveShard(drive: Drive, at: { segment: number; offsetBlocks: number; stripeId: number; place: number }, signal: AbortSignal) {
    const { index, checksums } = this.#deps;
    const row = index.stripe(at.stripeId);
    const here = row?.shards[at.place];
    if (row === undefined || here === undefined || !isAt(here, { drive: drive.number, ...at })) {
      return;
    }
    const headerBytes = here.headerBlocks * blockBytes;
    const record = allocateShared(headerBytes + storedBytesOf(row.shape, at.place));
    await this.#deps.throttle(record.length, signal);
    await this.#deps.inFlight(async () => {
      const shard = { stripeId: row.stripeId, place: at.place, generation: here.generation };
      try {
        await drive.read({ segment: at.segment, offsetBytes: at.offsetBlocks * blockBytes, into: record, priority: 'back' });
      } catch {
        this.#deps.onBadShard({ ...shard, reason: 'unreadable' });
        return;
      }
      const data = record.subarray(headerBytes);
      if (data.length > 0 && !isSame(sumsOf(checksums, shard, data), index.sums(row.stripeId, at.place))) {
        // Not carried on: the rebuild writes it elsewhere.
        this.#deps.onBadShard({ ...shard, reason: 'corrupt' });
        return;
      }
      const header = record.subarray(0, headerBytes);
      const there = await drive.write({ header, data, useReserve: true, priority: 'back' });
      await index.change(
        (see) => {
          const current = see.stripe(row.stripeId);
          const place = current?.shards[at.place];
          if (current === undefined || place === undefined || !isAt(place, { drive: drive.number, ...at })) {
            return { writes: {}, result: undefined };
          }
          const shards = current.shards.map((shard, index) => (index === at.place ? { ...place, ...there } : shard));
          return { writes: { stripes: [{ row: { ...current, shards } }] }, result: undefined };
        },
        { freesSpace: true },
      );
    });
  }

  async #compactStripes(signal: AbortSignal): Promise<void> {
    const { index, code } = this.#deps;
    const stripeBytes = Math.floor(code.stripeSizeBytes / blockBytes) * blockBytes;
    const headers: StripeRow[] = [];
    let carried: Carried[] = [];
    let carriedBytes = 0;
    let rows = 0;
    for (const row of index.stripes()) {
      signal.throwIfAborted();
      rows += 1;
      if (rows % rowsPerTurn === 0) {
        await setImmediate();
      }
      if (row.shape.payloadBytes === 0) {
        headers.push(row);
      } else if (row.liveBytes < row.shape.payloadBytes * liveShareMin) {
        for (const one of await this.#carriedOf(row)) {
          if (carriedBytes + one.lengthBytes > stripeBytes) {
            await this.#carry(carried, signal);
            carried = [];
            carriedBytes = 0;
          }
          carried.push(one);
          carriedBytes += one.lengthBytes;
        }
      }
    }
    // Half a stripe or more, or nothing would be gained.
    if (carriedBytes >= stripeBytes * liveShareMin) {
      await this.#carry(carried, signal);
    }
    await this.#mergeHeaders(headers, signal);
  }

  /** What of a stripe is live, each range once, in whole blocks. */
  async #carriedOf(row: StripeRow): Promise<Carried[]> {
    const effects = await effectsOf(row, this.#deps);
    if (effects === undefined) {
      return [];
    }
    const byRange = new Map<string, { offsetBytes: number; lengthBytes: number; effects: (BlocksEffect | BlobEffect)[] }>();
    const add = (effect: BlocksEffect | BlobEffect, lengthBytes: number) => {
      const key = `${effect.offsetBytes}+${lengthBytes}`;
      const known = byRange.get(key) ?? { offsetBytes: effect.offsetBytes, lengthBytes, effects: [] };
      known.effects.push(effect);
      byRange.set(key, known);
    };
    await this.#deps.index.change((see) => {
      for (const effect of liveEffects(see, row.stripeId, effects)) {
        add(effect, effect.blocks * blockBytes);
      }
      for (const effect of effects) {
        if (effect.kind === 'blob' && isBlobAt(see, effect, row.stripeId)) {
          add(effect, effect.lengthBytes);
        }
      }
      return { result: undefined };
    });
    return [...byRange.values()].map((one) => ({ ...one, from: row }));
  }

  async #carry(carried: readonly Carried[], signal: AbortSignal): Promise<void> {
    const { pool, code, index } = this.#deps;
    // Blocks first, as they begin where blocks do; blobs close behind each other.
    const ordered = [...carried.filter(isOfBlocks), ...carried.filter((one) => !isOfBlocks(one))];
    const wholeBytes = roundUp(ordered.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0));
    await this.#deps.throttle(wholeBytes, signal);
    const shape = shapeOf(code, wholeBytes);
    const data = pool.take(Math.max(blockBytes, shape.dataShards * shape.shardBytes));
    try {
      await this.#deps.inFlight(async () => {
        data.fill(0);
        const { effects, before } = await this.#layOut(ordered, data);
        if (effects.length === 0) {
          return;
        }
        const payload = data.subarray(0, shape.dataShards * shape.shardBytes);
        const written = await this.#deps.writer.write({ shape, data: payload, effects, useReserve: true, priority: 'back' });
        await index.change(
          (see) => ({
            writes: applyEffects(see, {
              stripe: { ...written, effects },
              isLive: (effect, block) => isBlockAt(see, effect, block, before.get(effect)),
              isBlobLive: (effect) => isBlobAt(see, effect, before.get(effect)?.stripeId),
            }),
            result: undefined,
          }),
          { freesSpace: true },
        );
      });
    } finally {
      pool.give(data);
    }
  }

  /** Reads what is carried, and says what it means at its new place, and where each effect lay before. */
  async #layOut(carried: readonly Carried[], data: Uint8Array): Promise<{ effects: Effect[]; before: Map<Effect, OldPlace> }> {
    const effects: Effect[] = [];
    const before = new Map<Effect, OldPlace>();
    let at = 0;
    for (const one of carried) {
      const target = data.subarray(at, at + one.lengthBytes);
      try {
        await this.#copy(this.#deps.reader, one, target);
      } catch {
        // Lost for now: it stays where it is, and must not keep the others from being moved.
        target.fill(0);
        continue;
      }
      for (const effect of one.effects) {
        const moved = { ...effect, offsetBytes: at };
        effects.push(moved);
        before.set(moved, { stripeId: one.from.stripeId, offsetBytes: one.offsetBytes });
      }
      at += one.lengthBytes;
    }
    return { effects, before };
  }

  /** In whole blocks, which is what is checked; a blob may begin within one. */
  async #copy(reader: StripeReader, { from, offsetBytes, lengthBytes }: Carried, into: Uint8Array): Promise<void> {
    const first = Math.floor(offsetBytes / blockBytes) * blockBytes;
    const blocks = Buffer.allocUnsafe(roundUp(offsetBytes + lengthBytes - first));
    await reader.read(from, first, blocks);
    into.set(blocks.subarray(offsetBytes - first, offsetBytes - first + lengthBytes));
  }

  /** Many headers that say what was zeroed become few. */
  async #mergeHeaders(rows: readonly StripeRow[], signal: AbortSignal): Promise<void> {
    const { index, writer, code } = this.#deps;
    const catalog = this.#deps.catalogKept();
    const old = rows.filter(({ stripeId }) => stripeId !== catalog?.stripeId);
    if (catalog === undefined || old.length <= headersMax) {
      return;
    }
    const merged: StripeRow[] = [];
    const zeroes: ZeroesEffect[] = [];
    for (const row of old) {
      signal.throwIfAborted();
      const effects = await effectsOf(row, this.#deps);
      // An older catalog says nothing that the kept one does not.
      if (effects?.every((effect) => effect.kind === 'zeroes' || (effect.kind === 'catalog' && effect.version < catalog.version))) {
        merged.push(row);
        zeroes.push(...effects.filter((effect) => effect.kind === 'zeroes'));
      }
    }
    const layers = new Set(index.catalog.layers.map(({ id }) => id));
    const kept = zeroes.filter(({ layer }) => layers.has(layer));
    await this.#deps.inFlight(async () => {
      const written: NewStripe[] = [];
      for (let at = 0; at < kept.length; at += zeroesPerStripeMax) {
        const effects = kept.slice(at, at + zeroesPerStripeMax);
        const shape = shapeOf(code, 0);
        written.push({ ...(await writer.write({ shape, data: new Uint8Array(0), effects, useReserve: true, priority: 'back' })), effects });
      }
      await index.change(
        (see) => ({
          writes: { ...applyEffects(see, { stripes: written }), removedStripes: merged.map(({ stripeId }) => stripeId) },
          result: undefined,
        }),
        { freesSpace: true },
      );
    });
  }
}

function isOfBlocks({ effects }: Carried): boolean {
  return effects[0]?.kind === 'blocks';
}

function isAt(place: ShardPlace, at: { drive: number; segment: number; offsetBlocks: number }): boolean {
  return place.drive === at.drive && place.segment === at.segment && place.offsetBlocks === at.offsetBlocks;
}

function isBlockAt(see: IndexView, effect: BlocksEffect, block: number, before: OldPlace | undefined): boolean {
  const page = see.page(effect.layer, Math.floor(block / pageBlocks));
  const pointer = page === undefined ? undefined : pointerAt(page, block % pageBlocks);
  return (
    pointer !== undefined &&
    before !== undefined &&
    pointer.stripeId === before.stripeId &&
    pointer.offsetBlocks === before.offsetBytes / blockBytes + block - effect.firstBlock
  );
}

function isBlobAt(see: IndexView, effect: BlobEffect, stripeId: number | undefined): boolean {
  return see.blob(effect.blobId)?.parts.some((part) => part.part === effect.part && part.stripeId === stripeId) ?? false;
}

function isSame(a: Uint32Array, b: Uint32Array | undefined): boolean {
  return b !== undefined && a.length === b.length && a.every((value, index) => value === b[index]);
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / blockBytes) * blockBytes;
}
