/** Matrices over GF(2^8), and those of the Cauchy code: what is multiplied with data shards to encode, and with survivors to decode. */
import { CodecError } from './errors.ts';
import { inverse, multiply, productsOf } from './galois.ts';

/** Row-major; `cells.length` is rows x columns. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly cells: Uint8Array;
}

/** More shards than the field has usable elements cannot be told apart. */
export const shardsMax = 255;

export interface CodeShape {
  readonly dataShards: number;
  readonly parityShards: number;
}

/** Throws CodecError BAD_CODE where there is no such code. */
export function checkCode({ dataShards, parityShards }: CodeShape): void {
  const isCount = (value: number, least: number) => Number.isInteger(value) && value >= least;
  if (!isCount(dataShards, 1) || !isCount(parityShards, 0) || dataShards + parityShards > shardsMax) {
    throw new CodecError('BAD_CODE', { dataShards, parityShards });
  }
}

/**
 * The identity above a Cauchy matrix: the row k + i has 1 / ((k + i) xor j) in column j. This is `gf_gen_cauchy1_matrix` of ISA-L, so that its
 * stripes and ours are the same bytes. Any k of the rows have an inverse, whence any parityShards losses are made good.
 */
export function cauchyMatrix(code: CodeShape): Matrix {
  checkCode(code);
  const { dataShards, parityShards } = code;
  const cells = new Uint8Array((dataShards + parityShards) * dataShards);
  for (let row = 0; row < dataShards; row += 1) {
    cells[row * dataShards + row] = 1;
  }
  for (let row = dataShards; row < dataShards + parityShards; row += 1) {
    for (let column = 0; column < dataShards; column += 1) {
      cells[row * dataShards + column] = inverse(row ^ column);
    }
  }
  return { rows: dataShards + parityShards, columns: dataShards, cells };
}

/** The named rows, in the order named. */
export function selectRows(matrix: Matrix, wanted: readonly number[]): Matrix {
  const cells = new Uint8Array(wanted.length * matrix.columns);
  wanted.forEach((row, place) => {
    cells.set(rowOf(matrix, row), place * matrix.columns);
  });
  return { rows: wanted.length, columns: matrix.columns, cells };
}

export function multiplyMatrices(left: Matrix, right: Matrix): Matrix {
  const cells = new Uint8Array(left.rows * right.columns);
  for (let row = 0; row < left.rows; row += 1) {
    const target = cells.subarray(row * right.columns, (row + 1) * right.columns);
    for (let inner = 0; inner < left.columns; inner += 1) {
      addMultiple(target, left.cells[row * left.columns + inner] ?? 0, rowOf(right, inner));
    }
  }
  return { rows: left.rows, columns: right.columns, cells };
}

/** By Gauss and Jordan. Throws CodecError SINGULAR where there is no inverse. */
export function invert(matrix: Matrix): Matrix {
  const size = matrix.rows;
  const left = { ...matrix, cells: matrix.cells.slice() };
  const right = { ...matrix, cells: new Uint8Array(size * size) };
  for (let diagonal = 0; diagonal < size; diagonal += 1) {
    right.cells[diagonal * size + diagonal] = 1;
  }
  for (let pivot = 0; pivot < size; pivot += 1) {
    const found = pivotRow(left, pivot);
    swapRows(left, found, pivot);
    swapRows(right, found, pivot);
    const factor = inverse(left.cells[pivot * size + pivot] ?? 0);
    scale(rowOf(left, pivot), factor);
    scale(rowOf(right, pivot), factor);
    for (let row = 0; row < size; row += 1) {
      const multiple = row === pivot ? 0 : (left.cells[row * size + pivot] ?? 0);
      addMultiple(rowOf(left, row), multiple, rowOf(left, pivot));
      addMultiple(rowOf(right, row), multiple, rowOf(right, pivot));
    }
  }
  return right;
}

/** The first row from the diagonal down that has something in the column. */
function pivotRow(matrix: Matrix, column: number): number {
  for (let row = column; row < matrix.rows; row += 1) {
    if (matrix.cells[row * matrix.columns + column] !== 0) {
      return row;
    }
  }
  throw new CodecError('SINGULAR', { column });
}

function rowOf(matrix: Matrix, row: number): Uint8Array {
  return matrix.cells.subarray(row * matrix.columns, (row + 1) * matrix.columns);
}

function swapRows(matrix: Matrix, a: number, b: number): void {
  if (a !== b) {
    const kept = rowOf(matrix, a).slice();
    rowOf(matrix, a).set(rowOf(matrix, b));
    rowOf(matrix, b).set(kept);
  }
}

function scale(row: Uint8Array, factor: number): void {
  for (let index = 0; index < row.length; index += 1) {
    row[index] = multiply(row[index] ?? 0, factor);
  }
}

/** target += factor * source */
function addMultiple(target: Uint8Array, factor: number, source: Uint8Array): void {
  if (factor === 0) {
    return;
  }
  const products = productsOf(factor);
  for (let index = 0; index < target.length; index += 1) {
    target[index] = (target[index] ?? 0) ^ (products[source[index] ?? 0] ?? 0);
  }
}
