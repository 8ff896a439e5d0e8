import { describe, expect, it } from 'vitest';
import { parseSize } from './parse-size.ts';

describe('a size', () => {
  it.each([
    ['10GiB', 10 * 2 ** 30],
    ['10 gib', 10 * 2 ** 30],
    ['512M', 512 * 2 ** 20],
    ['1.5T', 1.5 * 2 ** 40],
    ['4096', 4_096],
    ['8192B', 8_192],
    ['4k', 4_096],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each([
    ['10GB', /may mean two sizes: write 10GiB/],
    ['ten', /is not a size/],
    ['-1G', /is not a size/],
    ['', /is not a size/],
    ['4097', /multiple of 4 KiB/],
    ['0', /multiple of 4 KiB/],
    ['9999999999999999P', /multiple of 4 KiB/],
  ])('%s is refused', (text, why) => {
    expect(() => parseSize(text)).toThrow(why);
  });
});
