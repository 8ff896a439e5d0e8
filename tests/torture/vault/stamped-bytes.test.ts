import { expect, it } from 'vitest';
import { stampedBytes, strangeValue, unitBytes, valuesOf } from './stamped-bytes.ts';

it('tells who wrote each unit, and that a bit was turned over, or that it was written for another place', () => {
  const bytes = Buffer.concat([
    stampedBytes({ value: 7, firstUnit: 3, units: 2, salt: 1 }),
    Buffer.alloc(unitBytes),
    stampedBytes({ value: 9, firstUnit: 6, units: 2, salt: 1 }),
  ]);
  expect([...valuesOf(bytes, { firstUnit: 3, salt: 1 })]).toEqual([7, 7, 0, 9, 9]);
  expect([...valuesOf(bytes, { firstUnit: 4, salt: 1 })]).toEqual([strangeValue, strangeValue, 0, strangeValue, strangeValue]);
  expect([...valuesOf(bytes, { firstUnit: 3, salt: 2 })]).toEqual([strangeValue, strangeValue, 0, strangeValue, strangeValue]);
  bytes[2 * unitBytes + 5] = 4;
  bytes[unitBytes - 1] = (bytes[unitBytes - 1] ?? 0) ^ 1;
  expect([...valuesOf(bytes, { firstUnit: 3, salt: 1 })]).toEqual([strangeValue, 7, strangeValue, 9, 9]);
});
