import { describe, expect, it } from 'vitest';
import { durationText } from './duration-text.ts';

describe('the duration of a move as text', () => {
  it.each([
    [0, '0ms'],
    [-5, '0ms'],
    [999, '999ms'],
    [1_000, '1.0s'],
    [59_999, '59.9s'],
    [60_000, '1.0m'],
    [90_000, '1.5m'],
    [3_599_999, '59.9m'],
    [3_600_000, '1.0h'],
    [5_400_000, '1.5h'],
  ])('says %i ms as %s', (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });
});
