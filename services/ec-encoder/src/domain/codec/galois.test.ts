import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CodecError } from './errors.ts';
import { inverse, multiply, productsOf } from './galois.ts';

/** By the definition: the polynomials are multiplied bit by bit, and what is above x^7 is reduced. */
function multiplyByDefinition(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit += 1) {
    product ^= (b >> bit) & 1 ? a << bit : 0;
  }
  for (let bit = 14; bit >= 8; bit -= 1) {
    product ^= (product >> bit) & 1 ? 0x11d << (bit - 8) : 0;
  }
  return product;
}

const byte = fc.integer({ min: 0, max: 255 });

describe('multiplication over GF(2^8)', () => {
  it('is that of polynomials modulo 0x11d, for all pairs of bytes', () => {
    for (let a = 0; a < 256; a += 1) {
      const row = productsOf(a);
      for (let b = 0; b < 256; b += 1) {
        const expected = multiplyByDefinition(a, b);
        if (multiply(a, b) !== expected || row[b] !== expected) {
          expect({ a, b, product: multiply(a, b), inRow: row[b] }).toEqual({ a, b, product: expected, inRow: expected });
        }
      }
    }
  });

  it('distributes over addition', () => {
    fc.assert(fc.property(byte, byte, byte, (a, b, c) => multiply(a, b ^ c) === (multiply(a, b) ^ multiply(a, c))));
  });

  it('gives 1 for every element with its inverse, and begins with the inverses that ISA-L lists', () => {
    for (let a = 1; a < 256; a += 1) {
      expect(multiply(a, inverse(a))).toBe(1);
    }
    expect([1, 2, 3, 4, 5, 6, 7, 8].map(inverse)).toEqual([0x01, 0x8e, 0xf4, 0x47, 0xa7, 0x7a, 0xba, 0xad]);
  });

  it('has no inverse of zero', () => {
    expect(() => inverse(0)).toThrow(CodecError);
  });
});
