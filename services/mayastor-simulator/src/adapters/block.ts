/**
 * A block that tells what it is: volume, place, generation and a checksum over a pattern that follows from them. Whoever reads it can tell
 * a right block from a lost, stale, misplaced or torn one. A block that was never written is all zeros and counts as generation 0.
 */
import { crc32 } from 'node:zlib';
import { blockBytes } from '../domain/scenario.ts';

const magic = 0x43_53_42_31; // "CSB1": the last digit is the version of this layout.
const headerBytes = 32;
const checksumAt = 28;
const zeros = Buffer.alloc(blockBytes);

export interface BlockIdentity {
  /** The 16 bytes of the volume's uuid. */
  readonly volume: Buffer;
  readonly block: number;
  readonly generation: number;
}

export function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

/** Fills `target`, one block long and aligned to four bytes, with the content of that generation. */
export function fillBlock(target: Buffer, { volume, block, generation }: BlockIdentity): void {
  const words = new Uint32Array(target.buffer, target.byteOffset, blockBytes / 4);
  let state = (volume.readUInt32LE(0) ^ Math.imul(block + 1, 0x9e3779b1) ^ Math.imul(generation, 0x85ebca77)) >>> 0 || 1;
  for (let index = headerBytes / 4; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  target.writeUInt32BE(magic, 0);
  volume.copy(target, 4);
  target.writeUInt32LE(block, 20);
  target.writeUInt32LE(generation, 24);
  target.writeUInt32LE(0, checksumAt);
  target.writeUInt32LE(crc32(target), checksumAt);
}

/** What is wrong with a block that should hold that generation; undefined where nothing is. */
export function blockFault(found: Buffer, expected: BlockIdentity): string | undefined {
  if (expected.generation === 0) {
    return found.equals(zeros) ? undefined : 'holds data, but was never written';
  }
  if (found.readUInt32BE(0) !== magic) {
    return found.equals(zeros) ? `is empty instead of generation ${expected.generation}` : 'is no block of ours';
  }
  if (found.compare(expected.volume, 0, 16, 4, 20) !== 0) {
    return 'belongs to another volume';
  }
  if (found.readUInt32LE(20) !== expected.block) {
    return `belongs to block ${found.readUInt32LE(20)}`;
  }
  if (found.readUInt32LE(24) !== expected.generation) {
    return `holds generation ${found.readUInt32LE(24)} instead of ${expected.generation}`;
  }
  const checksum = found.readUInt32LE(checksumAt);
  found.writeUInt32LE(0, checksumAt);
  const computed = crc32(found);
  found.writeUInt32LE(checksum, checksumAt);
  return checksum === computed ? undefined : 'is torn: its checksum does not fit';
}
