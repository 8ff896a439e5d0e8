/** S2 at the point of no return, one sign of illness after the other: chance does not find each of them in every run. */
import type { MoveStep } from '@couchestor/shared/contracts/migration';
import type { ReplicaInput, VolumeInput } from '@couchestor/shared/testing/mayastor-objects';
import { describe, expect, it } from 'vitest';
import { aMove, aReading, aSight, limits, type Placed } from '../testing/moves.ts';
import { advance } from './advance.ts';

const signs: [string, Omit<ReplicaInput, 'uuid'>][] = [
  ['of an unknown state', { state: 'Unknown' }],
  ['Faulted', { state: 'Faulted' }],
  ['Degraded in the target', { childStatus: 'Degraded' }],
  ['no child of the target', { childStatus: undefined }],
  ['being rebuilt', { rebuildProgress: 99 }],
  ['not healthy', { healthy: false }],
];

/** Three replicas, the last of which is new, with the bias in place. Mayastor calls the volume Online whatever its replicas are, unless told. */
function effectAt(
  step: MoveStep,
  placed: Placed,
  o: { old?: Partial<ReplicaInput>; fresh?: Partial<ReplicaInput>; volume?: Partial<VolumeInput> } = {},
) {
  const reading = aReading('grown-synced', placed, {
    replicas: [
      { uuid: 'r1', pool: 'cold-1' },
      { uuid: 'r2', pool: 'cold-2', ...o.old },
      { uuid: 'r9', pool: 'hot-1', ...o.fresh },
    ],
    rebuilds: 0,
    ...o.volume,
  });
  const { move, effect } = advance(aMove(step), aSight(reading, { gate: 'held', syncedForMs: limits.syncedHoldMs }), limits);
  return { effect: effect.kind, step: move.step };
}

describe('the shrink', () => {
  const placed = { biasOn: 'cold-1' };

  it('is called for where the two that stay are whole', () => {
    expect(effectAt('scale-down', placed).effect).toBe('put-replica-count');
  });

  it.each(signs)('is not called for where the other old replica is %s', (_name, old) => {
    expect(effectAt('scale-down', placed, { old })).toEqual({ effect: 'look', step: 'ungate-shrink' });
  });

  it.each(signs)('is not called for where the new replica is %s', (_name, fresh) => {
    expect(effectAt('scale-down', placed, { fresh })).toEqual({ effect: 'look', step: 'ungate-shrink' });
  });

  it.each<[string, Partial<VolumeInput>]>([
    ['the volume is Degraded', { status: 'Degraded' }],
    ['the target is Degraded', { targetState: 'Degraded' }],
    ['the target rebuilds something', { rebuilds: 1 }],
    ['the target has a child too few', { children: 2 }],
    ['the volume is not published', { published: false }],
  ])('is not called for where %s, though each replica looks whole', (_name, volume) => {
    expect(effectAt('scale-down', placed, { volume })).toEqual({ effect: 'look', step: 'ungate-shrink' });
  });
});

describe('the roll-back', () => {
  const placed = { biasOn: 'hot-1' };

  it('is called for where both old replicas are whole, whatever the new one is', () => {
    for (const [, fresh] of [['whole', {}] as const, ...signs]) {
      expect(effectAt('roll-back', placed, { fresh }).effect).toBe('put-replica-count');
    }
  });

  it.each(signs)('is not called for, and both stay, where an old replica is %s and the new one whole', (_name, old) => {
    expect(effectAt('roll-back', placed, { old })).toEqual({ effect: 'look', step: 'ungate-rollback' });
    expect(effectAt('gate-rollback', placed, { old })).not.toMatchObject({ step: 'roll-back' });
  });
});
