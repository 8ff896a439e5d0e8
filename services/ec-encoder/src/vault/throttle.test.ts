import { describe, expect, it } from 'vitest';
import { Throttle } from './throttle.ts';

function clock() {
  let nowMs = 0;
  return {
    now: () => nowMs,
    sleep: async (ms: number, signal?: AbortSignal) => {
      signal?.throwIfAborted();
      nowMs += ms;
    },
  };
}

describe('the throttle', () => {
  it('keeps the work to its rate', async () => {
    const time = clock();
    const throttle = new Throttle({ ...time, bytesPerSecond: 1_000 });
    for (let taken = 0; taken < 10; taken += 1) {
      await throttle.take(500);
    }
    expect(time.now()).toBe(4_500);
  });

  it('does not save up what was not taken', async () => {
    const time = clock();
    const throttle = new Throttle({ ...time, bytesPerSecond: 1_000 });
    await time.sleep(60_000);
    await throttle.take(1_000);
    await throttle.take(1_000);
    expect(time.now()).toBe(61_000);
  });

  it('goes as fast as it can without a rate, and takes a new one at once', async () => {
    const time = clock();
    const throttle = new Throttle({ ...time, bytesPerSecond: 0 });
    await throttle.take(1e12);
    expect(time.now()).toBe(0);
    throttle.bytesPerSecond = 1;
    await throttle.take(1_000);
    throttle.bytesPerSecond = 1_000;
    await throttle.take(10);
    expect(time.now()).toBe(0);
  });

  it('yields while the foreground is busy, but not for ever', async () => {
    const time = clock();
    let isBusy = true;
    const throttle = new Throttle({ ...time, bytesPerSecond: 0, foregroundBusy: () => isBusy });
    await throttle.take(1);
    expect(time.now()).toBe(200);
    await throttle.take(4096);
    expect(time.now()).toBe(200);
    await throttle.take(1024 * 1024);
    expect(time.now()).toBe(400);
    isBusy = false;
    await throttle.take(1024 * 1024);
    expect(time.now()).toBe(400);
  });

  it('ends with the signal', async () => {
    const throttle = new Throttle({ ...clock(), bytesPerSecond: 1 });
    await expect(throttle.take(1, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  });
});
