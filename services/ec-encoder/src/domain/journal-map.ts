/**
 * What the journal knows of blocks, in memory: the newest record of each, and zeroed ranges laid over them. The higher lsn counts.
 *
 * Millions of blocks and hundreds of thousands of ranges are normal, and the event loop waits for each call: none of them goes through all, but
 * for those that ask for a range which is as long.
 */
import { blockBytes } from './geometry.ts';
import { type ZeroedRange, ZeroedRanges } from './journal-ranges.ts';
import { type Run, RunLog } from './journal-runs.ts';
import { BlockTable, slotsMin } from './journal-table.ts';

export interface BlockEntry {
  readonly kind: 'data' | 'zero';
  readonly lsn: number;
  /** Where the data are; good until the lsn is released. 0 for zeros. */
  readonly handle: number;
}

export interface CollectedEntry {
  readonly layer: number;
  readonly block: number;
  readonly lsn: number;
  readonly handle: number;
}

export interface CollectedZero {
  readonly layer: number;
  readonly firstBlock: number;
  readonly blocks: number;
  readonly lsn: number;
}

export interface Collected {
  /** What was asked for, or lower where a limit cut it short: entries and zeroes are all that lives up to here. */
  readonly cut: number;
  readonly entries: readonly CollectedEntry[];
  /** None of them overlaps another, or an entry. */
  readonly zeroes: readonly CollectedZero[];
  /** Blocks and ranges that were looked at: what it cost. */
  readonly visited: number;
}

/** What one step takes at the most, but always one record, so that there is progress. */
export interface CollectLimits {
  readonly bytes: number;
  /** Of blocks that follow each other and were written at once. */
  readonly runs: number;
  readonly zeroes: number;
  /** Most of what is old may have been overwritten: looking at it takes time too. */
  readonly visits: number;
}

interface Seen {
  readonly runs: number;
  readonly pieces: number;
  readonly visited: number;
}

/** Layer and block make one number of 53 bits, which sorts. */
export const layerMax = 2 ** 21 - 1;
const blockRange = 2 ** 32;
const unlimited: CollectLimits = {
  bytes: Number.POSITIVE_INFINITY,
  runs: Number.POSITIVE_INFINITY,
  zeroes: Number.POSITIVE_INFINITY,
  visits: Number.POSITIVE_INFINITY,
};
/** Tables that grow one by one: one of them all would hold everything up while it is copied. */
const tablesCount = 256;
const tableShift = 24;
const defaultPerChunk = { runs: 4096, ranges: 512 };

export class JournalMap {
  /** Made when they are needed: the same empty one until then. */
  readonly #empty = new BlockTable();
  readonly #tables = new Array<BlockTable>(tablesCount).fill(this.#empty);
  readonly #zeroes = new Map<number, ZeroedRanges>();
  readonly #perChunk: { readonly runs: number; readonly ranges: number };
  readonly #runs: RunLog;
  #floorLsn = 0;

  constructor(perChunk: { readonly runs: number; readonly ranges: number } = defaultPerChunk) {
    this.#perChunk = perChunk;
    this.#runs = new RunLog(perChunk.runs);
  }

  data(layer: number, block: number, lsn: number, handle: number): void {
    let table = this.#tableOf(layer, block);
    if (table === this.#empty) {
      table = new BlockTable();
      this.#tables[tableNumber(layer, block)] = table;
    }
    table.set(layer, block, lsn, handle);
    this.#runs.addBlock(layer, block, lsn);
  }

