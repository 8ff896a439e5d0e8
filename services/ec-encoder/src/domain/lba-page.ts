/**
 * The LBA map's unit: 256 blocks (1 MiB) of a layer, each unmapped or at an offset of a stripe.
 *
 * A page is what is read, changed and stored as one; a layer has a row for each page that differs from its parent's. A block that no page maps
 * reads as zeros.
 */
import { RowError } from './index-rows-errors.ts';

export const pageBlocks = 256;

/** Where a block lies: which stripe, and at which block of its payload. */
export interface BlockPointer {
  readonly stripeId: number;
  readonly offsetBlocks: number;
}

/** Runs in rising order, not overlapping; gaps are unmapped. */
export interface PageRun extends BlockPointer {
  /** Of the page, from 0. */
  readonly first: number;
  readonly blocks: number;
}

export interface LbaPage {
  readonly runs: readonly PageRun[];
}

export const emptyPage: LbaPage = { runs: [] };

const pageVersion = 1;
/** first u8, blocks - 1 u8, offsetBlocks u32, stripeId u48, all big-endian. */
const runBytes = 12;

/** Maps the blocks of `run`, whatever was there before: `released` is what they pointed at. Neighbours that continue each other become one run. */
export function mapRun(page: LbaPage, run: PageRun): { page: LbaPage; released: readonly PageRun[] } {
  return splice(page, run.first, run.blocks, run);
}

/** Blocks that were not mapped stay so. */
export function unmap(page: LbaPage, first: number, blocks: number): { page: LbaPage; released: readonly PageRun[] } {
  return splice(page, first, blocks, undefined);
}

/** Of a block of the page; undefined where it reads as zeros. */
export function pointerAt(page: LbaPage, block: number): BlockPointer | undefined {
  const run = page.runs[lastRunFrom(page.runs, block)];
  if (run === undefined || block >= run.first + run.blocks) {
    return undefined;
  }
  return { stripeId: run.stripeId, offsetBlocks: run.offsetBlocks + block - run.first };
}

export function encodePage(page: LbaPage): Buffer {
  const bytes = Buffer.allocUnsafe(1 + page.runs.length * runBytes);
  bytes.writeUInt8(pageVersion, 0);
  let at = 1;
  for (const run of page.runs) {
    bytes.writeUInt8(run.first, at);
    bytes.writeUInt8(run.blocks - 1, at + 1);
    bytes.writeUInt32BE(run.offsetBlocks, at + 2);
    bytes.writeUIntBE(run.stripeId, at + 6, 6);
    at += runBytes;
  }
  return bytes;
}

/** Throws RowError. */
export function decodePage(bytes: Uint8Array): LbaPage {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (buffer[0] !== pageVersion) {
    throw new RowError('NEWER_VERSION', { row: 'page', version: buffer[0] });
  }
  if ((buffer.length - 1) % runBytes !== 0) {
    throw new RowError('CORRUPT', { row: 'page', sizeBytes: buffer.length });
  }
  const runs: PageRun[] = [];
  let end = 0;
  for (let at = 1; at < buffer.length; at += runBytes) {
    const first = buffer.readUInt8(at);
    const blocks = buffer.readUInt8(at + 1) + 1;
    if (first < end || first + blocks > pageBlocks) {
      throw new RowError('CORRUPT', { row: 'page', run: runs.length });
    }
    end = first + blocks;
    runs.push({ first, blocks, stripeId: buffer.readUIntBE(at + 6, 6), offsetBlocks: buffer.readUInt32BE(at + 2) });
  }
  return { runs };
}

function splice(page: LbaPage, first: number, blocks: number, run: PageRun | undefined): { page: LbaPage; released: readonly PageRun[] } {
  const end = first + blocks;
  if (!Number.isInteger(first) || !Number.isInteger(blocks) || first < 0 || blocks < 1 || end > pageBlocks) {
    throw new RangeError(`blocks ${first} to ${end} are not of a page`);
  }
  const { runs } = page;
  let low = lastRunFrom(runs, first);
  const head = runs[low];
  if (head === undefined || head.first + head.blocks <= first) {
    low += 1;
  }
  let high = low;
  const released: PageRun[] = [];
  for (let old = runs[high]; old !== undefined && old.first < end; old = runs[high]) {
    released.push(cut(old, Math.max(old.first, first), Math.min(old.first + old.blocks, end)));
    high += 1;
  }
  if (run === undefined && released.length === 0) {
    return { page, released };
  }
  const [oldest, newest] = [runs[low], runs[high - 1]];
  const left = low < high && oldest !== undefined && oldest.first < first ? cut(oldest, oldest.first, first) : undefined;
  const newestEnd = newest === undefined ? 0 : newest.first + newest.blocks;
  const right = low < high && newest !== undefined && newestEnd > end ? cut(newest, end, newestEnd) : undefined;
  // A copy as a whole, then one exchange: pages of many runs are changed run by run.
  const changed = runs.slice();
  if (run === undefined) {
    changed.splice(low, high - low, ...[left, right].filter((each) => each !== undefined));
  } else {
    const [leftward, rightward] = [left ?? runs[low - 1], right ?? runs[high]];
    const from = left === undefined && leftward !== undefined ? low - 1 : low;
    const to = right === undefined && rightward !== undefined ? high + 1 : high;
    changed.splice(from, to - from, ...joined(leftward, run, rightward));
  }
  return { page: { runs: changed }, released };
}

function joined(left: PageRun | undefined, run: PageRun, right: PageRun | undefined): PageRun[] {
  const all = [run];
  if (left !== undefined) {
    all.splice(0, 1, ...(continues(left, run) ? [{ ...left, blocks: left.blocks + run.blocks }] : [left, run]));
  }
  const last = all.at(-1);
  if (right !== undefined && last !== undefined) {
    all.splice(-1, 1, ...(continues(last, right) ? [{ ...last, blocks: last.blocks + right.blocks }] : [last, right]));
  }
  return all;
}

function cut(run: PageRun, first: number, end: number): PageRun {
  return { stripeId: run.stripeId, offsetBlocks: run.offsetBlocks + first - run.first, first, blocks: end - first };
}

function continues(left: PageRun, right: PageRun): boolean {
  return (
    left.stripeId === right.stripeId && left.first + left.blocks === right.first && left.offsetBlocks + left.blocks === right.offsetBlocks
  );
}

/** The last run that begins at the block or before it; -1 where there is none. */
function lastRunFrom(runs: readonly PageRun[], block: number): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((runs[middle]?.first ?? 0) <= block) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low - 1;
}
