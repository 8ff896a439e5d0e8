import { describe, expect, it } from 'vitest';
import { rangeOf } from './range-header.ts';

describe('the Range header', () => {
  it.each([
    ['bytes=0-9', { offsetBytes: 0, lengthBytes: 10 }],
    ['bytes=10-', { offsetBytes: 10, lengthBytes: 90 }],
    ['bytes=-5', { offsetBytes: 95, lengthBytes: 5 }],
    ['bytes=-500', { offsetBytes: 0, lengthBytes: 100 }],
    ['bytes=90-1000', { offsetBytes: 90, lengthBytes: 10 }],
    ['bytes=99-99', { offsetBytes: 99, lengthBytes: 1 }],
  ])('%s is that range of 100 bytes', (header, range) => {
    expect(rangeOf(header, 100)).toEqual(range);
  });

  it.each(['bytes=100-', 'bytes=100-200', 'bytes=-0'])('%s cannot be had of 100 bytes', (header) => {
    expect(rangeOf(header, 100)).toBe('unsatisfiable');
  });

  it.each([undefined, '', 'bytes=-', 'bytes=9-0', 'bytes=0-1,5-6', 'items=0-1', 'bytes=a-b', 'bytes=1'])(
    '%s asks for everything',
    (header) => {
      expect(rangeOf(header, 100)).toBeUndefined();
    },
  );
});