  zero(o: { layer: number; firstBlock: number; blocks: number; lsn: number }): void {
    const { layer, lsn } = o;
    let ranges = this.#zeroes.get(layer);
    if (ranges === undefined) {
      ranges = new ZeroedRanges(this.#perChunk.ranges);
      this.#zeroes.set(layer, ranges);
    }
    const run = { isZero: true, layer, first: o.firstBlock, last: o.firstBlock + o.blocks - 1, lsn };
    ranges.put(run);
    this.#runs.add(run);
  }

  mapped(o: { layer: number; firstBlock: number; blocks: number; upTo: number }): void {
    if (o.upTo <= this.#floorLsn) {
      return;
    }
    const end = o.firstBlock + o.blocks;
    this.#zeroes.get(o.layer)?.cut(o.firstBlock, end - 1, o.upTo);
    for (const block of this.#isLong(o.blocks) ? this.#blocksOf(o.layer, o.firstBlock, end) : range(o.firstBlock, end)) {
      const table = this.#tableOf(o.layer, block);
      const slot = table.slotOf(o.layer, block);
      if (slot >= 0 && table.lsnAt(slot) <= o.upTo) {
        table.removeSlot(slot);
      }
    }
  }

  find(layer: number, block: number): BlockEntry | undefined {
    const table = this.#tableOf(layer, block);
    const slot = table.slotOf(layer, block);
    const lsn = slot < 0 ? 0 : table.lsnAt(slot);
    const zeroLsn = this.#zeroLsnAt(layer, block);
    if (zeroLsn > lsn) {
      return { kind: 'zero', lsn: zeroLsn, handle: 0 };
    }
    return slot < 0 ? undefined : { kind: 'data', lsn, handle: table.handleAt(slot) };
  }

  hasAny(layer: number, firstBlock: number, blocks: number): boolean {
    const end = firstBlock + blocks;
    if (this.#zeroes.get(layer)?.overlaps(firstBlock, end - 1)) {
      return true;
    }
    if (this.#isLong(blocks)) {
      return this.#blocksOf(layer, firstBlock, end).length > 0;
    }
    for (let block = firstBlock; block < end; block += 1) {
      if (this.#tableOf(layer, block).slotOf(layer, block) >= 0) {
        return true;
      }
    }
    return false;
  }

  /**
   * What lives up to the cut, from the oldest on, until a limit is reached. A block that was written or zeroed anew after the cut is not among the
   * entries, and may be among the zeroes.
   */
  collect(cut: number, limits: CollectLimits = unlimited): Collected {
    const blocksMax = Math.max(1, Math.floor(limits.bytes / blockBytes));
    const entries: CollectedEntry[] = [];
    const zeroes: (ZeroedRange & { layer: number })[] = [];
    let [runs, pieces, visited] = [0, 0, 0];
    for (const run of this.#runs.upTo(cut)) {
      const [entriesBefore, zeroesBefore, piecesBefore] = [entries.length, zeroes.length, pieces];
      if (visited < limits.visits) {
        const seen = run.isZero ? this.#seeZeroes(run, limits.zeroes, zeroes) : this.#seeData(run, entries);
        visited += seen.visited;
        runs += seen.runs;
        pieces += seen.pieces;
        const isOver = (entries.length > blocksMax || runs > limits.runs) && entriesBefore > 0;
        if (!isOver && (pieces <= limits.zeroes || piecesBefore === 0)) {
          continue;
        }
      }
      entries.length = entriesBefore;
      zeroes.length = zeroesBefore;
      return { ...inOrder(entries, zeroes), cut: run.lsn - 1, visited };
    }
    return { ...inOrder(entries, zeroes), cut, visited };
  }

  release(cut: number): void {
    this.#floorLsn = Math.max(this.#floorLsn, cut);
    for (const table of this.#tables) {
      table.floorLsn = this.#floorLsn;
    }
    for (const run of this.#runs.upTo(cut)) {
      const ranges = run.isZero ? this.#zeroes.get(run.layer) : undefined;
      ranges?.drop(run);
      if (ranges?.isEmpty) {
        this.#zeroes.delete(run.layer);
      }
    }
    this.#runs.dropThrough(cut);
  }

  /** Its blocks that are the newest ones still. Each of them that was zeroed before makes one more piece of what is zeroed. */
  #seeData({ layer, first, last, lsn }: Run, entries: CollectedEntry[]): Seen {
    let [runs, pieces, before] = [0, 0, Number.NaN];
    for (let block = first; block <= last; block += 1) {
      const table = this.#tableOf(layer, block);
      const slot = table.slotOf(layer, block);
      if (slot >= 0 && table.lsnAt(slot) === lsn) {
        const zeroLsn = this.#zeroLsnAt(layer, block);
        if (zeroLsn < lsn) {
          entries.push({ layer, block, lsn, handle: table.handleAt(slot) });
          runs += block === before + 1 ? 0 : 1;
          pieces += zeroLsn > 0 ? 1 : 0;
          before = block;
        }
      }
    }
    return { runs, pieces, visited: last - first + 1 };
  }

