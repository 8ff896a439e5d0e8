import { describe, expect, it } from 'vitest';
import { shapeOf } from '../domain/geometry.ts';
import type { StripeRow } from '../domain/stripe.ts';
import { healthOf } from './stripe-health.ts';

/** Shard p is on drive p + 1. */
function rowOf(blocks: number): StripeRow {
  const shards = Array.from({ length: 6 }, (_, place) => ({
    drive: place + 1,
    segment: 1,
    offsetBlocks: 0,
    headerBlocks: 1,
    generation: 1,
  }));
  const shape = shapeOf({ dataShards: 4, parityShards: 2 }, blocks * 4096);
  return { stripeId: 1, shape, codec: 'isal-compatible', shards, liveBytes: 0 };
}

const without = (...lost: number[]) => ({ holds: (drive: number) => !lost.includes(drive) });

describe('the health of a stripe', () => {
  it('counts how many more shards may be lost', () => {
    const row = rowOf(4);
    expect(healthOf(row, without())).toEqual({ missing: [], spare: 2, state: 'healthy' });
    expect(healthOf(row, without(1, 6))).toEqual({ missing: [0, 5], spare: 0, state: 'degraded' });
    expect(healthOf(row, without(1, 2, 3))).toEqual({ missing: [0, 1, 2], spare: -1, state: 'lost' });
  });

  it('takes a place without a shard, and a bad shard, for missing', () => {
    const row = { ...rowOf(4), shards: [undefined, ...rowOf(4).shards.slice(1)] };
    expect(healthOf(row, { ...without(), bad: new Set([0, 3]) })).toEqual({ missing: [0, 3], spare: 0, state: 'degraded' });
  });

  it('misses empty shards, but loses nothing with them', () => {
    expect(healthOf(rowOf(1), without(2, 3, 4))).toEqual({ missing: [1, 2, 3], spare: 2, state: 'degraded' });
    expect(healthOf(rowOf(1), without(1, 5, 6))).toEqual({ missing: [0, 4, 5], spare: -1, state: 'lost' });
  });

  it('keeps a stripe without payload as long as one header is left', () => {
    expect(healthOf(rowOf(0), without(1, 2, 3, 4, 5))).toMatchObject({ spare: 0, state: 'degraded' });
    expect(healthOf(rowOf(0), without(1, 2, 3, 4, 5, 6))).toMatchObject({ spare: -1, state: 'lost' });
  });
});
