import { expect, test } from 'vitest';
import { sleep } from './time.ts';

test('sleep resolves after its time', async () => {
  const startedAt = performance.now();
  await sleep(20);
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(19);
});

test('sleep rejects with the reason of a signal that is aborted meanwhile', async () => {
  const abort = new AbortController();
  const sleeping = sleep(60_000, abort.signal);
  abort.abort(new Error('enough'));
  await expect(sleeping).rejects.toThrow('enough');
});

test('sleep rejects at once where the signal was aborted before', async () => {
  await expect(sleep(60_000, AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
});
