import { expect, test } from 'vitest';
import { Lifecycle } from './lifecycle.ts';
import { createLogger } from './logger.ts';

function newLifecycle(): { lifecycle: Lifecycle; lines: string[]; done: string[]; step: (name: string) => void } {
  const lines: string[] = [];
  const done: string[] = [];
  const lifecycle = new Lifecycle({
    logger: createLogger({ name: 'test', level: 'info', json: false, to: { write: (line) => void lines.push(line) } }),
  });
  const step = (name: string): void => lifecycle.onStop({ name, budgetMs: 1_000, stop: async () => void done.push(name) });
  return { lifecycle, lines, done, step };
}

test('steps run in reverse order of their registration, one after the other', async () => {
  const { lifecycle, done, step } = newLifecycle();
  step('first');
  lifecycle.onStop({
    name: 'slow',
    budgetMs: 1_000,
    stop: async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      done.push('slow');
    },
  });
  step('last');
  await lifecycle.stop('test');
  expect(done).toEqual(['last', 'slow', 'first']);
  expect(lifecycle.failures).toBe(0);
});

test('the signal is aborted with the reason before any step runs', async () => {
  const { lifecycle } = newLifecycle();
  let seen: unknown;
  lifecycle.onStop({
    name: 'look',
    budgetMs: 1_000,
    stop: async () => {
      seen = lifecycle.signal.reason;
    },
  });
  await lifecycle.stop('SIGTERM');
  expect(seen).toEqual(new Error('stopping: SIGTERM'));
});

test('a step that overruns its budget is left behind and logged', async () => {
  const { lifecycle, done, lines, step } = newLifecycle();
  step('first');
  lifecycle.onStop({ name: 'stuck', budgetMs: 10, stop: () => new Promise(() => undefined) });
  await lifecycle.stop('test');
  expect(done).toEqual(['first']);
  expect(lines.join()).toContain('took too long and was left behind step=stuck budgetMs=10');
  expect(lifecycle.failures).toBe(1);
});

test('a step that throws does not keep the others from running', async () => {
  const { lifecycle, done, lines, step } = newLifecycle();
  step('first');
  lifecycle.onStop({
    name: 'broken',
    budgetMs: 1_000,
    stop: () => {
      throw new Error('no');
    },
  });
  await lifecycle.stop('test');
  expect(done).toEqual(['first']);
  expect(lines.join()).toContain('step=broken');
});

test('stopping twice runs each step once', async () => {
  const { lifecycle, done, step } = newLifecycle();
  step('only');
  await Promise.all([lifecycle.stop('one'), lifecycle.stop('two')]);
  expect(done).toEqual(['only']);
});

test('what is registered while stopping is undone at once', async () => {
  const { lifecycle, done, step } = newLifecycle();
  const stopping = lifecycle.stop('test');
  step('late');
  await stopping;
  await lifecycle.stop('again');
  expect(done).toEqual(['late']);
});
