/**
 * What a file holds after a loss of power.
 *
 * The page cache writes whole pages as they stand, when it likes and in any order, and a disk writes whole sectors. So each sector of 512 bytes
 * holds what the program saw at some moment, not before the last change of it that is durable. The length of the file is such a value too. A cut
 * (ftruncate to less) happens to the whole file or not at all.
 */
import type { Change, FileNode } from './history.ts';

export const sectorBytes = 512;
export const pageBytes = 4096;

/** How what is not durable fares. */
export interface Fate {
  /** Whether this change reaches the disk in this sector. Later ones that do take earlier ones with them. */
  keeps(change: number, sector: number): boolean;
  /** Whether the length after this change reaches the disk. */
  keepsSize(change: number): boolean;
  /** Whether a cut happened. */
  keepsCut(change: number): boolean;
  /** Of a file that grew by `bytes` when the power went: how much of that counts. */
  growth(bytes: number): number;
}

export interface FileState {
  readonly sizeBytes: number;
  /** What is still there of what the file held before the recording. */
  readonly initial: Buffer;
  /** By number; a page that is missing holds what the file held before the recording, or zeros. */
  readonly pages: ReadonlyMap<number, Buffer>;
}

export function survivingBytes(node: FileNode, at: number, fate: Fate): FileState {
  const happened = withTrueCuts(node.changes, node.initial.length).filter((change) => change.begin < at);
  let durable = 0;
  while (durable < happened.length && (happened[durable] as Change).durableAt < at) {
    durable += 1;
  }
  const content = new Content(node.initial);
  for (const change of happened.slice(0, durable)) {
    content.apply(change, () => true);
  }
  const tail = happened.slice(durable);
  if (tail.length > 0) {
    applyTail(content, tail, at, fate);
  }
  return { sizeBytes: content.sizeBytes, initial: content.initial, pages: content.pages };
}

/** A cut to more than there is lengthens the file, and takes nothing away. */
function withTrueCuts(changes: readonly Change[], initialBytes: number): Change[] {
  let sizeBytes = initialBytes;
  return changes.map((change) => {
    const isGrowth = change.kind === 'cut' && change.offset >= sizeBytes;
    sizeBytes = sizeAfter(sizeBytes, change);
    return isGrowth ? { ...change, kind: 'size' } : change;
  });
}

function applyTail(content: Content, all: readonly Change[], at: number, fate: Fate): void {
  const tail = withoutLostCuts(all, at, fate);
  const last = lastKeptOfSectors(tail, at, fate);
  const sizeUpTo = lastKeptSize(tail, at, fate);
  let sizeBytes = content.sizeBytes;
  for (const [index, change] of tail.entries()) {
    content.apply(change, (sector) => index <= (last.get(sector) ?? -1));
    if (index <= sizeUpTo) {
      sizeBytes = sizeAfter(sizeBytes, change);
    }
  }
  const next = tail[sizeUpTo + 1];
  const grown = next === undefined || next.kind === 'cut' ? 0 : sizeAfter(sizeBytes, next) - sizeBytes;
  content.sizeBytes = sizeBytes + (grown > 0 ? fate.growth(grown) : 0);
}

/** Without a cut, of what came after it only what lies wholly before it can have reached the disk, and no length. */
function withoutLostCuts(tail: readonly Change[], at: number, fate: Fate): Change[] {
  const lost = tail.findIndex((change, index) => change.kind === 'cut' && change.durableAt >= at && !fate.keepsCut(index));
  const cut = tail[lost];
  if (cut === undefined || tail.slice(lost).some((change) => change.durableAt < at)) {
    return [...tail];
  }
  const shortest = Math.min(...tail.slice(lost).flatMap((change) => (change.kind === 'cut' ? [change.offset] : [])));
  const lostSectors = new Set<number>();
  const isBelow = (change: Change): boolean => {
    const sectors = sectorsOf(change);
    const isKept = change.kind === 'write' && endOf(change) <= shortest && !sectors.some((sector) => lostSectors.has(sector));
    if (!isKept) {
      // What comes later in the same sector was seen by nobody without this.
      for (const sector of sectors) {
        lostSectors.add(sector);
      }
    }
    return isKept;
  };
  lostSectors.add(Math.floor(shortest / sectorBytes));
  return [...tail.slice(0, lost), ...tail.slice(lost + 1).filter(isBelow)];
}

