import { expect, it } from 'vitest';
import { progressBar } from './progress-bar.ts';
import { textWidth } from './text-width.ts';

it('is as wide as asked at every percentage', () => {
  for (let percent = -10; percent <= 110; percent += 0.5) {
    expect(textWidth(progressBar({ percent, columns: 16 }))).toBe(16);
  }
});

it('is empty at nothing and full only at the end', () => {
  expect(progressBar({ percent: 0, columns: 4 })).toBe('░░░░');
  expect(progressBar({ percent: 50, columns: 4 })).toBe('██░░');
  expect(progressBar({ percent: 100, columns: 4 })).toBe('████');
});
