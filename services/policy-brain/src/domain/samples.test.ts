import type { VolumeSampledPayload } from '@couchestor/shared/contracts/volume-sampled';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { measured, volumeId } from '../testing/fixtures.ts';
import { addBatch, isFresh, noRounds, type WindowRounds } from './samples.ts';

function batch(round: number, index: number, of: number): VolumeSampledPayload {
  return {
    windowSeconds: 60,
    round,
    roundIntervalMs: 1_000,
    observedAt: new Date(round * 1_000).toISOString(),
    batch: index,
    batches: of,
    samples: [measured(round, { id: volumeId(index) })],
  };
}

function add(rounds: WindowRounds, ...arrivals: readonly [VolumeSampledPayload, number][]): WindowRounds {
  return arrivals.reduce((known, [payload, publishedAtMs]) => addBatch(known, payload, publishedAtMs), rounds);
}

describe('a round of samples', () => {
  it('is complete once all its batches are there, in whatever order', () => {
    const partial = add(noRounds, [batch(1, 2, 3), 12], [batch(1, 0, 3), 10]);
    expect(partial.complete).toBeUndefined();
    const { complete } = add(partial, [batch(1, 1, 3), 11]);
    expect([...(complete?.samples.keys() ?? [])].sort()).toEqual([0, 1, 2].map(volumeId));
    expect(complete?.publishedAtMs).toBe(10);
  });

  it('never takes batches of different rounds together', () => {
    const rounds = add(noRounds, [batch(1, 0, 2), 10], [batch(2, 1, 2), 20], [batch(1, 1, 2), 11]);
    expect(rounds.complete).toBeUndefined();
    expect(add(rounds, [batch(2, 0, 2), 19]).complete?.round).toBe(2);
  });

  it('stays the newest complete one while the next is on its way', () => {
    const rounds = add(noRounds, [batch(1, 0, 1), 10], [batch(2, 0, 2), 20]);
    expect(rounds.complete?.round).toBe(1);
  });

  it('is not replaced by an older one that is delivered again', () => {
    const rounds = add(noRounds, [batch(1, 0, 1), 10], [batch(2, 0, 1), 20]);
    expect(add(rounds, [batch(1, 0, 1), 10])).toBe(rounds);
    expect(add(rounds, [batch(2, 0, 1), 20])).toBe(rounds);
  });

  it('is replaced by that of a watcher that counts from the beginning again', () => {
    expect(add(noRounds, [batch(900, 0, 1), 10], [batch(1, 0, 1), 20]).complete?.round).toBe(1);
  });

  it('is fresh for two rounds', () => {
    const { complete } = add(noRounds, [batch(1, 0, 1), 10_000]);
    expect(complete && [isFresh(complete, 12_000), isFresh(complete, 12_001)]).toEqual([true, false]);
  });

  it('is not fresh where it comes from the future: a clock that was set back does not tell how old it is', () => {
    const { complete } = add(noRounds, [batch(1, 0, 1), 10_000]);
    expect(complete && [isFresh(complete, 10_000), isFresh(complete, 9_999)]).toEqual([true, false]);
  });

  it('comes out the same for every order of arrival and any repetition', () => {
    const arrivals = fc.integer({ min: 1, max: 6 }).chain((of) => {
      const all = Array.from({ length: of }, (_, index) => [batch(3, index, of), 100 + index] as const);
      return fc.shuffledSubarray(all, { minLength: of }).chain((order) => fc.shuffledSubarray(all).map((again) => [...order, ...again]));
    });
    fc.assert(
      fc.property(arrivals, (order) => {
        const { complete } = add(noRounds, ...order.map(([payload, at]): [VolumeSampledPayload, number] => [payload, at]));
        expect(complete?.samples.size).toBe(order[0]?.[0].batches);
        expect(complete?.publishedAtMs).toBe(100);
      }),
    );
  });
});
