import { expect, it } from 'vitest';
import { Foreground } from './foreground.ts';

it('is busy while requests take long, and no longer than they come', async () => {
  let nowMs = 0;
  const foreground = new Foreground(() => nowMs);
  const request = (tookMs: number) =>
    foreground.timed(async () => {
      nowMs += tookMs;
    });
  for (let count = 0; count < 50; count += 1) {
    await request(1);
  }
  expect(foreground.isBusy()).toBe(false);
  for (let count = 0; count < 20; count += 1) {
    await request(40);
  }
  expect(foreground.isBusy()).toBe(true);
  nowMs += 1_000;
  expect(foreground.isBusy()).toBe(false);
});
