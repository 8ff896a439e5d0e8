/** Sums over all stripes, kept as rows come, change and go. */
import { blockBytes, storedBytesOf } from '../../domain/geometry.ts';
import type { StripeRow } from '../../domain/stripe.ts';

export interface IndexCounts {
  readonly stripes: number;
  /** With a lost shard or more. */
  readonly degradedStripes: number;
  /** With payload of which nothing is pointed at. */
  readonly deadStripes: number;
  /** What blocks and blobs point at; a page that a snapshot copied counts once more. */
  readonly mappedBytes: number;
}

export interface SegmentUse {
  /** Headers of all records that the index knows, and of their data the part that is pointed at: about what a compaction would carry on. */
  readonly liveBytes: number;
  /** A segment without any is not in the map, and may go. */
  readonly records: number;
}

export class IndexUsage {
  #stripes = 0;
  #degradedStripes = 0;
  #deadStripes = 0;
  #mappedBytes = 0;
  readonly #drives = new Map<number, Map<number, SegmentUse>>();

  counts(): IndexCounts {
    return {
      stripes: this.#stripes,
      degradedStripes: this.#degradedStripes,
      deadStripes: this.#deadStripes,
      mappedBytes: this.#mappedBytes,
    };
  }

  segments(drive: number): ReadonlyMap<number, SegmentUse> {
    return this.#drives.get(drive) ?? new Map();
  }

  add(row: StripeRow): void {
    this.#count(row, 1);
  }

  remove(row: StripeRow): void {
    this.#count(row, -1);
  }

  /** Its segments stay, though it does not count: nobody knows whether it is on the disk. */
  keepSegments(row: StripeRow): void {
    this.#countRecords(row, 1);
  }

  #count(row: StripeRow, sign: 1 | -1): void {
    const { payloadBytes } = row.shape;
    this.#stripes += sign;
    this.#degradedStripes += row.shards.includes(undefined) ? sign : 0;
    this.#deadStripes += payloadBytes > 0 && row.liveBytes === 0 ? sign : 0;
    this.#mappedBytes += sign * row.liveBytes;
    this.#countRecords(row, sign);
  }

  #countRecords(row: StripeRow, sign: 1 | -1): void {
    const { payloadBytes } = row.shape;
    const livePart = payloadBytes === 0 ? 0 : Math.min(1, row.liveBytes / payloadBytes);
    for (const [place, shard] of row.shards.entries()) {
      if (shard !== undefined) {
        const liveBytes = shard.headerBlocks * blockBytes + Math.round(storedBytesOf(row.shape, place) * livePart);
        this.#countRecord(shard, sign * liveBytes, sign);
      }
    }
  }

  #countRecord(at: { drive: number; segment: number }, liveBytes: number, records: number): void {
    let segments = this.#drives.get(at.drive);
    if (segments === undefined) {
      segments = new Map();
      this.#drives.set(at.drive, segments);
    }
    const use = segments.get(at.segment) ?? { liveBytes: 0, records: 0 };
    if (use.records + records === 0) {
      segments.delete(at.segment);
    } else {
      segments.set(at.segment, { liveBytes: use.liveBytes + liveBytes, records: use.records + records });
    }
  }
}
