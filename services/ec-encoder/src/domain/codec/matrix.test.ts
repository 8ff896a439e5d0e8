import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CodecError } from './errors.ts';
import { inverse } from './galois.ts';
import { cauchyMatrix, checkCode, invert, type Matrix, multiplyMatrices, selectRows } from './matrix.ts';

const code = fc.record({ dataShards: fc.integer({ min: 1, max: 40 }), parityShards: fc.integer({ min: 0, max: 40 }) }).chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    rows: fc.shuffledSubarray(numbers(shape), { minLength: shape.dataShards, maxLength: shape.dataShards }),
  }),
);

function numbers(o: { dataShards: number; parityShards: number }): number[] {
  return Array.from({ length: o.dataShards + o.parityShards }, (_, index) => index);
}

function identity(size: number): Matrix {
  const cells = new Uint8Array(size * size);
  for (let index = 0; index < size; index += 1) {
    cells[index * size + index] = 1;
  }
  return { rows: size, columns: size, cells };
}

describe('the Cauchy matrix', () => {
  it('is the identity over the inverses of row xor column, the rows counted on', () => {
    fc.assert(
      fc.property(code, ({ shape }) => {
        const { columns, cells } = cauchyMatrix(shape);
        expect(columns).toBe(shape.dataShards);
        cells.forEach((cell, index) => {
          const [row, column] = [Math.floor(index / columns), index % columns];
          expect(cell).toBe(row < columns ? Number(row === column) : inverse(row ^ column));
        });
      }),
      { numRuns: 30 },
    );
  });

  it("has the bytes of ISA-L's gf_gen_cauchy1_matrix for 4+2", () => {
    expect([...cauchyMatrix({ dataShards: 4, parityShards: 2 }).cells.subarray(16)]).toEqual([
      0x47, 0xa7, 0x7a, 0xba, 0xa7, 0x47, 0xba, 0x7a,
    ]);
  });

  it('gives an inverse for any dataShards of its rows, in any order', () => {
    fc.assert(
      fc.property(code, ({ shape, rows }) => {
        const chosen = selectRows(cauchyMatrix(shape), rows);
        expect(multiplyMatrices(invert(chosen), chosen)).toEqual(identity(shape.dataShards));
        expect(multiplyMatrices(chosen, invert(chosen))).toEqual(identity(shape.dataShards));
      }),
      { numRuns: 60 },
    );
  });

  it('exists up to 255 shards', () => {
    expect(cauchyMatrix({ dataShards: 200, parityShards: 55 }).rows).toBe(255);
    expect(cauchyMatrix({ dataShards: 255, parityShards: 0 }).rows).toBe(255);
  });
});

describe('checkCode', () => {
  it.each([
    [0, 2],
    [-1, 2],
    [4, -1],
    [1.5, 2],
    [4, Number.NaN],
    [200, 56],
    [255, 1],
    [1, Number.POSITIVE_INFINITY],
  ])('refuses %d data and %d parity shards', (dataShards, parityShards) => {
    expect(() => checkCode({ dataShards, parityShards })).toThrow(CodecError);
  });
});

describe('invert', () => {
  it('says so where rows repeat', () => {
    expect(() => invert(selectRows(cauchyMatrix({ dataShards: 3, parityShards: 2 }), [0, 3, 3]))).toThrow(/CODEC_SINGULAR/);
  });

  it('leaves its argument as it was', () => {
    const matrix = selectRows(cauchyMatrix({ dataShards: 3, parityShards: 2 }), [4, 1, 3]);
    const before = matrix.cells.slice();
    invert(matrix);
    expect(matrix.cells).toEqual(before);
  });
});
