/**
 * Rows of the index as bytes. Each begins with the version of its form; all numbers are big-endian. `seal` puts a CRC-32C of key and row behind
 * it, so a row that was damaged, or stands under another's key, is seen.
 */

import { referenceChecksums } from './codec/crc32c.ts';
import type { BlobPart, BlobRow } from './index-rows.ts';
import { RowError } from './index-rows-errors.ts';
import { codecNames, type ShardPlace, type StripeRow } from './stripe.ts';

const rowVersion = 1;
const sealBytes = 4;
const stripeHeadBytes = 20;
const shardBytes = 17;
const blobHeadBytes = 14;
const partBytes = 23;

export function seal(key: Buffer, row: Buffer): Buffer {
  const sealed = Buffer.allocUnsafe(row.length + sealBytes);
  row.copy(sealed);
  sealed.writeUInt32BE(checksumOf(key, row), row.length);
  return sealed;
}

/** The row, on the same memory. Throws RowError CORRUPT. */
export function unseal(key: Buffer, sealed: Buffer): Buffer {
  const row = sealed.subarray(0, Math.max(0, sealed.length - sealBytes));
  if (sealed.length <= sealBytes || sealed.readUInt32BE(row.length) !== checksumOf(key, row)) {
    throw new RowError('CORRUPT', { key: key.toString('hex'), sizeBytes: sealed.length });
  }
  return row;
}

export function encodeStripe(row: StripeRow): Buffer {
  const bytes = Buffer.alloc(stripeHeadBytes + row.shards.length * shardBytes);
  bytes.writeUInt8(rowVersion, 0);
  bytes.writeUInt8(codecNames.indexOf(row.codec), 1);
  bytes.writeUInt8(row.shape.dataShards, 2);
  bytes.writeUInt8(row.shape.parityShards, 3);
  bytes.writeUInt32BE(row.shape.shardBytes, 4);
  bytes.writeUIntBE(row.shape.payloadBytes, 8, 6);
  bytes.writeUIntBE(row.liveBytes, 14, 6);
  let at = stripeHeadBytes;
  for (const shard of row.shards) {
    if (shard !== undefined) {
      bytes.writeUInt8(1, at);
      bytes.writeUInt16BE(shard.drive, at + 1);
      bytes.writeUInt32BE(shard.segment, at + 3);
      bytes.writeUInt32BE(shard.offsetBlocks, at + 7);
      bytes.writeUInt16BE(shard.headerBlocks, at + 11);
      bytes.writeUInt32BE(shard.generation, at + 13);
    }
    at += shardBytes;
  }
  return bytes;
}

export function decodeStripe(stripeId: number, bytes: Buffer): StripeRow {
  checkVersion('stripe', bytes);
  const codec = codecNames[bytes.readUInt8(1)];
  const dataShards = bytes.readUInt8(2);
  const parityShards = bytes.readUInt8(3);
  if (codec === undefined || bytes.length !== stripeHeadBytes + (dataShards + parityShards) * shardBytes) {
    throw new RowError('CORRUPT', { row: 'stripe', stripeId, sizeBytes: bytes.length });
  }
  const shards: (ShardPlace | undefined)[] = [];
  for (let at = stripeHeadBytes; at < bytes.length; at += shardBytes) {
    shards.push(bytes[at] === 1 ? decodeShard(bytes, at + 1) : undefined);
  }
  const shape = { dataShards, parityShards, shardBytes: bytes.readUInt32BE(4), payloadBytes: bytes.readUIntBE(8, 6) };
  return { stripeId, shape, codec, shards, liveBytes: bytes.readUIntBE(14, 6) };
}

export function encodeSums(sums: Uint32Array): Buffer {
  const bytes = Buffer.allocUnsafe(1 + sums.length * 4);
  bytes.writeUInt8(rowVersion, 0);
  for (let index = 0; index < sums.length; index += 1) {
    bytes.writeUInt32BE(sums[index] ?? 0, 1 + index * 4);
  }
  return bytes;
}

