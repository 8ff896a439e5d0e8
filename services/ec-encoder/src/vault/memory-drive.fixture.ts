/** A drive in memory for tests of the vault: records as a real one lays them, and every way to spoil them. */

import type {
  Drive,
  DriveLatency,
  DriveOrder,
  DriveRead,
  DriveSegment,
  DriveSpace,
  DriveStateChange,
  DriveWrite,
  ScannedRecord,
} from '../adapters/drive/drive.ts';
import { DriveError } from '../adapters/drive/errors.ts';
import { type ChecksumEngine, referenceChecksums } from '../domain/codec/crc32c.ts';
import type { DriveState } from '../domain/drive-state.ts';
import { blockBytes } from '../domain/geometry.ts';
import type { DriveDomain } from '../domain/placement.ts';
import { decodeShardHeader, shardHeaderBlocks } from '../domain/shard-record.ts';
import { stampShard } from '../domain/shard-stamp.ts';
import type { ShardPlace } from '../domain/stripe.ts';

export type MemoryFault = 'IO' | 'LATE' | 'GONE' | 'READ_ONLY' | 'WRONG_DRIVE' | 'SYNC_FAILED' | 'NO_SPACE';

export interface MemoryDriveOptions {
  readonly number: number;
  readonly domain?: Partial<DriveDomain>;
  readonly segmentBytes?: number;
  readonly capacityBytes?: number;
  readonly reservedBytes?: number;
  /** Whether `readNow` has what is asked for; default: no, so that reads are asynchronous. */
  readonly isCached?: boolean;
  readonly checksums?: ChecksumEngine;
}

export class MemoryDrive implements Drive {
  readonly number: number;
  readonly driveId: string;
  readonly path: string;
  readonly domain: DriveDomain;
  /** What every read, or every write, rejects with. */
  readFault: MemoryFault | undefined;
  writeFault: MemoryFault | undefined;
  /** Awaited before a read: a test that sets it holds reads back. */
  beforeRead: (read: DriveRead) => Promise<void> = async () => undefined;
  beforeWrite: (write: DriveWrite) => Promise<void> = async () => undefined;
  reads = 0;
  writes = 0;
  capacityBytes: number;
  isCached: boolean;
  readonly #segmentBytes: number;
  readonly #reservedBytes: number;
  readonly #checksums: ChecksumEngine;
  readonly #segments = new Map<number, Buffer>();
  readonly #listeners: ((change: DriveStateChange) => void)[] = [];
  #open = 0;
  #state: DriveState = 'online';

  constructor(o: MemoryDriveOptions) {
    this.number = o.number;
    this.driveId = `00000000-0000-4000-8000-${String(o.number).padStart(12, '0')}`;
    this.path = `/memory/${o.number}`;
    this.domain = { zone: 'z', node: `n${o.number}`, pool: 'p', disk: `d${o.number}`, ...o.domain };
    this.capacityBytes = o.capacityBytes ?? 2 ** 30;
    this.isCached = o.isCached ?? false;
    this.#segmentBytes = o.segmentBytes ?? 1024 * 1024;
    this.#reservedBytes = o.reservedBytes ?? 0;
    this.#checksums = o.checksums ?? referenceChecksums;
  }

  get state(): DriveState {
    return this.#state;
  }

  become(to: DriveState, reason = 'a test said so'): void {
    const from = this.#state;
    this.#state = to;
    if (from !== to) {
      for (const listener of this.#listeners) {
        listener({ from, to, reason });
      }
    }
  }

  onStateChange(listener: (change: DriveStateChange) => void): void {
    this.#listeners.push(listener);
  }

  tell(order: DriveOrder): void {
    this.become(order === 'serve' ? 'online' : order === 'drain' ? 'draining' : 'failed', 'the operator said so');
  }

