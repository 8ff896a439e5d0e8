/**
 * Where a record stands, in its first block, as the drive wrote it there. A record that stands elsewhere is no record: it is a stale copy, or a
 * user's data that look like one, such as the image of a drive.
 *
 * At 192, 64 bytes: driveId (36 bytes), segment u32, offset u32 in blocks, CRC-32C of these u32, zeros.
 */
import { type ChecksumEngine, referenceChecksums } from './codec/crc32c.ts';

export const stampOffset = 192;
export const stampBytes = 64;
const driveIdBytes = 36;
const crcAt = driveIdBytes + 8;

export interface ShardStamp {
  readonly driveId: string;
  readonly segment: number;
  readonly offsetBlocks: number;
}

/** Into a head that `encodeShardHeader` made, on the thread of the drive, which has no other engine. */
export function stampShard(head: Uint8Array, stamp: ShardStamp, checksums: ChecksumEngine = referenceChecksums): void {
  const area = Buffer.from(head.buffer, head.byteOffset + stampOffset, stampBytes);
  area.fill(0);
  area.write(stamp.driveId, 0, driveIdBytes, 'latin1');
  area.writeUInt32LE(stamp.segment, driveIdBytes);
  area.writeUInt32LE(stamp.offsetBlocks, driveIdBytes + 4);
  area.writeUInt32LE(checksums.crc32c(area.subarray(0, crcAt)), crcAt);
}

/** Whether the record that begins so was written here. */
export function isStamped(head: Uint8Array, stamp: ShardStamp): boolean {
  const wanted = new Uint8Array(stampOffset + stampBytes);
  stampShard(wanted, stamp);
  return Buffer.compare(wanted.subarray(stampOffset), head.subarray(stampOffset, stampOffset + stampBytes)) === 0;
}
