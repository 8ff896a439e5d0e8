/** CRC-32C by the add-on. */
import { type ChecksumEngine, checkBlocks } from '../../domain/codec/crc32c.ts';
import type { NativeAddon } from './native-addon.ts';

/** As a read of a few blocks has them. */
const fewBlocksMax = 8;

/**
 * A short typed array lies in JavaScript's heap, and is moved out of it, at a cost of several blocks' checksums, when an add-on asks for its
 * memory. So few seeds are copied to where they can be asked for, and few sums come back by that way.
 */
interface Scratch {
  readonly seeds: Uint32Array;
  readonly sums: Uint32Array;
}

export function nativeChecksums(addon: NativeAddon): ChecksumEngine {
  const scratchOf: readonly Scratch[] = Array.from({ length: fewBlocksMax + 1 }, (_, blocks) => ({
    seeds: new Uint32Array(new ArrayBuffer(blocks * 4)),
    sums: new Uint32Array(new ArrayBuffer(blocks * 4)),
  }));
  return {
    name: `native ${addon.crc32cEngines.at(-1)}`,
    crc32c: (data, seed = 0) => addon.crc32c(data, seed),
    crc32cBlocks(data, blockBytes, seeds) {
      checkBlocks(data, blockBytes, seeds);
      const scratch = scratchOf[seeds.length];
      if (scratch === undefined) {
        const sums = new Uint32Array(seeds.length);
        addon.crc32cBlocks(data, blockBytes, seeds, sums);
        return sums;
      }
      scratch.seeds.set(seeds);
      addon.crc32cBlocks(data, blockBytes, scratch.seeds, scratch.sums);
      return scratch.sums.slice();
    },
  };
}
