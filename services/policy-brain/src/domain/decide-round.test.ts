import { describe, expect, it } from 'vitest';
import {
  clusterWith,
  limits,
  measured,
  policyOf,
  requestFor,
  roundOf,
  situation,
  volumeId,
  volumeOf,
  windowSeconds,
} from '../testing/fixtures.ts';
import { decideRound, type RoundMemory } from './decide-round.ts';
import { emptyEntry, request } from './ledger.ts';

const nothing: RoundMemory = { ledger: new Map(), open: [], wishes: new Map() };

/** Volumes by number, each with its pools and IOPS. */
function roundWith(volumes: readonly [pools: string[], iops: number][], o: Parameters<typeof situation>[0] = {}) {
  return situation({
    cluster: clusterWith(volumes.map(([pools], index) => volumeOf({ id: volumeId(index), pools }))),
    rounds: new Map([[windowSeconds, roundOf(volumes.map(([, iops], index) => measured(iops, { id: volumeId(index) })))]]),
    ...o,
  });
}

const cold = ['cold-1', 'cold-2'];
const hot = ['hot-1', 'hot-2'];

describe('a round', () => {
  it('decides on every volume and chooses as many moves as there are slots', () => {
    const outcome = decideRound(
      roundWith([
        [cold, 9_000],
        [cold, 9_000],
        [cold, 9_000],
        [cold, 1],
      ]),
      nothing,
    );
    expect([...outcome.decisions.values()].map(({ rule }) => rule)).toEqual(['TO_HOT', 'TO_HOT', 'NO_SLOT', 'STAY']);
    expect(outcome.chosen.map((wanted) => wanted.volumeId)).toEqual([volumeId(0), volumeId(1)]);
    expect(outcome.wanted).toBe(3);
    expect(outcome.decisions.get(volumeId(2))).toMatchObject({
      verb: 'wait',
      to: 'hot',
      reason: expect.stringContaining('2 moves are under way or requested, of 2'),
    });
  });

  it('promotes before it demotes', () => {
    const outcome = decideRound(
      roundWith([
        [hot, 1],
        [hot, 1],
        [cold, 9_000],
      ]),
      nothing,
    );
    expect(outcome.chosen.map((wanted) => wanted.volumeId)).toEqual([volumeId(2), volumeId(0)]);
  });

  it('remembers since when a volume has wanted to move, and forgets it when it wants something else', () => {
    const since = (to: 'hot' | 'cold') => new Map([[volumeId(1), { to, sinceMs: 5 }]]);
    const prepared = roundWith(
      [
        [cold, 9_000],
        [cold, 9_000],
      ],
      { limits: { ...limits, maxConcurrentMigrations: 1 } },
    );
    expect(decideRound(prepared, { ...nothing, wishes: since('hot') }).chosen.map((wanted) => wanted.volumeId)).toEqual([volumeId(1)]);
    expect(decideRound(prepared, { ...nothing, wishes: since('cold') }).chosen.map((wanted) => wanted.volumeId)).toEqual([volumeId(0)]);
  });

  it('counts requests that are out against the limits of their policy', () => {
    const ledger = new Map([
      [volumeId(0), request(emptyEntry, { request: requestFor({ volumeId: volumeId(0) }), numReplicas: 2, sight: '' })],
    ]);
    const prepared = roundWith(
      [
        [cold, 9_000],
        [cold, 9_000],
      ],
      { policies: [policyOf('gold', { maxConcurrentMigrations: 1 })] },
    );
    const outcome = decideRound(prepared, { ...nothing, ledger, open: [{ policy: 'gold' }] });
    expect([...outcome.decisions.values()].map(({ rule }) => rule)).toEqual(['REQUESTED', 'NO_SLOT']);
    expect(outcome.chosen).toEqual([]);
  });

  it('lets no policy exceed the limit of the operator', () => {
    const policies = [policyOf('gold', { maxConcurrentMigrations: 50 })];
    expect(
      decideRound(
        roundWith(
          [
            [cold, 9_000],
            [cold, 9_000],
            [cold, 9_000],
          ],
          { policies },
        ),
        nothing,
      ).chosen,
    ).toHaveLength(2);
  });

  it('counts for each policy what it watches', () => {
    const { counts } = decideRound(
      roundWith([
        [cold, 1],
        [hot, 9_000],
        [['hot-1', 'cold-2'], 3_000],
      ]),
      nothing,
    );
    expect(counts.get('gold')).toMatchObject({ volumes: 3, byTier: { hot: 2, warm: 0, cold: 1 }, unknown: 0 });
  });

  it('chooses nothing where Mayastor could not be read', () => {
    const outcome = decideRound(roundWith([[cold, 9_000]], { readable: false }), nothing);
    expect(outcome.chosen).toEqual([]);
    expect([...outcome.decisions.values()].map(({ rule }) => rule)).toEqual(['MAYASTOR_UNREADABLE']);
  });
});
