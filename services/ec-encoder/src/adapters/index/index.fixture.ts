/** Rows and folders for tests of the index. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blockBytes, shapeOf, storedBytesOf } from '../../domain/geometry.ts';
import type { BlocksEffect, StripeRow } from '../../domain/stripe.ts';

export const quiet = { warn: () => undefined, info: () => undefined, error: () => undefined };

export async function withFolder<T>(use: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'couchestor-index-'));
  try {
    return await use(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** 2+1 over drives 1 to 3, and an effect that maps all of it to consecutive blocks. */
export function stripeOf(o: { stripeId: number; layer: number; firstBlock: number; blocks: number; lsn: number; segment?: number }): {
  row: StripeRow;
  sums: Uint32Array[];
  effects: BlocksEffect[];
} {
  const shape = shapeOf({ dataShards: 2, parityShards: 1 }, o.blocks * blockBytes);
  const places = [0, 1, 2];
  return {
    row: {
      stripeId: o.stripeId,
      shape,
      codec: 'isal-compatible',
      shards: places.map((place) => ({
        drive: place + 1,
        segment: o.segment ?? 0,
        offsetBlocks: o.stripeId * 8,
        headerBlocks: 1,
        generation: 0,
      })),
      liveBytes: 0,
    },
    sums: places.map((place) => new Uint32Array(storedBytesOf(shape, place) / blockBytes).fill(o.stripeId * 16 + place)),
    effects: [{ kind: 'blocks', layer: o.layer, firstBlock: o.firstBlock, blocks: o.blocks, offsetBytes: 0, lsn: o.lsn }],
  };
}
