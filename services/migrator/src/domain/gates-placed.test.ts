/** SCALE UP: what must be seen in place in the reading right before the volume is grown. */
import type { Pool } from '@couchestor/shared/mayastor/schema';
import { gateMarkKey, volumeMarkKey } from '@couchestor/shared/placement/marks';
import { someVolumeId } from '@couchestor/shared/testing/facts';
import { describe, expect, it } from 'vitest';
import { aMove, aReading, aSight, limits } from '../testing/moves.ts';
import { advance } from './advance.ts';

/** What is done where the gates stand but for `change`, and this process has placed them. */
function effectAt(step: 'gate-grow' | 'scale-up', change: (pools: readonly Pool[]) => readonly Pool[]): { step: string; effect: string } {
  const reading = aReading('at-n', 'gates');
  if (reading === undefined) {
    throw new Error('no reading');
  }
  const { move, effect } = advance(aMove(step), aSight({ ...reading, pools: change(reading.pools) }, { gate: 'held' }), limits);
  return { step: move.step, effect: effect.kind };
}

function changed(id: string, spec: (spec: NonNullable<Pool['spec']>) => NonNullable<Pool['spec']>) {
  return (pools: readonly Pool[]) => pools.map((pool) => (pool.id === id && pool.spec ? { ...pool, spec: spec(pool.spec) } : pool));
}

function withoutLabel(id: string, key: string) {
  return changed(id, (spec) => {
    const { [key]: _gone, ...labels } = spec.labels ?? {};
    return { ...spec, labels };
  });
}

const opened = (id: string) => changed(id, (spec) => ({ ...spec, cordonDrain: null }));
const closed = (id: string) =>
  changed(id, (spec) => ({ ...spec, cordonDrain: { cordoned: { replicas: true, snapshots: false, restores: false, import: false } } }));

const missing: [string, (pools: readonly Pool[]) => readonly Pool[]][] = [
  ['a pool of the tier is open beside the destination', opened('hot-2')],
  ['a pool of another tier is open beside the destination', opened('warm-1')],
  ['the destination is closed', closed('hot-1')],
  ['another pool is open instead of the destination', (pools) => opened('hot-2')(closed('hot-1')(pools))],
  ['the destination does not carry the mark of the volume', withoutLabel('hot-1', volumeMarkKey(someVolumeId))],
];

describe('a volume', () => {
  it('is grown where only the destination is open, and is marked', () => {
    expect(effectAt('gate-grow', (pools) => pools)).toEqual({ step: 'scale-up', effect: 'look' });
    expect(effectAt('scale-up', (pools) => pools)).toEqual({ step: 'scale-up', effect: 'put-replica-count' });
    // A closed pool is closed, whether our mark on it is seen already or not.
    expect(effectAt('scale-up', withoutLabel('hot-2', gateMarkKey)).effect).toBe('put-replica-count');
  });

  it.each(missing)('is not grown where %s', (_name, change) => {
    expect(effectAt('scale-up', change)).toEqual({ step: 'ungate-grow', effect: 'look' });
    expect(effectAt('gate-grow', change).step).not.toBe('scale-up');
  });
});