  /**
   * Where there are too many pieces for a step, they are taken together with what was zeroed anew between them. Such a run is alone in its step:
   * nothing that it zeroes twice was written in between.
   */
  #seeZeroes(run: Run, piecesMax: number, zeroes: (ZeroedRange & { layer: number })[]): Seen {
    const ranges = this.#zeroes.get(run.layer);
    const { pieces, visited } = ranges?.countOf(run) ?? { pieces: 0, visited: 0 };
    if (pieces > 0) {
      for (const { first, last } of ranges?.piecesOf(run, pieces > piecesMax) ?? []) {
        zeroes.push({ layer: run.layer, first, last, lsn: run.lsn });
      }
    }
    return { runs: 0, pieces, visited: visited + 1 };
  }

  #zeroLsnAt(layer: number, block: number): number {
    return this.#zeroes.size === 0 ? 0 : (this.#zeroes.get(layer)?.lsnAt(block) ?? 0);
  }

  #tableOf(layer: number, block: number): BlockTable {
    return this.#tables[tableNumber(layer, block)] ?? this.#empty;
  }

  /** Going through the tables is quicker than asking for each block. */
  #isLong(blocks: number): boolean {
    return blocks > tablesCount * slotsMin && blocks > this.#tables.reduce((sum, { slots }) => sum + slots, 0);
  }

  #blocksOf(layer: number, first: number, end: number): number[] {
    const blocks: number[] = [];
    for (const table of this.#tables) {
      for (const slot of table.liveSlots()) {
        const block = table.blockAt(slot);
        if (table.layerAt(slot) === layer && block >= first && block < end) {
          blocks.push(block);
        }
      }
    }
    return blocks;
  }
}

function tableNumber(layer: number, block: number): number {
  return (Math.imul(layer, 0x85ebca6b) ^ Math.imul(block >>> 4, 0x9e3779b1)) >>> tableShift;
}

function* range(first: number, end: number): Iterable<number> {
  for (let block = first; block < end; block += 1) {
    yield block;
  }
}

/** By layer and block. A block that was written after it was zeroed, and is an entry too, is cut out of the zeroes. */
function inOrder(
  entries: CollectedEntry[],
  zeroes: (ZeroedRange & { readonly layer: number })[],
): { entries: CollectedEntry[]; zeroes: CollectedZero[] } {
  entries.sort((a, b) => a.layer - b.layer || a.block - b.block);
  zeroes.sort((a, b) => a.layer - b.layer || a.first - b.first);
  const rest: CollectedZero[] = [];
  let at = 0;
  for (const { layer, first, last, lsn } of zeroes) {
    const key = layer * blockRange + first;
    let from = first;
    let entry = entries[at];
    for (; entry !== undefined && entry.layer * blockRange + entry.block < key; entry = entries[at]) {
      at += 1;
    }
    for (; entry !== undefined && entry.layer === layer && entry.block <= last; entry = entries[at]) {
      if (entry.block > from) {
        rest.push({ layer, firstBlock: from, blocks: entry.block - from, lsn });
      }
      from = entry.block + 1;
      at += 1;
    }
    if (from <= last) {
      rest.push({ layer, firstBlock: from, blocks: last - from + 1, lsn });
    }
  }
  return { entries, zeroes: rest };
}
