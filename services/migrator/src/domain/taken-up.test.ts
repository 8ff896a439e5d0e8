/** A move that another process takes up in the middle of a gated step. Nothing was refused, so nothing of its patience is used up. */
import type { MoveStep } from '@couchestor/shared/contracts/migration';
import { describe, expect, it } from 'vitest';
import { aMove, aReading, aSight, limits } from '../testing/moves.ts';
import { advance } from './advance.ts';
import type { SightKind } from './sight.ts';

const steps: [MoveStep, SightKind, { through: MoveStep; next: MoveStep }][] = [
  ['scale-up', 'at-n', { through: 'ungate-grow', next: 'analyze' }],
  ['gate-shrink', 'grown-synced', { through: 'ungate-shrink', next: 'wait-sync' }],
  ['scale-down', 'grown-synced', { through: 'ungate-shrink', next: 'wait-sync' }],
  ['roll-back', 'grown-synced', { through: 'ungate-rollback', next: 'gate-rollback' }],
];

describe.each(steps)('a move that is taken up at %s', (step, kind, { through, next }) => {
  it.each([0, limits.triesMax])('begins the step anew and is not tried more often for it, after %i tries', (tries) => {
    const { move } = advance(aMove(step, { tries }), aSight(aReading(kind), { gate: 'fresh' }), limits);
    expect(move).toMatchObject({ step: through, next, tries });
    expect(move.result).toEqual(aMove(step).result);
  });
});

describe.each([
  ['scale-down', 'SHRINK_REFUSED'],
  ['scale-up', 'GROW_REFUSED'],
] as const)('a move whose call at %s was refused', (step, code) => {
  const refusedAfter = (tries: number) => {
    const answer = { kind: 'conflict', message: 'An operation is in progress.', ageMs: limits.settleMs } as const;
    const kind = step === 'scale-up' ? 'at-n' : 'grown-synced';
    return advance(aMove(step, { tries }), aSight(aReading(kind), { gate: 'held', answer }), limits).move;
  };

  it('is tried again, and not for ever', () => {
    expect(refusedAfter(0)).toMatchObject({ tries: 1 });
    expect(refusedAfter(0).result).toBeUndefined();
    expect(refusedAfter(limits.triesMax).result?.code).toBe(code);
  });
});
