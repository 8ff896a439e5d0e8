import { describe, expect, it } from 'vitest';
import { applyEffects, type NewStripe } from './apply-effects.ts';
import { blockBytes, shapeOf } from './geometry.ts';
import { MemoryIndex } from './index-rows.fixture.ts';
import { isWhole } from './index-rows.ts';
import { pointerAt } from './lba-page.ts';
import type { Effect } from './stripe.ts';

function stripe(stripeId: number, payloadBlocks: number, effects: readonly Effect[]): NewStripe {
  const shape = shapeOf({ dataShards: 1, parityShards: 0 }, payloadBlocks * blockBytes);
  const shards = [{ drive: 1, segment: 0, offsetBlocks: 0, headerBlocks: 1, generation: 0 }];
  return { row: { stripeId, shape, codec: 'isal-compatible', shards, liveBytes: 0 }, sums: [new Uint32Array(payloadBlocks)], effects };
}

function blocks(firstBlock: number, count: number, lsn: number, offsetBytes = 0): Effect {
  return { kind: 'blocks', layer: 1, firstBlock, blocks: count, offsetBytes, lsn };
}

function ownersOf(index: MemoryIndex, count: number): (number | undefined)[] {
  return Array.from({ length: count }, (_, block) => pointerAt(index.resolvePage(1, 0), block)?.stripeId);
}

describe('the effects of stripes', () => {
  it('are taken in the order of their lsn, whatever order they come in, and zeroes among them', () => {
    const index = new MemoryIndex();
    const stripes = [stripe(1, 8, [blocks(0, 4, 9), blocks(4, 4, 2, 4 * blockBytes)]), stripe(2, 8, [blocks(2, 4, 5)])];
    const zeroes = [
      { kind: 'zeroes' as const, layer: 1, firstBlock: 5, blocks: 2, lsn: 7 },
      { kind: 'zeroes' as const, layer: 1, firstBlock: 0, blocks: 8, lsn: 1 },
    ];
    index.apply(applyEffects(index, { stripes, zeroes, appliedLsn: 9 }));
    expect(ownersOf(index, 8)).toEqual([1, 1, 1, 1, 2, undefined, undefined, 1]);
    expect([1, 2].map((id) => index.stripe(id)?.liveBytes)).toEqual([5 * blockBytes, blockBytes]);
    expect(index.appliedLsn).toBe(9);
  });

  it('zero nothing by what a stripe says of zeroes: that is for the reindex', () => {
    const index = new MemoryIndex();
    index.apply(applyEffects(index, { stripe: stripe(1, 2, [blocks(0, 2, 1)]) }));
    index.apply(applyEffects(index, { stripe: stripe(2, 0, [{ kind: 'zeroes', layer: 1, firstBlock: 0, blocks: 2, lsn: 5 }]) }));
    expect(ownersOf(index, 2)).toEqual([1, 1]);
    expect(index.stripe(2)?.liveBytes).toBe(0);
  });

  it('leave out a stripe of which nothing is live', () => {
    const index = new MemoryIndex();
    const writes = applyEffects(index, { stripe: stripe(1, 2, [blocks(0, 2, 1)]), isLive: () => false });
    expect([writes.stripes, writes.pages]).toEqual([[], []]);
  });

  it('build a blob from parts in any order, and take a part that comes again for the first one', () => {
    const index = new MemoryIndex();
    const part = (number: number, isLast: boolean): Effect => ({
      kind: 'blob',
      blobId: 'b',
      part: number,
      isLast,
      offsetBytes: 0,
      lengthBytes: 100,
    });
    const createdAt = '2026-01-01T00:00:00.000Z';
    index.apply(applyEffects(index, { stripe: stripe(1, 1, [part(1, true)]), createdAt }));
    expect(isWhole(index.blob('b')?.parts ?? [])).toBe(false);
    index.apply(applyEffects(index, { stripe: stripe(2, 1, [part(0, false)]), createdAt }));
    index.apply(applyEffects(index, { stripe: stripe(3, 1, [part(1, true)]), createdAt }));
    const row = index.blob('b');
    expect([row?.sizeBytes, row?.parts.map((one) => one.stripeId), isWhole(row?.parts ?? [])]).toEqual([200, [2, 3], true]);
    expect(index.stripe(1)).toBeUndefined();
    index.apply(applyEffects(index, { stripe: stripe(4, 1, [part(0, false)]), isBlobLive: () => false }));
    expect([index.blob('b'), index.stripe(4)]).toEqual([row, undefined]);
  });

  it('refuse a stripe that is there already, and blocks that do not begin at a block of the payload', () => {
    const index = new MemoryIndex();
    index.apply(applyEffects(index, { stripe: stripe(1, 2, [blocks(0, 2, 1)]) }));
    expect(() => applyEffects(index, { stripe: stripe(1, 2, [blocks(0, 2, 2)]) })).toThrow(RangeError);
    expect(() => applyEffects(index, { stripe: stripe(2, 2, [blocks(0, 1, 2, 100)]) })).toThrow(RangeError);
  });
});
