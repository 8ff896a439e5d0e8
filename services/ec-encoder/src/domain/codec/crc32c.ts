/** CRC-32C (Castagnoli), as iSCSI, ext4 and S3 have it, in plain TypeScript: eight bytes at a step, by tables. */

/** 0x1edc6f41 with its bits reversed. */
const polynomial = 0x82f63b78;
const stepBytes = 8;

/** tables[n * 256 + b]: the byte b followed by n zero bytes. */
const tables = new Uint32Array(stepBytes * 256);
for (let byte = 0; byte < 256; byte += 1) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    crc = (crc >>> 1) ^ (crc & 1 ? polynomial : 0);
  }
  tables[byte] = crc;
}
for (let index = 256; index < tables.length; index += 1) {
  const shorter = entry(index - 256);
  tables[index] = (shorter >>> 8) ^ entry(shorter & 0xff);
}

/**
 * What checksums are made with. `crc32c(b, crc32c(a))` is that of a followed by b, so a seed can stand for a header that is not stored: a block
 * at the wrong place then does not check. All engines give the same numbers, which are unsigned.
 */
export interface ChecksumEngine {
  /** For start-up lines: `native sse4.2`, `reference`. */
  readonly name: string;
  crc32c(data: Uint8Array, seed?: number): number;
  /** One for each block of `blockBytes`, of which the last may be short; block i begins with seeds[i]. Throws RangeError on wrong counts. */
  crc32cBlocks(data: Uint8Array, blockBytes: number, seeds: Uint32Array): Uint32Array;
}

export const referenceChecksums: ChecksumEngine = {
  name: 'reference',
  crc32c(data, seed = 0) {
    let crc = ~seed;
    let at = 0;
    for (; at + stepBytes <= data.length; at += stepBytes) {
      const low = crc ^ word(data, at);
      const high = word(data, at + 4);
      crc =
        entry(7 * 256 + (low & 0xff)) ^
        entry(6 * 256 + ((low >>> 8) & 0xff)) ^
        entry(5 * 256 + ((low >>> 16) & 0xff)) ^
        entry(4 * 256 + (low >>> 24)) ^
        entry(3 * 256 + (high & 0xff)) ^
        entry(2 * 256 + ((high >>> 8) & 0xff)) ^
        entry(256 + ((high >>> 16) & 0xff)) ^
        entry(high >>> 24);
    }
    for (; at < data.length; at += 1) {
      crc = (crc >>> 8) ^ entry((crc ^ (data[at] ?? 0)) & 0xff);
    }
    return ~crc >>> 0;
  },
  crc32cBlocks(data, blockBytes, seeds) {
    checkBlocks(data, blockBytes, seeds);
    return seeds.map((seed, index) => referenceChecksums.crc32c(data.subarray(index * blockBytes, (index + 1) * blockBytes), seed));
  },
};

/** Throws RangeError unless there is one seed for each block, and at least one block. */
export function checkBlocks(data: Uint8Array, blockBytes: number, seeds: Uint32Array): void {
  const isWhole = Number.isInteger(blockBytes) && blockBytes >= 1 && blockBytes <= 0xffff_ffff;
  if (!isWhole || data.length === 0 || seeds.length !== Math.ceil(data.length / blockBytes)) {
    throw new RangeError(`${data.length} bytes in blocks of ${blockBytes} do not go with ${seeds.length} seeds`);
  }
}

/** Little-endian. */
function word(data: Uint8Array, at: number): number {
  return (data[at] ?? 0) | ((data[at + 1] ?? 0) << 8) | ((data[at + 2] ?? 0) << 16) | ((data[at + 3] ?? 0) << 24);
}

function entry(index: number): number {
  return tables[index] ?? 0;
}
