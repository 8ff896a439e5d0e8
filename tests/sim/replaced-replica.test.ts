/** Replicas that come and go beside the one that a move waits for, while the move cannot look. */
import { setNodeOnline } from '@couchestor/mayastor-simulator/domain/mishaps';
import { describe, expect, it } from 'vitest';
import {
  atStep,
  cancel,
  ends,
  expectNothingLeft,
  gateKey,
  type House,
  house,
  newReplicaOf,
  poolsOf,
  runToEnd,
  syncedOf,
  volumeOf,
} from './house.ts';

const mebibyte = 1024 * 1024;
const seeds = [1, 2, 3];

/** Besides the two pools that the move may use there is only the one where the volume begins, and a spare one where `spare` is given. */
function smallHouse(o: { seed: number; spare?: 'cold' }): House {
  const tiers = ['hot', 'hot', 'cold', ...(o.spare === undefined ? [] : [o.spare])];
  return house({
    seed: o.seed,
    replicas: 1,
    settings: {
      nodes: tiers.map((_, index) => ({ id: `node-${index + 1}` })),
      pools: tiers.map((tier, index) => ({
        id: `pool-${tier}-${index + 1}`,
        node: `node-${index + 1}`,
        capacityBytes: 1024 * mebibyte,
        labels: { 'storage-tier': tier, [gateKey]: 'true' },
      })),
      faultedChildWaitMs: 0,
      reconcileMs: 1_000,
    },
  });
}

/** From WAIT SYNC on Mayastor does not answer us for two minutes, and the node is down for the first of them. */
function downUnseen(h: House, node: () => string): void {
  atStep(h, 'wait-sync', () => {
    h.world.reachable = false;
    const away = node();
    const set = (online: boolean): void => h.world.befall((model, nowMs) => setNodeOnline(model, { node: away, online, nowMs }));
    set(false);
    void h.time.sleep(60_000).then(() => set(true));
    void h.time.sleep(120_000).then(() => {
      h.world.reachable = true;
    });
  });
}

describe('a new replica that self-healing has replaced unseen', () => {
  it.each(seeds)('gives way to the one in its place, and the move goes on with that (seed %i)', async (seed) => {
    const h = smallHouse({ seed });
    let first = '';
    downUnseen(h, () => {
      const { uuid, pool, node } = newReplicaOf(h);
      first = uuid;
      expect(pool).toBe('pool-hot-1');
      return node;
    });
    await runToEnd(h);
    expect(ends(h)).toEqual(['success MOVED']);
    expect(poolsOf(h)).toEqual(['pool-hot-2']);
    expect(volumeOf(h).replicas).not.toContain(first);
    await expectNothingLeft(h);
  });
});

describe('an old replica that self-healing has replaced unseen', () => {
  it.each(seeds)('makes the roll-back take the new one, and not the one that nobody of us made (seed %i)', async (seed) => {
    const h = smallHouse({ seed, spare: 'cold' });
    let adopted = '';
    downUnseen(h, () => {
      adopted = newReplicaOf(h).uuid;
      cancel(h);
      return 'node-3';
    });
    await runToEnd(h);
    expect(ends(h)).toEqual(['aborted CANCELLED']);
    expect(volumeOf(h).replicas).toHaveLength(1);
    expect(volumeOf(h).replicas).not.toContain(adopted);
    expect(syncedOf(h)).toBe(1);
    await expectNothingLeft(h);
  });
});
