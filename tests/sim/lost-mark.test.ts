/** A late call of an earlier holder of the gate takes a mark off again that this one has set: it undoes what it did all the same. */
import type { MoveStep } from '@couchestor/shared/contracts/migration';
import { gateMarkKey } from '@couchestor/shared/placement/marks';
import { expect, it } from 'vitest';
import { atStep, cancel, ends, expectNothingLeft, house, runToEnd } from './house.ts';

it.each<[string, MoveStep, boolean]>([
  ['cordons', 'scale-up', false],
  ['the label of the old replica’s pool', 'scale-down', false],
  ['the label of the new replica’s pool', 'roll-back', true],
])('undoes %s without a mark that tells of it', async (_what, step, cancelled) => {
  const h = house({ seed: 1, replicas: 1 });
  if (cancelled) {
    atStep(h, 'wait-sync', () => cancel(h));
  }
  let lost = 0;
  atStep(h, step, () => {
    for (const pool of Object.values(h.world.model.pools)) {
      if (pool.labels[gateMarkKey] !== undefined) {
        delete pool.labels[gateMarkKey];
        lost += 1;
      }
    }
  });
  await runToEnd(h);
  expect(lost).toBeGreaterThan(0);
  expect(ends(h)).toEqual([cancelled ? 'aborted CANCELLED' : 'success MOVED']);
  await expectNothingLeft(h);
});
