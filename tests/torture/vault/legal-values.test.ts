import { expect, it } from 'vitest';
import { LegalValues, Times } from './legal-values.ts';

const unit = { firstUnit: 0, units: 1 };

function valuesAfter(steps: readonly (readonly ['begin' | 'end', number])[]): number[] {
  const times = new Times();
  const values = new LegalValues(1, times);
  for (const [what, id] of steps) {
    if (what === 'begin') {
      times.begin(id);
      values.begin(id, { ...unit, value: id });
    } else {
      times.end(id);
      values.end(id, unit);
    }
  }
  return values.valuesAt(0).sort();
}

it('takes the last answered write, or one that was begun since, and none before', () => {
  expect(valuesAfter([])).toEqual([0]);
  expect(valuesAfter([['begin', 1]])).toEqual([0, 1]);
  expect(
    valuesAfter([
      ['begin', 1],
      ['end', 1],
    ]),
  ).toEqual([1]);
  expect(
    valuesAfter([
      ['begin', 1],
      ['end', 1],
      ['begin', 2],
    ]),
  ).toEqual([1, 2]);
  expect(
    valuesAfter([
      ['begin', 1],
      ['end', 1],
      ['begin', 2],
      ['end', 2],
    ]),
  ).toEqual([2]);
});

it('takes any of the writes that went on at one time', () => {
  expect(
    valuesAfter([
      ['begin', 1],
      ['begin', 2],
      ['end', 1],
      ['end', 2],
    ]),
  ).toEqual([1, 2]);
  expect(
    valuesAfter([
      ['begin', 1],
      ['begin', 2],
      ['end', 2],
      ['begin', 3],
      ['end', 3],
    ]),
  ).toEqual([1, 3]);
});

it('keeps to what was read once nothing is under way', () => {
  const times = new Times();
  const values = new LegalValues(1, times);
  times.begin(1);
  values.begin(1, { ...unit, value: 1 });
  values.settle(0, 0);
  expect(values.isLegal(0, 1)).toBe(false);
  expect(values.isLegal(0, 1, { withGhosts: true })).toBe(true);
  expect(values.isLegal(0, 0)).toBe(true);
});
