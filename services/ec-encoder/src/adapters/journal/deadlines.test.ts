import { describe, expect, test } from 'vitest';
import { firstGood, within } from './deadlines.ts';

const never = () => new Promise<string>(() => undefined);
const bad = () => Promise.reject(new Error('bad'));
const good = () => Promise.resolve('good');

describe('the first good answer', () => {
  test('is taken without asking further', async () => {
    let asked = 0;
    const next = () => {
      asked += 1;
      return good();
    };
    expect(await firstGood([good, next], 60_000)).toBe('good');
    expect(asked).toBe(0);
  });

  test('is that of the next one where the first fails, or does not answer', async () => {
    expect(await firstGood([bad, good], 60_000)).toBe('good');
    expect(await firstGood([never, bad, good], 1)).toBe('good');
  });

  test('may come from one that was slow', async () => {
    let answer: (value: string) => void = () => undefined;
    const slow = () =>
      new Promise<string>((resolve) => {
        answer = resolve;
      });
    const next = () => {
      answer('slow');
      return never();
    };
    expect(await firstGood([slow, next], 1)).toBe('slow');
  });

  test('is none where all fail, each of which is told, or where there is nobody', async () => {
    await expect(firstGood([bad, bad], 60_000)).rejects.toMatchObject({ errors: [{ message: 'bad' }, { message: 'bad' }] });
    await expect(firstGood([], 60_000)).rejects.toMatchObject({ errors: [] });
  });
});

test('what is not through in time is not waited for, and what fails neither', async () => {
  await expect(within(1, never())).resolves.toBeUndefined();
  await expect(within(60_000, bad())).resolves.toBeUndefined();
});
