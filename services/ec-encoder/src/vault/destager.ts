/**
 * Moves what the journal holds into stripes, oldest first, in steps that are small enough not to hold up the writers.
 *
 * A step: the live blocks up to an lsn are packed into stripes, whose shards are synced; the index maps them and, last, notes the lsn; when
 * that is flushed the journal forgets. A crash before the index has them leaves garbage on the drives; a crash after, before the journal
 * forgets, replays what is mapped already, which maps the same bytes again. The old place is never dropped before the new one is durable.
 */
import { describeError } from '@couchestor/shared/errors';
import type { IndexStore } from '../adapters/index/index-store.ts';
import { JournalError } from '../adapters/journal/errors.ts';
import type { CollectedEntry, CollectedZero, Journal } from '../adapters/journal/journal.ts';
import type { SharedPool } from '../adapters/shared-buffers.ts';
import { applyEffects, type NewStripe } from '../domain/apply-effects.ts';
import { blockBytes, shapeOf } from '../domain/geometry.ts';
import type { BlocksEffect, Effect, ZeroesEffect } from '../domain/stripe.ts';
import { VaultError } from './errors.ts';
import type { StripeToWrite, StripeWriter, WrittenStripe } from './stripe-writer.ts';

/** A stripe's headers name each range that was zeroed, and a change of the index looks at its pages. */
const zeroesMax = 1_000;
/**
 * Longer steps hold the event loop while the journal is looked through and the map is changed. As many runs as fill stripes, where each is a
 * single block.
 */
const stepLimits = { bytes: 32 * 1024 * 1024, runs: 2_048, zeroes: zeroesMax, visits: 2 ** 16 };
/** Of stripes that are written side by side, and so synced together. */
const bytesAtOnceMax = 8 * 1024 * 1024;
const stripesAtOnceMin = 2;
/** One may be a drive that was away for a moment. */
const failuresToTell = 3;
/** Zeroed by one change: 4 GiB. */
const zeroBlocksMax = 2 ** 20;

export interface DestagerDeps {
  readonly journal: Journal;
  readonly index: IndexStore;
  readonly writer: StripeWriter;
  readonly pool: SharedPool;
  readonly code: { readonly dataShards: number; readonly parityShards: number; readonly stripeSizeBytes: number };
  readonly inFlight: <T>(work: () => Promise<T>) => Promise<T>;
}

interface Piece {
  readonly entries: readonly CollectedEntry[];
  readonly effects: readonly Effect[];
}

export class Destager {
  readonly #deps: DestagerDeps;
  #step: Promise<boolean> | undefined;
  #failures = 0;
  #failing: string | undefined;
  /** Of the journal, and in no copy of it: nothing is destaged until it is written over, trimmed, or back. */
  #bad: CollectedEntry | undefined;

  constructor(deps: DestagerDeps) {
    this.#deps = deps;
  }

  /** Why nothing comes into stripes: at once where a block of the journal is bad, after several failures otherwise. */
  get failing(): string | undefined {
    return this.#failing;
  }

  /** Whether it fails for a block that is bad in every copy of the journal. */
  get isJournalCorrupt(): boolean {
    return this.#bad !== undefined;
  }

  /** Until nothing that was acknowledged before the call is in the journal alone. */
  async drain(): Promise<void> {
    const upTo = this.#deps.journal.lastLsn;
    while (this.#deps.index.appliedLsn < upTo) {
      await this.step();
    }
  }

  /** One step, or the one that is under way. False where there was nothing to do. Throws VaultError where stripes cannot be written. */
  async step(): Promise<boolean> {
    this.#step ??= this.#deps
      .inFlight(() => this.#destage())
      .then(
        (didWork) => {
          this.#failures = 0;
          this.#failing = undefined;
          return didWork;
        },
        (error: unknown) => {
          this.#note(error);
          throw error;
        },
      )
      .finally(() => {
        this.#step = undefined;
      });
    return await this.#step;
  }

  async #destage(): Promise<boolean> {
    const { journal, index } = this.#deps;
    const { cut, entries, zeroes } = journal.collect(journal.lastLsn, stepLimits);
    if (cut <= index.appliedLsn) {
      return false;
    }
    await this.#checkBad(entries);
    const stripes = await this.#storeAll(piecesOf(entries, zeroes, Math.floor(this.#deps.code.stripeSizeBytes / blockBytes)));
    const [now, ...before] = portionsOf(zeroes).reverse();
    for (const portion of before) {
      await index.change((see) => ({ writes: applyEffects(see, { zeroes: portion }), result: undefined }), { freesSpace: true });
    }
    await index.change(
      (see) => {
        // What was deleted meanwhile gets no map any more.
        const layers = new Set(see.catalog.layers.filter(({ state }) => state === undefined).map(({ id }) => id));
        const isLive = ({ layer }: { readonly layer: number }) => layers.has(layer);
        const left = now?.filter(isLive) ?? [];
        return { writes: applyEffects(see, { stripes, zeroes: left, appliedLsn: cut, isLive }), result: undefined };
      },
      { freesSpace: true },
    );
    await journal.release(cut);
    return true;
  }

