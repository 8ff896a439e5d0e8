/**
 * Seeds of the checksums of a shard's blocks.
 *
 * A block's CRC-32C begins with that of its address, so a block that was written to the wrong place, or is what stood there before, does not
 * check, though its bytes are whole.
 */
import { type ChecksumEngine, referenceChecksums } from './codec/crc32c.ts';

/** stripeId u64, place u16, number of the block u32, generation u32, little-endian. */
const addressBytes = 18;
const two32 = 2 ** 32;

/** So few are quicker in our own code than with a call of an add-on. All engines give the same numbers. */
const callWorthBlocks = 32;

/** Seeds of the blocks [firstBlock, firstBlock + count) of a shard. */
export function blockSeeds(
  checksums: ChecksumEngine,
  shard: { stripeId: number; place: number; generation: number },
  firstBlock: number,
  count: number,
): Uint32Array {
  const seeds = new Uint32Array(count);
  if (count < callWorthBlocks) {
    const address = new Uint8Array(addressBytes);
    for (let index = 0; index < count; index += 1) {
      setAddress(address, 0, shard, firstBlock + index);
      seeds[index] = referenceChecksums.crc32c(address);
    }
    return seeds;
  }
  const addresses = new Uint8Array(count * addressBytes);
  for (let index = 0; index < count; index += 1) {
    setAddress(addresses, index * addressBytes, shard, firstBlock + index);
  }
  return checksums.crc32cBlocks(addresses, addressBytes, seeds);
}

/** Of one block, as most reads have it. */
export function blockSeed(shard: { stripeId: number; place: number; generation: number }, block: number): number {
  const address = new Uint8Array(addressBytes);
  setAddress(address, 0, shard, block);
  return referenceChecksums.crc32c(address);
}

function setAddress(bytes: Uint8Array, at: number, shard: { stripeId: number; place: number; generation: number }, block: number): void {
  setUint32(bytes, at, shard.stripeId >>> 0);
  setUint32(bytes, at + 4, Math.floor(shard.stripeId / two32));
  bytes[at + 8] = shard.place;
  bytes[at + 9] = shard.place >>> 8;
  setUint32(bytes, at + 10, block);
  setUint32(bytes, at + 14, shard.generation);
}

function setUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