function sectorsOf(change: Change): number[] {
  const first = Math.floor(change.offset / sectorBytes);
  return Array.from({ length: Math.ceil(endOf(change) / sectorBytes) - first }, (_, index) => first + index);
}

/** Of each sector the last change that reached it. */
function lastKeptOfSectors(tail: readonly Change[], at: number, fate: Fate): Map<number, number> {
  const last = new Map<number, number>();
  const longest = Math.max(...tail.map(endOf));
  for (const [index, change] of tail.entries()) {
    const [first, past] = change.kind === 'cut' ? [change.offset, Math.max(longest, change.offset)] : [change.offset, endOf(change)];
    if (change.kind === 'size') {
      continue;
    }
    for (let sector = Math.floor(first / sectorBytes); sector * sectorBytes < past; sector += 1) {
      if (change.kind === 'cut' || change.durableAt < at || fate.keeps(index, sector)) {
        last.set(sector, index);
      }
    }
  }
  return last;
}

function lastKeptSize(tail: readonly Change[], at: number, fate: Fate): number {
  let last = -1;
  for (const [index, change] of tail.entries()) {
    if (change.kind === 'cut' || change.durableAt < at || fate.keepsSize(index)) {
      last = index;
    }
  }
  return last;
}

function endOf(change: Change): number {
  return change.offset + change.length;
}

function sizeAfter(sizeBytes: number, change: Change): number {
  if (change.kind === 'cut') {
    return change.offset;
  }
  return change.kind === 'zero' ? sizeBytes : Math.max(sizeBytes, endOf(change));
}

class Content {
  readonly pages = new Map<number, Buffer>();
  /** What is left of it. */
  #initial: Buffer;
  sizeBytes: number;

  constructor(initial: Buffer) {
    this.#initial = initial;
    this.sizeBytes = initial.length;
  }

  get initial(): Buffer {
    return this.#initial;
  }

  apply(change: Change, reaches: (sector: number) => boolean): void {
    if (change.kind === 'write' || change.kind === 'zero') {
      this.#fill(change.offset, endOf(change), change.data, reaches);
    } else if (change.kind === 'cut') {
      this.#cut(change.offset);
    }
    this.sizeBytes = sizeAfter(this.sizeBytes, change);
  }

  #fill(from: number, to: number, data: Buffer | undefined, reaches: (sector: number) => boolean): void {
    for (let at = from; at < to; ) {
      const next = Math.min(to, (Math.floor(at / sectorBytes) + 1) * sectorBytes);
      if (reaches(Math.floor(at / sectorBytes))) {
        const page = this.#page(Math.floor(at / pageBytes));
        if (data === undefined) {
          page.fill(0, at % pageBytes, (at % pageBytes) + next - at);
        } else {
          data.copy(page, at % pageBytes, at - from, next - from);
        }
      }
      at = next;
    }
  }

  #cut(sizeBytes: number): void {
    this.#initial = this.#initial.subarray(0, sizeBytes);
    for (const number of this.pages.keys()) {
      if (number * pageBytes >= sizeBytes) {
        this.pages.delete(number);
      }
    }
    this.pages.get(Math.floor(sizeBytes / pageBytes))?.fill(0, sizeBytes % pageBytes);
  }

  #page(number: number): Buffer {
    let page = this.pages.get(number);
    if (page === undefined) {
      page = Buffer.alloc(pageBytes);
      page.set(this.#initial.subarray(number * pageBytes, (number + 1) * pageBytes));
      this.pages.set(number, page);
    }
    return page;
  }
}
