/** The segments that hold records not released yet, and where a block's data are: a handle is segment and offset in one number. */
import { recordUnitBytes } from '../../domain/journal-record.ts';

/** 1 GiB: more offsets than these do not fit a handle. */
export const segmentBytesMax = 2 ** 24 * recordUnitBytes;
const offsetRange = 2 ** 24;
const blockShift = 12;

export interface Segment {
  readonly segment: number;
  lastLsn: number;
  usedBytes: number;
  /** The CRC-32C of the block of data that begins in each 4 KiB: never two. */
  sums: Uint32Array;
}

export class Segments {
  readonly #bySegment = new Map<number, Segment>();
  readonly #order: Segment[] = [];

  get count(): number {
    return this.#order.length;
  }

  get newest(): Segment | undefined {
    return this.#order.at(-1);
  }

  get(segment: number): Segment | undefined {
    return this.#bySegment.get(segment);
  }

  begin(segment: number, segmentBytes: number): Segment {
    const begun = { segment, lastLsn: 0, usedBytes: 0, sums: new Uint32Array((segmentBytes >>> blockShift) + 1) };
    this.#bySegment.set(segment, begun);
    this.#order.push(begun);
    return begun;
  }

  /** Those whose records are all released; never the one being written. */
  release(cut: number): number[] {
    const released: number[] = [];
    for (let oldest = this.#order[0]; oldest !== undefined && this.#order.length > 1 && oldest.lastLsn <= cut; oldest = this.#order[0]) {
      this.#order.shift();
      this.#bySegment.delete(oldest.segment);
      released.push(oldest.segment);
    }
    return released;
  }
}

export function handleOf(segment: number, offsetBytes: number): number {
  return segment * offsetRange + offsetBytes / recordUnitBytes;
}

export function segmentOfHandle(handle: number): number {
  return Math.floor(handle / offsetRange);
}

export function offsetOfHandle(handle: number): number {
  return (handle % offsetRange) * recordUnitBytes;
}

export function sumIndexOf(offsetBytes: number): number {
  return offsetBytes >>> blockShift;
}
