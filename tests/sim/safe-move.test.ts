/** The move when nothing but its own processes fails. */
import { moveStanding } from '@couchestor/shared/contracts/brain';
import { describe, expect, it } from 'vitest';
import { atStep, ends, expectNothingLeft, finished, house, moveId, pass, poolsOf, request, runToEnd, sweep } from './house.ts';

/** Hundreds of moves, one for each point. */
const everyPointTimeoutMs = 120_000;

describe('the safe move on the model of Mayastor', () => {
  for (const gateKey of [true, false]) {
    it(`moves every replica to the tier and leaves nothing behind, ${gateKey ? 'biased by the gate label' : 'biased by node cordons'}`, async () => {
      for (let seed = 1; seed <= 20; seed += 1) {
        const h = house({ seed, gateKey });
        await runToEnd(h);
        expect(finished(h).map(({ result }) => [result.outcome, result.code, result.replicasMoved])).toEqual([['success', 'MOVED', 2]]);
        expect(poolsOf(h)).toEqual(['pool-hot-1', 'pool-hot-2']);
        expect(h.world.model.underReplicatedMs).toBe(0);
        await expectNothingLeft(h);
      }
    });
  }

  it.each([1, 2, 3, 4])(
    'survives the death of its process at every point between two operations, part %i of 4',
    async (part) => {
      const steps = await runToEnd(house({ seed: 7, replicas: 1 }));
      expect(steps).toBeGreaterThan(100);
      for (let at = part; at < steps; at += 4) {
        const h = house({ seed: at, replicas: 1 });
        await runToEnd(h, [at]);
        expect({ at, ends: ends(h) }).toEqual({ at, ends: ['success MOVED'] });
        expect({ at, pools: poolsOf(h) }).toMatchObject({ at, pools: [expect.stringContaining('pool-hot-')] });
        expect(h.world.model.underReplicatedMs).toBe(0);
        await expectNothingLeft(h);
      }
    },
    everyPointTimeoutMs,
  );

  it('survives deaths one after another, at points that the seed chooses', async () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const h = house({ seed, gateKey: seed % 2 === 0 });
      const deaths = [1, 2, 3].map((nth) => 1 + ((seed * 7_919 * nth * nth) % 400));
      await runToEnd(h, deaths);
      expect({ seed, deaths, ends: ends(h), pools: poolsOf(h) }).toEqual({
        seed,
        deaths,
        ends: ['success MOVED'],
        pools: ['pool-hot-1', 'pool-hot-2'],
      });
      await expectNothingLeft(h);
    }
  });

  it('lets one of two processes have a move that was delivered to both', async () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const h = house({ seed, replicas: 1, gateKey: seed % 2 === 0 });
      const processes = [h.start(), h.start(), h.start()];
      const staggered = processes.map(async (process, index) => {
        await h.time.sleep(index * seed * 37);
        await process.accept(request());
        await process.run(request());
      });
      await h.time.run(Promise.all(staggered), 3_600_000);
      await sweep(h);
      expect({ seed, ends: ends(h), pools: poolsOf(h).length }).toEqual({ seed, ends: ['success MOVED'], pools: 1 });
      await expectNothingLeft(h);
    }
  });

  it('lets a process that waited for the gate do nothing by a record that another one has advanced', async () => {
    for (const step of ['gate-grow', 'scale-up', 'wait-sync', 'gate-shrink', 'scale-down', 'finish'] as const) {
      const h = house({ seed: 3, replicas: 1 });
      const second = h.start();
      let late: Promise<void> = Promise.resolve();
      atStep(h, step, () => {
        late = second.run(request());
      });
      await runToEnd(h);
      await h.time.run(late, 3_600_000);
      await pass(h, 60_000);
      expect({ step, ends: ends(h) }).toEqual({ step, ends: ['success MOVED'] });
      await expectNothingLeft(h);
    }
  });

  it('places no gates by a record that was put aside while it waited for the gate', async () => {
    const h = house({ seed: 3, replicas: 1 });
    const processes = [h.start(), h.start()];
    const placedBy = processes.map(({ deps: { mayastor } }) => {
      const placed: string[] = [];
      const cordonPool = mayastor.cordonPool.bind(mayastor);
      mayastor.cordonPool = (pool, flags) => {
        placed.push(pool);
        return cordonPool(pool, flags);
      };
      return placed;
    });
    const [first, second] = processes;
    let late: Promise<void> | undefined;
    atStep(h, 'gate-grow', () => {
      // Whoever has the gate first hears nothing from the brain and goes back to ANALYZE; the other one waits with the record from before.
      h.broker.silence(moveStanding);
      late = second?.run(request());
    });
    atStep(h, 'ungate-grow', () => h.broker.answer(moveStanding, () => ({ stands: true, reason: '' })));
    await h.time.run(Promise.all([first?.accept(request()).then(() => first.run(request()))]), 3_600_000);
    await h.time.run(Promise.all([late]), 3_600_000);
    expect(placedBy.map((placed) => placed.length > 0).sort()).toEqual([false, true]);
    expect(ends(h)).toEqual(['success MOVED']);
    await expectNothingLeft(h);
  });

  it('accepts a move once, whoever asks how often', async () => {
    const h = house({ seed: 1, replicas: 1 });
    await runToEnd(h);
    const before = h.broker.published.length;
    await runToEnd(h);
    expect(ends(h)).toEqual(['success MOVED']);
    expect(h.broker.published.slice(before).map(({ type }) => type)).toEqual(['migration.finished']);
    expect(finished(h).every((move) => move.moveId === moveId)).toBe(true);
  });
});