export function decodeSums(bytes: Buffer): Uint32Array {
  checkVersion('sums', bytes);
  const sums = new Uint32Array((bytes.length - 1) >>> 2);
  for (let index = 0; index < sums.length; index += 1) {
    sums[index] = bytes.readUInt32BE(1 + index * 4);
  }
  return sums;
}

export function encodeBlob(row: BlobRow): Buffer {
  const bytes = Buffer.alloc(blobHeadBytes + row.parts.length * partBytes);
  bytes.writeUInt8(rowVersion, 0);
  bytes.writeUInt8(row.state === 'adopted' ? 1 : 0, 1);
  bytes.writeDoubleBE(Date.parse(row.createdAt), 2);
  bytes.writeUInt32BE(row.parts.length, 10);
  let at = blobHeadBytes;
  for (const part of row.parts) {
    bytes.writeUInt32BE(part.part, at);
    bytes.writeUInt8(part.isLast ? 1 : 0, at + 4);
    bytes.writeUIntBE(part.stripeId, at + 5, 6);
    bytes.writeUIntBE(part.offsetBytes, at + 11, 6);
    bytes.writeUIntBE(part.lengthBytes, at + 17, 6);
    at += partBytes;
  }
  return bytes;
}

export function decodeBlob(blobId: string, bytes: Buffer): BlobRow {
  checkVersion('blob', bytes);
  if (bytes.length < blobHeadBytes || bytes.length !== blobHeadBytes + bytes.readUInt32BE(10) * partBytes) {
    throw new RowError('CORRUPT', { row: 'blob', blobId, sizeBytes: bytes.length });
  }
  const parts: BlobPart[] = [];
  let sizeBytes = 0;
  for (let at = blobHeadBytes; at < bytes.length; at += partBytes) {
    const lengthBytes = bytes.readUIntBE(at + 17, 6);
    sizeBytes += lengthBytes;
    parts.push({
      part: bytes.readUInt32BE(at),
      isLast: bytes[at + 4] === 1,
      stripeId: bytes.readUIntBE(at + 5, 6),
      offsetBytes: bytes.readUIntBE(at + 11, 6),
      lengthBytes,
    });
  }
  const createdAt = new Date(bytes.readDoubleBE(2)).toISOString();
  return { blobId, sizeBytes, state: bytes[1] === 1 ? 'adopted' : 'pending', createdAt, parts };
}

export function encodeNumber(value: number): Buffer {
  const bytes = Buffer.alloc(9);
  bytes.writeUInt8(rowVersion, 0);
  bytes.writeBigUInt64BE(BigInt(value), 1);
  return bytes;
}

export function decodeNumber(bytes: Buffer): number {
  checkVersion('number', bytes);
  return Number(bytes.readBigUInt64BE(1));
}

export function encodeText(text: string): Buffer {
  return Buffer.concat([Buffer.of(rowVersion), Buffer.from(text)]);
}

export function decodeText(bytes: Buffer): string {
  checkVersion('text', bytes);
  return bytes.toString('utf8', 1);
}

function decodeShard(bytes: Buffer, at: number): ShardPlace {
  return {
    drive: bytes.readUInt16BE(at),
    segment: bytes.readUInt32BE(at + 2),
    offsetBlocks: bytes.readUInt32BE(at + 6),
    headerBlocks: bytes.readUInt16BE(at + 10),
    generation: bytes.readUInt32BE(at + 12),
  };
}

function checkVersion(row: string, bytes: Buffer): void {
  if (bytes[0] !== rowVersion) {
    throw new RowError('NEWER_VERSION', { row, version: bytes[0] });
  }
}

function checksumOf(key: Buffer, row: Buffer): number {
  return referenceChecksums.crc32c(row, referenceChecksums.crc32c(key));
}
