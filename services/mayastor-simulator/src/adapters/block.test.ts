import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockBytes } from '../domain/scenario.ts';
import { type BlockIdentity, blockFault, fillBlock, uuidBytes } from './block.ts';

const volume = uuidBytes('00c4bcc6-0564-40a0-b795-377298752cc6');

function blockOf(identity: BlockIdentity): Buffer {
  const block = Buffer.alloc(blockBytes);
  fillBlock(block, identity);
  return block;
}

describe('a block', () => {
  it('proves to be what it is, and nothing else', () => {
    const identity = { volume, block: 7, generation: 3 };
    const other = uuidBytes('ffffffff-0564-40a0-b795-377298752cc6');
    expect(blockFault(blockOf(identity), identity)).toBeUndefined();
    expect(blockFault(blockOf({ ...identity, generation: 2 }), identity)).toBe('holds generation 2 instead of 3');
    expect(blockFault(blockOf({ ...identity, block: 8 }), identity)).toBe('belongs to block 8');
    expect(blockFault(blockOf({ ...identity, volume: other }), identity)).toBe('belongs to another volume');
    expect(blockFault(Buffer.alloc(blockBytes), identity)).toBe('is empty instead of generation 3');
    expect(blockFault(blockOf(identity), { ...identity, generation: 0 })).toBe('holds data, but was never written');
    expect(blockFault(Buffer.alloc(blockBytes), { ...identity, generation: 0 })).toBeUndefined();
  });

  it('shows every changed bit', () => {
    const identity = { volume, block: 1, generation: 1 };
    fc.assert(
      fc.property(fc.nat(blockBytes - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = blockOf(identity);
        damaged[at] = (damaged[at] ?? 0) ^ flip;
        return blockFault(damaged, identity) !== undefined;
      }),
    );
  });

  it('differs between volumes, places and generations all over', () => {
    const base = blockOf({ volume, block: 1, generation: 1 });
    const next = blockOf({ volume, block: 1, generation: 2 });
    const different = base.subarray(32).filter((byte, index) => byte !== next[index + 32]).length;
    expect(different).toBeGreaterThan(blockBytes * 0.9);
  });
});
