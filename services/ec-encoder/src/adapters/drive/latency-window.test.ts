import { expect, test } from 'vitest';
import { LatencyWindow } from './latency-window.ts';

test('percentiles are zero before the first call, follow the first ones at once, and forget old ones', () => {
  const window = new LatencyWindow();
  expect(window.percentiles()).toEqual({ p50Ms: 0, p99Ms: 0 });
  window.add(7);
  expect(window.percentiles()).toEqual({ p50Ms: 7, p99Ms: 7 });
  for (let ms = 1; ms <= 100; ms += 1) {
    window.add(ms);
  }
  expect(window.percentiles()).toEqual({ p50Ms: 50, p99Ms: 99 });
  for (let count = 0; count < 256; count += 1) {
    window.add(1);
  }
  expect(window.percentiles()).toEqual({ p50Ms: 1, p99Ms: 1 });
});
