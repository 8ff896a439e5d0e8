/**
 * The head of a shard's record on a drive, in whole blocks; the shard's data follow it. It says all that its stripe means.
 *
 * Offsets, little-endian: 0 magic, 8 version u8, 9 codec u8, 10 place u16, 12 headerBlocks u32, 16 CRC-32C of the head (itself as 0, without the
 * stamp), 20 generation u32, 24 stripeId u64, 32 appliedLsn u64, 40 payloadBytes u64, 48 shardBytes u32, 52 dataShards u16, 54 parityShards u16,
 * 56 sums u32, 60 effects u32, 64 bytes of effects u32, 68 vaultId (length u8, up to 63 bytes), 192 stamp, 256 sums u32 each, then the effects.
 * Whatever is not used is zero. The stamp is the drive's: see shard-stamp.ts.
 */
import type { ChecksumEngine } from './codec/crc32c.ts';
import { decodeEffects, effectsBytes, encodeEffects } from './effect-encoding.ts';
import { blockBytes, storedBytesOf } from './geometry.ts';
import { RecordError } from './record-errors.ts';
import { stampBytes, stampOffset } from './shard-stamp.ts';
import { codecNames, type ShardHeader } from './stripe.ts';

const magic = Buffer.from('CStShard');
const version = 1;
const crcOffset = 16;
const vaultIdOffset = 68;
const vaultIdBytesMax = 63;
const sumsOffset = stampOffset + stampBytes;
/** 16 MiB: more than a stripe's meaning can take, so that a damaged count does not make us read a whole drive. */
const headerBlocksMax = 4096;

/** In whole blocks. */
export function encodeShardHeader(header: ShardHeader, checksums: ChecksumEngine): Buffer {
  const { shape, sums, effects } = header;
  const vaultId = Buffer.from(header.vaultId);
  const codec = codecNames.indexOf(header.codec);
  if (vaultId.length > vaultIdBytesMax || codec < 0 || sums.length !== storedBytesOf(shape, header.place) / blockBytes) {
    throw new RangeError(`${sums.length} sums do not go with shard ${header.place} of stripe ${header.stripeId}`);
  }
  const effectsAt = sumsOffset + 4 * sums.length;
  const effectsLength = effectsBytes(effects);
  const headerBlocks = Math.ceil((effectsAt + effectsLength) / blockBytes);
  if (headerBlocks > headerBlocksMax) {
    throw new RangeError(`the meaning of stripe ${header.stripeId} takes ${headerBlocks} blocks, more than ${headerBlocksMax}`);
  }
  const bytes = Buffer.alloc(headerBlocks * blockBytes);
  magic.copy(bytes, 0);
  bytes.writeUInt8(version, 8);
  bytes.writeUInt8(codec, 9);
  bytes.writeUInt16LE(header.place, 10);
  bytes.writeUInt32LE(headerBlocks, 12);
  bytes.writeUInt32LE(header.generation, 20);
  bytes.writeBigUInt64LE(BigInt(header.stripeId), 24);
  bytes.writeBigUInt64LE(BigInt(header.appliedLsn), 32);
  bytes.writeBigUInt64LE(BigInt(shape.payloadBytes), 40);
  bytes.writeUInt32LE(shape.shardBytes, 48);
  bytes.writeUInt16LE(shape.dataShards, 52);
  bytes.writeUInt16LE(shape.parityShards, 54);
  bytes.writeUInt32LE(sums.length, 56);
  bytes.writeUInt32LE(effects.length, 60);
  bytes.writeUInt32LE(effectsLength, 64);
  bytes.writeUInt8(vaultId.length, vaultIdOffset);
  vaultId.copy(bytes, vaultIdOffset + 1);
  for (const [index, sum] of sums.entries()) {
    bytes.writeUInt32LE(sum, sumsOffset + 4 * index);
  }
  encodeEffects(effects, bytes, effectsAt);
  bytes.writeUInt32LE(crcOf(bytes, checksums), crcOffset);
  return bytes;
}

/** Of a head whose first block these are; undefined where it is none. Not yet checked by its CRC. */
export function shardHeaderBlocks(bytes: Uint8Array): number | undefined {
  const view = bufferOf(bytes);
  if (view.length < blockBytes || !view.subarray(0, magic.length).equals(magic)) {
    return undefined;
  }
  const headerBlocks = view.readUInt32LE(12);
  return headerBlocks >= 1 && headerBlocks <= headerBlocksMax ? headerBlocks : undefined;
}

/** Throws RecordError NOT_A_RECORD, CORRUPT or NEWER_VERSION. `bytes` may go on beyond the head. */
export function decodeShardHeader(bytes: Uint8Array, checksums: ChecksumEngine): ShardHeader {
  const headerBlocks = shardHeaderBlocks(bytes);
  if (headerBlocks === undefined) {
    throw new RecordError('NOT_A_RECORD');
  }
  if (bytes.length < headerBlocks * blockBytes) {
    throw new RecordError('CORRUPT', { reason: 'its head is cut short' });
  }
  const head = bufferOf(bytes).subarray(0, headerBlocks * blockBytes);
  if (crcOf(head, checksums) !== head.readUInt32LE(crcOffset)) {
    throw new RecordError('CORRUPT', { reason: 'its checksum does not match' });
  }
  // After the checksum, so that one flipped bit does not pass for a newer version: all versions have the checksum in this place.
  const found = head.readUInt8(8);
  if (found > version) {
    throw new RecordError('NEWER_VERSION', { found, known: version });
  }
  const sums = head.readUInt32LE(56);
  const effects = head.readUInt32LE(60);
  const effectsLength = head.readUInt32LE(64);
  const effectsAt = sumsOffset + 4 * sums;
  const codec = codecNames[head.readUInt8(9)];
  const place = head.readUInt16LE(10);
  const shape = {
    dataShards: head.readUInt16LE(52),
    parityShards: head.readUInt16LE(54),
    shardBytes: head.readUInt32LE(48),
    payloadBytes: Number(head.readBigUInt64LE(40)),
  };
  if (codec === undefined || effectsAt + effectsLength > head.length || sums !== storedBytesOf(shape, place) / blockBytes) {
    throw new RecordError('CORRUPT', { reason: 'its fields contradict each other' });
  }
  const vaultIdBytes = head.readUInt8(vaultIdOffset);
  return {
    vaultId: head.toString('utf8', vaultIdOffset + 1, vaultIdOffset + 1 + vaultIdBytes),
    stripeId: Number(head.readBigUInt64LE(24)),
    place,
    generation: head.readUInt32LE(20),
    shape,
    codec,
    appliedLsn: Number(head.readBigUInt64LE(32)),
    sums: Uint32Array.from({ length: sums }, (_, index) => head.readUInt32LE(sumsOffset + 4 * index)),
    effects: decodeEffects(head.subarray(effectsAt, effectsAt + effectsLength), effects),
  };
}

/** Of all but itself and the stamp, which the drive adds later. */
function crcOf(head: Buffer, checksums: ChecksumEngine): number {
  const before = checksums.crc32c(head.subarray(0, crcOffset));
  const fields = checksums.crc32c(head.subarray(crcOffset + 4, stampOffset), before);
  return checksums.crc32c(head.subarray(sumsOffset), fields);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