  async write(record: DriveWrite): Promise<{ segment: number; offsetBlocks: number }> {
    await this.beforeWrite(record);
    this.#throwIfUnfit(this.writeFault);
    const { header, data } = record;
    const lengthBytes = header.length + data.length;
    const space = this.space();
    if (space.freeBytes - (record.useReserve === true ? 0 : space.reservedBytes) < lengthBytes) {
      throw new DriveError('NO_SPACE', { drive: this.number });
    }
    const used = this.#segments.get(this.#open);
    if (used === undefined || used.length + lengthBytes > this.#segmentBytes) {
      this.#open += 1;
      this.#segments.set(this.#open, Buffer.alloc(0));
    }
    const before = this.#segments.get(this.#open) ?? Buffer.alloc(0);
    const at = { segment: this.#open, offsetBlocks: before.length / blockBytes };
    const head = Buffer.from(header);
    stampShard(head, { driveId: this.driveId, ...at }, this.#checksums);
    this.#segments.set(this.#open, Buffer.concat([before, head, data]));
    this.writes += 1;
    return at;
  }

  async read(o: DriveRead): Promise<void> {
    await this.beforeRead(o);
    this.#throwIfUnfit(this.readFault);
    this.reads += 1;
    this.#copy(o);
  }

  readNow(o: { segment: number; offsetBytes: number; into: Uint8Array }): boolean {
    if (!this.isCached || this.#state !== 'online' || this.readFault !== undefined) {
      return false;
    }
    this.#copy(o);
    return true;
  }

  async segments(): Promise<readonly DriveSegment[]> {
    return [...this.#segments].map(([segment, bytes]) => ({ segment, sizeBytes: bytes.length, isOpen: segment === this.#open }));
  }

  async *scan(segment: number): AsyncIterable<ScannedRecord> {
    const bytes = this.#segments.get(segment) ?? Buffer.alloc(0);
    for (let offsetBlocks = 0; offsetBlocks * blockBytes < bytes.length; ) {
      const rest = bytes.subarray(offsetBlocks * blockBytes);
      try {
        const header = decodeShardHeader(rest, this.#checksums);
        const headerBlocks = shardHeaderBlocks(rest) ?? 1;
        yield { offsetBlocks, headerBlocks, header };
        offsetBlocks += headerBlocks + header.sums.length;
      } catch (error) {
        yield { offsetBlocks, problem: String(error) };
        offsetBlocks += 1;
      }
    }
  }

  async removeSegment(segment: number): Promise<void> {
    this.#segments.delete(segment);
  }

  space(): DriveSpace {
    const usedBytes = [...this.#segments.values()].reduce((sum, { length }) => sum + length, 0);
    return { totalBytes: this.capacityBytes, freeBytes: Math.max(0, this.capacityBytes - usedBytes), reservedBytes: this.#reservedBytes };
  }

  latency(): DriveLatency {
    return { readP50Ms: 1, readP99Ms: 1, writeP50Ms: 1, writeP99Ms: 1 };
  }

  async probe(): Promise<void> {
    this.#throwIfUnfit(this.readFault ?? this.writeFault);
  }

  async close(): Promise<void> {
    this.#state = 'failed';
  }

  /** Flips bits of a byte. */
  flip(segment: number, offsetBytes: number): void {
    const bytes = this.#segments.get(segment);
    if (bytes === undefined || offsetBytes >= bytes.length) {
      throw new RangeError(`drive ${this.number} has no byte ${offsetBytes} in segment ${segment}`);
    }
    bytes[offsetBytes] = (bytes[offsetBytes] ?? 0) ^ 0x5a;
  }

  /** Of a shard: a byte of its data, or of its header. */
  corrupt(at: ShardPlace, part: 'data' | 'header', offsetBytes = 0): void {
    const blocks = at.offsetBlocks + (part === 'data' ? at.headerBlocks : 0);
    this.flip(at.segment, blocks * blockBytes + offsetBytes);
  }

  #throwIfUnfit(fault: MemoryFault | undefined): void {
    const code = fault ?? (this.#state === 'failed' ? 'GONE' : undefined);
    if (code !== undefined) {
      throw new DriveError(code, { drive: this.number });
    }
  }

  #copy(o: { segment: number; offsetBytes: number; into: Uint8Array }): void {
    const bytes = this.#segments.get(o.segment);
    if (bytes === undefined || o.offsetBytes + o.into.length > bytes.length) {
      throw new DriveError('NO_SEGMENT', { drive: this.number, segment: o.segment });
    }
    o.into.set(bytes.subarray(o.offsetBytes, o.offsetBytes + o.into.length));
  }
}
