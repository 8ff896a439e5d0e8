/**
 * The field of 256 elements that bytes form: addition is exclusive or, multiplication is that of polynomials modulo
 * x^8 + x^4 + x^3 + x^2 + 1 (0x11d). Intel ISA-L, klauspost/reedsolomon, MinIO and Ceph compute in the same one.
 */
import { CodecError } from './errors.ts';

const polynomial = 0x11d;
/** The powers of 2 run through all elements but zero, and begin again after so many. */
const order = 255;

/** exponential[i] = 2^i, twice over, so that the sum of two logarithms needs no reduction. */
const exponential = new Uint8Array(2 * order);
const logarithm = new Uint8Array(256);
for (let power = 0, value = 1; power < order; power += 1) {
  exponential[power] = value;
  exponential[power + order] = value;
  logarithm[value] = power;
  value = (value << 1) ^ (value & 0x80 ? polynomial : 0);
}

/** Both must be bytes, as everywhere in this file. */
export function multiply(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : at(exponential, at(logarithm, a) + at(logarithm, b));
}

/** Throws CodecError SINGULAR for zero, which has no inverse. */
export function inverse(a: number): number {
  if (a === 0) {
    throw new CodecError('SINGULAR', { element: 0 });
  }
  return at(exponential, order - at(logarithm, a));
}

/** products[b] = factor * b for every byte b. Shared: not to be written to. */
export function productsOf(factor: number): Uint8Array {
  let row = rows[factor];
  if (row === undefined) {
    row = Uint8Array.from({ length: 256 }, (_, byte) => multiply(factor, byte));
    rows[factor] = row;
  }
  return row;
}

/** Filled on first use: 64 KiB of constants, of which a code uses a few hundred bytes. */
const rows: Uint8Array[] = [];

function at(table: Uint8Array, index: number): number {
  return table[index] ?? 0;
}
