/** Walks the records of a segment, and finds the next good one behind a bad one. */
import { blockSeeds } from '../../domain/block-seed.ts';
import type { ChecksumEngine } from '../../domain/codec/crc32c.ts';
import { blockBytes } from '../../domain/geometry.ts';
import { RecordError } from '../../domain/record-errors.ts';
import { decodeShardHeader, shardHeaderBlocks } from '../../domain/shard-record.ts';
import { isStamped } from '../../domain/shard-stamp.ts';
import type { ShardHeader } from '../../domain/stripe.ts';
import { allocateShared } from '../shared-buffers.ts';
import type { ScannedRecord } from './drive.ts';

/** Read at once: enough for most heads where the data are passed over, else as much as a disk gives without much waiting. */
const headWindowBlocks = 4;
const dataWindowBlocks = 256;

export interface SegmentScan {
  readonly read: (offsetBytes: number, into: Uint8Array) => Promise<void>;
  readonly blocks: number;
  readonly segment: number;
  readonly driveId: string;
  readonly checksums: ChecksumEngine;
  readonly headersOnly: boolean;
}

export async function* scanSegment(scan: SegmentScan): AsyncGenerator<ScannedRecord> {
  const window = new Window(scan);
  let isLost = false;
  for (let at = 0; at < scan.blocks; ) {
    const found = await headAt(scan, { window, at, isLost });
    if (typeof found === 'string') {
      if (!isLost) {
        yield { offsetBlocks: at, problem: found };
      }
      isLost = true;
      at += 1;
      continue;
    }
    isLost = false;
    const { header, headerBlocks } = found;
    const dataAt = at + headerBlocks;
    const problem = scan.headersOnly ? undefined : await badDataOf(scan, { window, dataAt, header });
    yield problem === undefined ? { offsetBlocks: at, headerBlocks, header } : { offsetBlocks: at, problem, of: { headerBlocks, header } };
    at = dataAt + header.sums.length;
  }
}

/** The head that begins at a block, or why there is none. */
async function headAt(
  scan: SegmentScan,
  o: { window: Window; at: number; isLost: boolean },
): Promise<{ header: ShardHeader; headerBlocks: number } | string> {
  const { window, at } = o;
  const ahead = scan.headersOnly && !o.isLost ? headWindowBlocks : dataWindowBlocks;
  const headerBlocks = shardHeaderBlocks(await window.at(at, 1, ahead));
  if (headerBlocks === undefined) {
    return 'no record begins here';
  }
  if (at + headerBlocks > scan.blocks) {
    return 'the record is cut short in its head';
  }
  const head = await window.at(at, headerBlocks, ahead);
  if (!isStamped(head, { driveId: scan.driveId, segment: scan.segment, offsetBlocks: at })) {
    return 'the record was not written to this place';
  }
  try {
    const header = decodeShardHeader(head, scan.checksums);
    return at + headerBlocks + header.sums.length > scan.blocks ? 'the record is cut short in its data' : { header, headerBlocks };
  } catch (error) {
    if (RecordError.is(error)) {
      return error.message;
    }
    throw error;
  }
}

async function badDataOf(scan: SegmentScan, o: { window: Window; dataAt: number; header: ShardHeader }): Promise<string | undefined> {
  const { header, window, dataAt } = o;
  for (let first = 0; first < header.sums.length; first += dataWindowBlocks) {
    const count = Math.min(dataWindowBlocks, header.sums.length - first);
    const data = await window.at(dataAt + first, count, dataWindowBlocks);
    const sums = scan.checksums.crc32cBlocks(data, blockBytes, blockSeeds(scan.checksums, header, first, count));
    const bad = sums.findIndex((sum, index) => sum !== header.sums[first + index]);
    if (bad >= 0) {
      return `block ${first + bad} of the data of shard ${header.place} of stripe ${header.stripeId} does not match its checksum`;
    }
  }
  return undefined;
}

/** What was last read of the segment. */
class Window {
  readonly #scan: SegmentScan;
  #bytes: Uint8Array = new Uint8Array(0);
  #from = 0;

  constructor(scan: SegmentScan) {
    this.#scan = scan;
  }

  /** Valid until the next call. Reads up to `ahead` blocks where it has to read. */
  async at(block: number, count: number, ahead: number): Promise<Uint8Array> {
    if (block < this.#from || (block + count - this.#from) * blockBytes > this.#bytes.length) {
      const blocks = Math.max(count, Math.min(ahead, this.#scan.blocks - block));
      const bytes = allocateShared(blocks * blockBytes);
      await this.#scan.read(block * blockBytes, bytes);
      this.#bytes = bytes;
      this.#from = block;
    }
    const offset = (block - this.#from) * blockBytes;
    return this.#bytes.subarray(offset, offset + count * blockBytes);
  }
}
