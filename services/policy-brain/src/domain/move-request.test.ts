import { moveRequestSchema } from '@couchestor/shared/contracts/migration';
import { tierOf } from '@couchestor/shared/placement/world';
import { describe, expect, it } from 'vitest';
import { clusterWith, measured, nowMs, policyOf, poolOf, roundIntervalMs, situation, volumeOf } from '../testing/fixtures.ts';
import { decideRound } from './decide-round.ts';
import { emptyEntry } from './ledger.ts';
import { hasSamePoolLabels, requestOf } from './move-request.ts';

const policy = policyOf('gold', {
  hotPoolSelector: {
    matchLabels: { 'storage-tier': 'hot' },
    matchExpressions: [{ key: 'maintenance', operator: 'DoesNotExist' }],
  },
});

function requestWith(further: Record<string, Record<string, string>>) {
  const known = clusterWith([volumeOf()]);
  const poolLabels = new Map([...known.poolLabels].map(([id, labels]) => [id, { ...further[id], ...labels }]));
  const cluster = { ...known, poolLabels };
  const prepared = situation({ policies: [policy], cluster, sample: measured(9_000) });
  const [wanted] = decideRound(prepared, { ledger: new Map(), open: [], wishes: new Map() }).chosen;
  if (wanted === undefined) {
    throw new TypeError('the round wants no move');
  }
  return { cluster, request: requestOf(wanted, { entry: emptyEntry, epoch: 1, reason: 'busy', nowMs, roundIntervalMs, cluster }) };
}

describe('the request for a move', () => {
  it('says nothing of pool labels where Mayastor has all of them', () => {
    expect(requestWith({}).request).not.toHaveProperty('poolLabels');
  });

  it('carries the further labels that the selectors ask for, so that the migrator assigns pools as the brain does', () => {
    const { request, cluster } = requestWith({ 'hot-1': { maintenance: 'yes', rack: 'r1' }, 'cold-1': { 'storage-tier': 'hot' } });
    expect(moveRequestSchema.parse(request).poolLabels).toEqual({ 'hot-1': { maintenance: 'yes' } });
    const diskPoolLabels = new Map(Object.entries(request.poolLabels ?? {}));
    const world = { volume: volumeOf(), pools: cluster.pools, nodes: cluster.nodes, diskPoolLabels };
    expect(tierOf(world, poolOf('hot', 1), request.selectors)).toBe('none');
    expect(tierOf(world, poolOf('hot', 2), request.selectors)).toBe('hot');
    // Mayastor's own label counts.
    expect(tierOf(world, poolOf('cold', 1), request.selectors)).toBe('cold');
  });

  it('is told from one by other labels', () => {
    const { request, cluster } = requestWith({ 'hot-1': { maintenance: 'yes' } });
    expect(hasSamePoolLabels(request, cluster)).toBe(true);
    expect(hasSamePoolLabels(request, requestWith({}).cluster)).toBe(false);
    expect(hasSamePoolLabels(requestWith({}).request, cluster)).toBe(false);
  });
});
