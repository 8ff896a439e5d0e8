/** What counts as a try: five of them end a move, so that none is tried for ever, and none ends because its processes died often. */
import type { MoveStep } from '@couchestor/shared/contracts/migration';
import { aNode } from '@couchestor/shared/testing/mayastor-objects';
import { describe, expect, it } from 'vitest';
import { aMove, aReading, aSight, limits, nowMs } from '../testing/moves.ts';
import { advance } from './advance.ts';
import type { Sight, SightKind } from './sight.ts';

/** Right before the call of the step, with nothing of ours to be seen in Mayastor. */
function triesAfter(step: MoveStep, kind: SightKind, over: Partial<Sight>): { step: MoveStep; tries: number } {
  const seen = aSight(aReading(kind, 'nothing'), { syncedForMs: limits.syncedHoldMs, ...over });
  const { move } = advance(aMove(step, { tries: 2 }), seen, limits);
  return { step: move.step, tries: move.tries };
}

const calls = [
  ['scale-up', 'at-n', 'ungate-grow'],
  ['scale-down', 'grown-synced', 'ungate-shrink'],
  ['roll-back', 'grown', 'ungate-rollback'],
] as const satisfies readonly (readonly [MoveStep, SightKind, MoveStep])[];

describe('a try', () => {
  it.each(calls)('is counted at %s where what this process has placed is not to be seen any more', (step, kind, next) => {
    expect(triesAfter(step, kind, { gate: 'held' })).toEqual({ step: next, tries: 3 });
  });

  it.each(calls)('is counted at %s where the call had no effect', (step, kind, next) => {
    const answer = { kind: 'conflict', message: 'busy', ageMs: limits.settleMs } as const;
    for (const gate of ['held', 'fresh'] as const) {
      expect(triesAfter(step, kind, { gate, answer })).toEqual({ step: next, tries: 3 });
    }
  });

  it.each(calls)('is not counted at %s by a process that has just taken the gate and called nothing yet', (step, kind, next) => {
    expect(triesAfter(step, kind, { gate: 'fresh' })).toEqual({ step: next, tries: 2 });
  });
});

describe('a wait', () => {
  it('for the end of a cordon that leaves no certain bias lasts no longer than the sync may', () => {
    const reading = aReading('grown-synced');
    if (reading === undefined) {
      throw new Error('no reading');
    }
    const nodes = reading.nodes.map((node) => (node.id === 'node-cold-2' ? aNode(node.id, { cordons: ['upgrade'] }) : node));
    const after = (ms: number) => {
      const move = aMove('wait-sync', { syncStartedAt: new Date(nowMs - ms).toISOString() });
      return advance(move, aSight({ ...reading, nodes }, { syncedForMs: limits.syncedHoldMs }), limits);
    };
    const { syncTimeoutMs } = aMove('wait-sync').request;
    expect(after(syncTimeoutMs)).toMatchObject({ move: { step: 'wait-sync' }, effect: { kind: 'wait' } });
    expect(after(syncTimeoutMs + 1).move).toMatchObject({ step: 'finish', result: { outcome: 'kept-old', code: 'NO_BIAS' } });
  });
});