  /** Into the reserve where there is no other room: while the journal is full, nothing can be deleted either. */
  async #writeWithRoom(stripe: StripeToWrite): Promise<WrittenStripe> {
    const { writer } = this.#deps;
    try {
      return await writer.write(stripe);
    } catch (error) {
      if (!VaultError.is(error, 'NO_SPACE')) {
        throw error;
      }
      return await writer.write({ ...stripe, useReserve: true });
    }
  }

  /** After one has failed no more are begun, but those under way are waited for. */
  async #storeAll(pieces: readonly Piece[]): Promise<NewStripe[]> {
    const stored: NewStripe[] = [];
    const waiting = [...pieces.entries()].reverse();
    const stripesAtOnce = Math.max(stripesAtOnceMin, Math.floor(bytesAtOnceMax / this.#deps.code.stripeSizeBytes));
    const storeSome = async () => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        const [place, piece] = next;
        try {
          stored[place] = { ...(await this.#store(piece)), effects: piece.effects };
        } catch (error) {
          waiting.length = 0;
          throw error;
        }
      }
    };
    await allOf(Array.from({ length: stripesAtOnce }, storeSome));
    return stored;
  }

  async #store({ entries, effects }: Piece): Promise<WrittenStripe> {
    const { writer, pool, code } = this.#deps;
    const shape = shapeOf(code, entries.length * blockBytes);
    const lengthBytes = shape.dataShards * shape.shardBytes;
    if (lengthBytes === 0) {
      return await writer.write({ shape, data: new Uint8Array(0), effects, useReserve: true, priority: 'back' });
    }
    const data = pool.take(lengthBytes);
    try {
      await this.#read(entries, data);
      data.fill(0, shape.payloadBytes);
      return await this.#writeWithRoom({ shape, data, effects, priority: 'back' });
    } finally {
      pool.give(data);
    }
  }

  /** All of them, also after one failed: the memory is written to until then. */
  async #read(entries: readonly CollectedEntry[], data: Uint8Array): Promise<void> {
    const { journal } = this.#deps;
    const waiting: Promise<void>[] = [];
    entries.forEach((entry, at) => {
      const target = data.subarray(at * blockBytes, (at + 1) * blockBytes);
      if (!journal.readNow(entry, target)) {
        waiting.push(this.#readSlowly(entry, target));
      }
    });
    await allOf(waiting);
  }

  async #readSlowly(entry: CollectedEntry, target: Uint8Array): Promise<void> {
    try {
      await this.#deps.journal.read(entry, target);
    } catch (error) {
      if (JournalError.is(error, 'CORRUPT')) {
        this.#bad = entry;
      }
      throw error;
    }
  }

  /** Stripes that could not be indexed for the sake of one block would fill the drives, time after time. */
  async #checkBad(entries: readonly CollectedEntry[]): Promise<void> {
    const bad = this.#bad;
    if (bad !== undefined && entries.some(({ lsn, handle }) => lsn === bad.lsn && handle === bad.handle)) {
      await this.#readSlowly(bad, new Uint8Array(blockBytes));
    }
    this.#bad = undefined;
  }

  #note(error: unknown): void {
    this.#failures += 1;
    const bad = this.#bad;
    if (bad !== undefined) {
      const { layer, block } = bad;
      this.#failing = `${describeError(error)}: block ${block} of layer ${layer} is bad in every copy of the journal; write or trim it`;
    } else if (this.#failures >= failuresToTell) {
      this.#failing = describeError(error);
    }
  }
}

/**
 * A stripe's worth of blocks each, in order. What was zeroed is told by stripes without payload, which stay when everything that they hid has
 * been written anew elsewhere: else an index that is made anew would show what was zeroed.
 */
function piecesOf(entries: readonly CollectedEntry[], zeroes: readonly CollectedZero[], stripeBlocks: number): Piece[] {
  const pieces: Piece[] = [];
  for (let at = 0; at < entries.length; at += stripeBlocks) {
    const here = entries.slice(at, at + stripeBlocks);
    pieces.push({ entries: here, effects: runsOf(here) });
  }
  for (let at = 0; at < zeroes.length; at += zeroesMax) {
    pieces.push({
      entries: [],
      effects: zeroes.slice(at, at + zeroesMax).map((range): ZeroesEffect => ({ kind: 'zeroes', ...range })),
    });
  }
  return pieces;
}

/**
 * Zeroed ranges, so many pages and so many of them at a time, for a change holds the event loop. They do not overlap what is written at the same time, so it does not
 * matter when they are applied, nor how often.
 */
function portionsOf(zeroes: readonly CollectedZero[]): ZeroesEffect[][] {
  const portions: ZeroesEffect[][] = [];
  let portion: ZeroesEffect[] = [];
  let room = 0;
  for (const { layer, firstBlock, blocks, lsn } of zeroes) {
    for (let at = 0; at < blocks; at += zeroBlocksMax) {
      if (room === 0 || portion.length === zeroesMax) {
        portion = [];
        portions.push(portion);
        room = zeroBlocksMax;
      }
      const here = Math.min(zeroBlocksMax, blocks - at);
      portion.push({ kind: 'zeroes', layer, firstBlock: firstBlock + at, blocks: here, lsn });
      room = Math.max(0, room - here);
    }
  }
  return portions;
}

/** Blocks that follow each other and were written at once are one effect. */
function runsOf(entries: readonly CollectedEntry[]): BlocksEffect[] {
  const runs: { kind: 'blocks'; layer: number; firstBlock: number; blocks: number; offsetBytes: number; lsn: number }[] = [];
  entries.forEach(({ layer, block, lsn }, at) => {
    const last = runs.at(-1);
    if (last?.layer === layer && last.lsn === lsn && last.firstBlock + last.blocks === block) {
      last.blocks += 1;
    } else {
      runs.push({ kind: 'blocks', layer, firstBlock: block, blocks: 1, offsetBytes: at * blockBytes, lsn });
    }
  });
  return runs;
}

/** All of them, also after one failed. */
async function allOf(work: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) {
    throw failed.reason;
  }
}
