/**
 * Zeroed ranges of one layer: in rising order, not overlapping, each with the lsn that zeroed it. In chunks of typed arrays, 16 bytes for each
 * range, so that one more among many thousands moves no more than a chunk.
 */
export interface ZeroedRange {
  readonly first: number;
  /** Inclusive. */
  readonly last: number;
  readonly lsn: number;
}

interface Chunk {
  readonly firsts: Uint32Array;
  readonly lasts: Uint32Array;
  readonly lsns: Float64Array;
  count: number;
}

export class ZeroedRanges {
  readonly #perChunk: number;
  /** None of them is empty. */
  #chunks: Chunk[] = [];

  constructor(perChunk: number) {
    this.#perChunk = perChunk;
  }

  get isEmpty(): boolean {
    return this.#chunks.length === 0;
  }

  /** 0 where the block is in no range. */
  lsnAt(block: number): number {
    const chunk = this.#chunks[this.#chunkOf(block)];
    if (chunk === undefined) {
      return 0;
    }
    const at = placeIn(chunk, block);
    return firstAt(chunk, at) <= block ? lsnAt(chunk, at) : 0;
  }

  overlaps(first: number, last: number): boolean {
    const chunk = this.#chunks[this.#chunkOf(first)];
    return chunk !== undefined && firstAt(chunk, placeIn(chunk, first)) <= last;
  }

  /** `lsn` is higher than all before. */
  put({ first, last, lsn }: ZeroedRange): void {
    this.#divide(first);
    this.#divide(last + 1);
    this.#remove(first, last, (old) => old < lsn);
    this.#insert(first, last, lsn);
  }

  /** What was zeroed at `upTo` or before is no longer so. */
  cut(first: number, last: number, upTo: number): void {
    this.#divide(first);
    this.#divide(last + 1);
    this.#remove(first, last, (lsn) => lsn <= upTo);
  }

  /** What is left of a range that was put. */
  drop({ first, last, lsn }: ZeroedRange): void {
    this.#remove(first, last, (each) => each === lsn);
  }

