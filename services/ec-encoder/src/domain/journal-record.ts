/**
 * What stands in a segment of the journal: records end to end, each a header of 64-byte units and, for data, its blocks.
 *
 * The header's words, little-endian: checksum of what follows in the header; magic; version and kind; epoch; members (one bit for each copy that
 * has to have this record); lsn (two words); the highest lsn known to be on all members when this was written (two); layer; first block; blocks;
 * upTo (two); then the CRC-32C of each block of data, begun with the low word of the lsn. The checksum of the header begins with a seed made of
 * vault, segment and offset, which are not stored: a record of an earlier use of the file, of another place or of another vault does not check.
 */
import type { ChecksumEngine } from './codec/crc32c.ts';
import { blockBytes } from './geometry.ts';

export const recordUnitBytes = 64;
/** 1 MiB: a longer write takes several records. */
export const recordBlocksMax = 256;

export const recordKinds = { data: 1, zero: 2, mapped: 3, epoch: 4, seal: 5 } as const;
export type RecordKind = (typeof recordKinds)[keyof typeof recordKinds];

/** `CEJ1`. */
const magic = 0x314a4543;
const version = 1;
const fixedWords = 14;
const fixedBytes = fixedWords * 4;
const wordRange = 2 ** 32;

export interface RecordFields {
  kind: RecordKind;
  epoch: number;
  /** Bit n: the copy numbered n. */
  members: number;
  lsn: number;
  durableLsn: number;
  layer: number;
  firstBlock: number;
  blocks: number;
  upTo: number;
}

/** The same memory twice. Begins at a multiple of four. */
export interface RecordBytes {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
}

export function recordBytesOf(bytes: Uint8Array): RecordBytes {
  return { bytes, words: new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2) };
}

export function headerBytesOf(kind: RecordKind, blocks: number): number {
  const length = kind === recordKinds.data ? fixedBytes + blocks * 4 : fixedBytes;
  return Math.ceil(length / recordUnitBytes) * recordUnitBytes;
}

export function recordLengthOf(kind: RecordKind, blocks: number): number {
  return headerBytesOf(kind, blocks) + (kind === recordKinds.data ? blocks * blockBytes : 0);
}

export function vaultSeedOf(vaultId: string, checksums: ChecksumEngine): number {
  return checksums.crc32c(new TextEncoder().encode(vaultId), magic);
}

function seedAt(vaultSeed: number, segment: number, offsetBytes: number): number {
  return (vaultSeed ^ Math.imul(segment + 1, 0x9e3779b1) ^ Math.imul(offsetBytes / recordUnitBytes + 1, 0x85ebca6b)) >>> 0;
}

export interface RecordPosition {
  readonly vaultSeed: number;
  /** Where the record begins in the file. */
  segment: number;
  offsetBytes: number;
}

/** Writes the header at byte `at` of `into`. The sums of data stand there already (see `sumWord`). */
export function encodeHeader(into: RecordBytes, at: number, r: RecordFields, position: RecordPosition, checksums: ChecksumEngine): void {
  const { words } = into;
  const first = at >>> 2;
  const length = headerBytesOf(r.kind, r.blocks);
  words[first + 1] = magic;
  words[first + 2] = version | (r.kind << 8);
  words[first + 3] = r.epoch;
  words[first + 4] = r.members;
  words[first + 5] = r.lsn;
  words[first + 6] = r.lsn / wordRange;
  words[first + 7] = r.durableLsn;
  words[first + 8] = r.durableLsn / wordRange;
  words[first + 9] = r.layer;
  words[first + 10] = r.firstBlock;
  words[first + 11] = r.blocks;
  words[first + 12] = r.upTo;
  words[first + 13] = r.upTo / wordRange;
  const used = fixedWords + (r.kind === recordKinds.data ? r.blocks : 0);
  for (let word = first + used; word < first + (length >>> 2); word += 1) {
    words[word] = 0;
  }
  words[first] = checksums.crc32c(
    into.bytes.subarray(at + 4, at + length),
    seedAt(position.vaultSeed, position.segment, position.offsetBytes),
  );
}

/** The word of `RecordBytes.words` that holds the sum of a block, of a record that begins at byte `at`. */
export function sumWord(at: number, block: number): number {
  return (at >>> 2) + fixedWords + block;
}

/** 'newer' where a later version of CoucheStor wrote it. Undefined where no whole header of this place is. The data are not looked at. */
export function decodeHeader(
  from: RecordBytes,
  at: number,
  position: RecordPosition,
  checksums: ChecksumEngine,
): RecordFields | 'newer' | undefined {
  const { words, bytes } = from;
  const first = at >>> 2;
  const word = (index: number) => words[first + index] ?? 0;
  if (word(1) !== magic || at + recordUnitBytes > bytes.length) {
    return undefined;
  }
  const kind = ((word(2) >>> 8) & 0xff) as RecordKind;
  const blocks = word(11);
  if (kind < recordKinds.data || kind > recordKinds.seal || (kind === recordKinds.data && (blocks === 0 || blocks > recordBlocksMax))) {
    return undefined;
  }
  const length = headerBytesOf(kind, blocks);
  if (at + length > bytes.length) {
    return undefined;
  }
  if (
    checksums.crc32c(bytes.subarray(at + 4, at + length), seedAt(position.vaultSeed, position.segment, position.offsetBytes)) !== word(0)
  ) {
    return undefined;
  }
  if ((word(2) & 0xff) > version) {
    return 'newer';
  }
  return {
    kind,
    epoch: word(3),
    members: word(4),
    lsn: word(5) + word(6) * wordRange,
    durableLsn: word(7) + word(8) * wordRange,
    layer: word(9),
    firstBlock: word(10),
    blocks,
    upTo: word(12) + word(13) * wordRange,
  };
}

/** Whether the blocks of a data record are all there and check. Records of other kinds have none. */
export function dataIsWhole(from: RecordBytes, at: number, r: RecordFields, checksums: ChecksumEngine): boolean {
  if (r.kind !== recordKinds.data) {
    return true;
  }
  const begin = at + headerBytesOf(r.kind, r.blocks);
  const end = begin + r.blocks * blockBytes;
  if (end > from.bytes.length) {
    return false;
  }
  const sums = checksums.crc32cBlocks(from.bytes.subarray(begin, end), blockBytes, new Uint32Array(r.blocks).fill(r.lsn));
  return sums.every((sum, block) => sum === from.words[sumWord(at, block)]);
}
