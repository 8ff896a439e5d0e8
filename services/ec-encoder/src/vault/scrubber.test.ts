import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { describe, expect, it } from 'vitest';
import { call, HealWorld } from './heal.fixture.ts';
import { Scrubber, type ScrubberDeps, type ScrubState } from './scrubber.ts';

async function worldOf(blocks: readonly number[]) {
  const world = new HealWorld({ dataShards: 3, parityShards: 2, drives: 7 });
  for (const [at, count] of blocks.entries()) {
    await world.write(count, at * 100);
  }
  const rebuilder = world.rebuilder();
  rebuilder.start();
  const scrubberOf = (overrides: Partial<ScrubberDeps> = {}) =>
    new Scrubber({
      ...world,
      throttle: async () => undefined,
      inFlight: (work) => work(),
      report: (finding) => rebuilder.report(finding),
      settle: (one) => rebuilder.settle(one),
      now: () => 1_000,
      ...overrides,
    });
  return { world, rebuilder, scrubberOf };
}

describe('the scrub', () => {
  it('finds every bad header and every bad block, also of empty shards, and has them healed', async () => {
    const { world, rebuilder, scrubberOf } = await worldOf([6, 1, 0, 9]);
    world.corrupt(1, 0, 'data', 4096);
    world.corrupt(1, 4, 'header', 70);
    // Stripe 2 has one block, so its shard 1 is a header and nothing else.
    world.corrupt(2, 1, 'header', 30);
    world.corrupt(3, 2, 'header', 30);
    const scrubber = scrubberOf();
    expect(await scrubber.scrub(call())).toEqual({ stripesChecked: 4, errorsFound: 4, healed: 4 });
    expect(await world.flaws()).toEqual([]);
    expect(scrubber.status()).toEqual({
      isRunning: false,
      lastFinishedAtMs: 1_000,
      stripesChecked: 4,
      stripesTotal: 4,
      errorsFound: 4,
      healed: 4,
    });
    expect(await scrubber.scrub(call())).toEqual({ stripesChecked: 4, errorsFound: 0, healed: 0 });
    await rebuilder.close();
  });

  it('says of a stripe beyond repair that it found it and did not heal it', async () => {
    const { world, rebuilder, scrubberOf } = await worldOf([3]);
    for (const place of [0, 1, 2]) {
      world.corrupt(1, place);
    }
    expect(await scrubberOf().scrub(call())).toEqual({ stripesChecked: 1, errorsFound: 3, healed: 0 });
    expect(world.told).toContain('lost 1');
    await rebuilder.close();
  });

  it('goes on where it was stopped', async () => {
    const { world, rebuilder, scrubberOf } = await worldOf([1, 1, 1, 1, 1, 1, 1, 1]);
    const abort = new AbortController();
    let state: ScrubState = {};
    const first = scrubberOf({
      onState: (now) => {
        state = now;
        if (now.nextStripeId === 3) {
          abort.abort(new Error('enough'));
        }
      },
    });
    await expect(first.scrub({ signal: abort.signal, report: () => undefined })).rejects.toThrow('enough');
    await waitUntil(() => !first.status().isRunning);
    const left = 9 - (state.nextStripeId ?? 0);
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(7);
    const before = world.allDrives().reduce((sum, { reads }) => sum + reads, 0);
    expect(await scrubberOf({ from: state }).scrub(call())).toMatchObject({ stripesChecked: left });
    expect(world.allDrives().reduce((sum, { reads }) => sum + reads, 0) - before).toBe(left * 5);
    await rebuilder.close();
  });

  it('begins anew for whoever asks while one that was given up comes to its end', async () => {
    const { rebuilder, scrubberOf } = await worldOf([1, 1, 1]);
    const scrubber = scrubberOf();
    const abort = new AbortController();
    const first = scrubber.scrub({ signal: abort.signal, report: () => undefined });
    abort.abort(new Error('enough'));
    await expect(first).rejects.toThrow('enough');
    await expect(scrubber.scrub(call())).resolves.toMatchObject({ errorsFound: 0 });
    await rebuilder.close();
  });

  it('is one for all who ask, and ends early only when all of them have given up', async () => {
    const { world, rebuilder, scrubberOf } = await worldOf([1, 1, 1]);
    const scrubber = scrubberOf();
    const abort = new AbortController();
    const impatient = scrubber.scrub({ signal: abort.signal, report: () => undefined });
    const patient = scrubber.scrub(call());
    abort.abort(new Error('enough'));
    await expect(impatient).rejects.toThrow('enough');
    expect(await patient).toMatchObject({ stripesChecked: 3 });
    expect(world.allDrives().reduce((sum, { reads }) => sum + reads, 0)).toBe(3 * 5);
    await rebuilder.close();
  });

  it('finds parity that checks and is wrong, where it goes deep', async () => {
    const { world, rebuilder, scrubberOf } = await worldOf([6]);
    await world.forge(1, 4);
    expect(await scrubberOf().scrub(call())).toMatchObject({ errorsFound: 0 });
    expect(await world.flaws()).toEqual(['1/4 is wrong parity']);
    expect(await scrubberOf().scrub(call(), { deep: true })).toEqual({ stripesChecked: 1, errorsFound: 1, healed: 1 });
    expect(await world.flaws()).toEqual([]);
    await rebuilder.close();
  });

  it('takes no drive that does not answer for one with bad shards', async () => {
    const { world, rebuilder, scrubberOf } = await worldOf([6]);
    world.drive(world.at(1, 0).drive).readFault = 'LATE';
    expect(await scrubberOf().scrub(call())).toMatchObject({ errorsFound: 0 });
    await rebuilder.close();
  });

  it('comes again at its interval, and first where one was broken off', async () => {
    const { rebuilder, scrubberOf } = await worldOf([1, 1]);
    let nowMs = 0;
    const done: number[] = [];
    const scrubber = scrubberOf({
      now: () => nowMs,
      from: { nextStripeId: 2, lastFinishedAtMs: 0 },
      onState: ({ lastFinishedAtMs, nextStripeId }) => {
        if (nextStripeId === undefined) {
          done.push(lastFinishedAtMs ?? -1);
          nowMs += done.length < 3 ? 60_000 : 0;
        }
      },
    });
    scrubber.start({ intervalMs: 60_000 });
    await waitUntil(() => done.length >= 3);
    expect(done).toEqual([0, 60_000, 120_000]);
    await scrubber.close();
    expect(scrubber.status().isRunning).toBe(false);
    await rebuilder.close();
  });
});