  /** Into how many pieces a range that was put has fallen, and how many ranges are in its place now: what looking at it costs. */
  countOf({ first, last, lsn }: ZeroedRange): { pieces: number; visited: number } {
    let pieces = 0;
    let visited = 0;
    this.#visit(first, last, (chunk, at) => {
      visited += 1;
      pieces += lsnAt(chunk, at) === lsn ? 1 : 0;
    });
    return { pieces, visited };
  }

  /**
   * The pieces of a range that was put. Nothing in its place is older than it, so what lies between two pieces is zeroed anew, or is no longer
   * zeroed. `isMerged`: with what was zeroed anew, so that there are few of them.
   */
  piecesOf({ first, last, lsn }: ZeroedRange, isMerged = false): { first: number; last: number }[] {
    const pieces: { first: number; last: number }[] = [];
    this.#visit(first, last, (chunk, at) => {
      const isOwn = lsnAt(chunk, at) === lsn;
      const piece = { first: Math.max(first, firstAt(chunk, at)), last: Math.min(last, lastAt(chunk, at)) };
      const before = pieces.at(-1);
      if (isMerged && before !== undefined && before.last + 1 === piece.first) {
        before.last = piece.last;
      } else if (isOwn || isMerged) {
        pieces.push(piece);
      }
    });
    return pieces;
  }

  #visit(first: number, last: number, see: (chunk: Chunk, at: number) => void): void {
    let number = this.#chunkOf(first);
    for (let chunk = this.#chunks[number]; chunk !== undefined; chunk = this.#chunks[number]) {
      for (let at = placeIn(chunk, first); at < chunk.count; at += 1) {
        if (firstAt(chunk, at) > last) {
          return;
        }
        see(chunk, at);
      }
      number += 1;
    }
  }

  /** So that no range reaches over the beginning of this block. */
  #divide(block: number): void {
    const chunk = this.#chunks[this.#chunkOf(block)];
    if (chunk === undefined) {
      return;
    }
    const at = placeIn(chunk, block);
    if (firstAt(chunk, at) < block) {
      const last = lastAt(chunk, at);
      chunk.lasts[at] = block - 1;
      this.#insert(block, last, lsnAt(chunk, at));
    }
  }

  /** Whole ranges. */
  #remove(first: number, last: number, isGone: (lsn: number) => boolean): void {
    let hasEmpty = false;
    for (let number = this.#chunkOf(first); number < this.#chunks.length; number += 1) {
      const chunk = this.#chunks[number];
      if (chunk === undefined || firstAt(chunk, 0) > last) {
        break;
      }
      let kept = placeIn(chunk, first);
      let at = kept;
      for (; at < chunk.count && firstAt(chunk, at) <= last; at += 1) {
        if (!isGone(lsnAt(chunk, at))) {
          chunk.firsts[kept] = firstAt(chunk, at);
          chunk.lasts[kept] = lastAt(chunk, at);
          chunk.lsns[kept] = lsnAt(chunk, at);
          kept += 1;
        }
      }
      if (kept < at) {
        move(chunk, { from: at, to: kept });
        chunk.count -= at - kept;
        hasEmpty ||= chunk.count === 0;
      }
    }
    if (hasEmpty) {
      this.#chunks = this.#chunks.filter((chunk) => chunk.count > 0);
    }
  }

  /** Where there is none. */
  #insert(first: number, last: number, lsn: number): void {
    const number = Math.min(this.#chunkOf(first), Math.max(0, this.#chunks.length - 1));
    let chunk = this.#chunks[number];
    if (chunk === undefined) {
      chunk = this.#emptyChunk();
      this.#chunks.push(chunk);
    }
    let at = placeIn(chunk, first);
    if (chunk.count === this.#perChunk) {
      // Ranges that come in order fill chunks to the end.
      const kept = at === chunk.count ? at : chunk.count >>> 1;
      const added = this.#emptyChunk();
      moveEnd(chunk, kept, added);
      this.#chunks.splice(number + 1, 0, added);
      if (at > kept || at === this.#perChunk) {
        at -= kept;
        chunk = added;
      }
    }
    move(chunk, { from: at, to: at + 1 });
    chunk.firsts[at] = first;
    chunk.lasts[at] = last;
    chunk.lsns[at] = lsn;
    chunk.count += 1;
  }

  #emptyChunk(): Chunk {
    const length = this.#perChunk;
    return { firsts: new Uint32Array(length), lasts: new Uint32Array(length), lsns: new Float64Array(length), count: 0 };
  }

  /** The first whose last range ends at the block or after it. */
  #chunkOf(block: number): number {
    let [low, high] = [0, this.#chunks.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const chunk = this.#chunks[middle];
      if (chunk !== undefined && lastAt(chunk, chunk.count - 1) < block) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}

/** Of the first range that ends at the block or after it. */
function placeIn(chunk: Chunk, block: number): number {
  let low = 0;
  let high = chunk.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (lastAt(chunk, middle) < block) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

function move(chunk: Chunk, o: { from: number; to: number }): void {
  chunk.firsts.copyWithin(o.to, o.from, chunk.count);
  chunk.lasts.copyWithin(o.to, o.from, chunk.count);
  chunk.lsns.copyWithin(o.to, o.from, chunk.count);
}

function moveEnd(chunk: Chunk, kept: number, into: Chunk): void {
  into.firsts.set(chunk.firsts.subarray(kept, chunk.count));
  into.lasts.set(chunk.lasts.subarray(kept, chunk.count));
  into.lsns.set(chunk.lsns.subarray(kept, chunk.count));
  into.count = chunk.count - kept;
  chunk.count = kept;
}

function firstAt(chunk: Chunk, at: number): number {
  return chunk.firsts[at] ?? 0;
}

function lastAt(chunk: Chunk, at: number): number {
  return chunk.lasts[at] ?? 0;
}

function lsnAt(chunk: Chunk, at: number): number {
  return chunk.lsns[at] ?? 0;
}
