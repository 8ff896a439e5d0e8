/** Which pools a plan closes: every one that Mayastor might choose when the call comes, whatever keeps it out just now. */
import { describe, expect, it } from 'vitest';
import { aNode, aWorld, type PoolInput } from '../testing/mayastor-objects.ts';
import { planNextReplica } from './plan.ts';

const gibibyte = 1024 ** 3;

/** A volume on cold-1 that is to go to hot-1, and one more pool. */
function closedPools(other: Partial<PoolInput>, o: { online?: boolean } = {}): readonly string[] {
  const world = aWorld({
    volume: { replicas: [{ uuid: 'r1', pool: 'cold-1' }] },
    pools: [
      { id: 'cold-1', labels: { tier: 'cold' } },
      { id: 'hot-1', labels: { tier: 'hot' } },
      { id: 'other', labels: { tier: 'hot' }, ...other },
    ],
    nodes: [aNode('node-other', { online: o.online ?? true })],
  });
  const next = planNextReplica(
    world,
    {
      to: 'hot',
      selectors: { hot: { matchLabels: { tier: 'hot' } }, cold: { matchLabels: { tier: 'cold' } } },
      capacityWatermarkPercent: 85,
      allowSnapshots: false,
      syncTimeoutMs: 1_800_000,
    },
    { poolCordon: true },
  );
  if (next.kind !== 'move' || next.plan.destination.pool !== 'hot-1') {
    throw new Error(`no move to hot-1: ${JSON.stringify(next)}`);
  }
  return next.plan.cordonPools;
}

describe('a plan closes a pool', () => {
  it.each<[string, Partial<PoolInput>]>([
    ['of the same tier', { used: gibibyte }],
    ['of another tier', { labels: { tier: 'cold' } }],
    ['of no tier', { labels: {} }],
    ['that is Faulted and may be back in a moment', { status: 'Faulted' }],
    ['whose state nobody can tell', { status: 'unreachable' }],
    ['above our watermark, which Mayastor does not know', { used: 90 * gibibyte }],
    ['of another cluster size', { clusterSize: 1024 ** 2 }],
    ['that is encrypted while the volume’s is not', { encrypted: true }],
  ])('%s', (_name, other) => {
    expect(closedPools(other)).toEqual(['other']);
  });

  it('whose node is offline and may be back in a moment', () => {
    expect(closedPools({}, { online: false })).toEqual(['other']);
  });

  it('but not one that an administrator has closed', () => {
    expect(closedPools({ cordoned: true })).toEqual([]);
  });
});
