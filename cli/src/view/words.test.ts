import { type MoveStep, moveSteps } from '@couchestor/shared/contracts/migration';
import type { MoveView } from '@couchestor/shared/contracts/migrator';
import { describe, expect, it } from 'vitest';
import { movePercent } from './words.ts';

function move(step: MoveStep, o: Partial<MoveView> = {}): MoveView {
  return {
    moveId: 'm0123456789abcdef',
    volumeId: '11111111-2222-4333-8444-555555555555',
    policy: 'demo',
    from: 'cold',
    to: 'hot',
    step,
    replicasMoved: 0,
    replicasPlanned: 2,
    startedAt: '2025-01-01T00:00:00Z',
    ...o,
  };
}

describe('the progress of a move', () => {
  it('never runs backwards on the way forward, and is not full before the end', () => {
    const forward: MoveStep[] = [
      'analyze',
      'gate-grow',
      'scale-up',
      'ungate-grow',
      'wait-sync',
      'gate-shrink',
      'scale-down',
      'ungate-shrink',
    ];
    const percents = [0, 1].flatMap((replicasMoved) => forward.map((step) => movePercent(move(step, { replicasMoved }))));
    expect(percents).toEqual([...percents].sort((a, b) => a - b));
    expect(Math.max(...percents)).toBeLessThan(100);
  });

  it('follows the sync', () => {
    const at = (syncPercent: number): number => movePercent(move('wait-sync', { syncPercent, replicasPlanned: 1 }));
    expect([at(0), at(50), at(100)]).toEqual([8, 50, 92]);
  });

  it('is within 0 and 100 for every step, whatever the counts say', () => {
    for (const step of moveSteps) {
      for (const replicasPlanned of [0, 1, 3]) {
        for (const replicasMoved of [0, 1, 4]) {
          const percent = movePercent(move(step, { replicasPlanned, replicasMoved, syncPercent: 100 }));
          expect(percent).toBeGreaterThanOrEqual(0);
          expect(percent).toBeLessThanOrEqual(100);
        }
      }
    }
  });
});
