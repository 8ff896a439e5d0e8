import { expect, test } from 'vitest';
import { allocateShared, SharedPool } from './shared-buffers.ts';

test('memory is shared, zeroed and its own', () => {
  const buffer = allocateShared(10);
  expect(buffer.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(buffer.buffer.byteLength).toBe(10);
  expect([...buffer].every((byte) => byte === 0)).toBe(true);
});

test('a pool gives again what was given back, of the same length, up to its bound', () => {
  const pool = new SharedPool(25);
  const [first, second, third] = [pool.take(10), pool.take(10), pool.take(10)];
  for (const buffer of [first, second, third]) {
    pool.give(buffer);
  }
  expect(pool.take(5)).toHaveLength(5);
  const again = [pool.take(10), pool.take(10), pool.take(10)];
  expect(again.slice(0, 2).every((buffer) => [first, second].includes(buffer))).toBe(true);
  expect(again.every((buffer) => buffer !== third)).toBe(true);
  expect(new Set(again).size).toBe(3);
});
