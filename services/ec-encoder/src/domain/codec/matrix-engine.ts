/** What turns a matrix and shards into shards. Encoding, decoding and verifying are this and nothing else, so an engine is small. */
import { CodecError } from './errors.ts';
import { type Matrix, shardsMax } from './matrix.ts';

/** targets[row] = sum over the columns of matrix[row][column] * sources[column], byte by byte. */
export interface MatrixProduct {
  readonly matrix: Matrix;
  readonly sources: readonly Uint8Array[];
  readonly targets: readonly Uint8Array[];
}

/**
 * All engines give the same bytes. Until a promise is settled its shards must not be written to, transferred or resized. Both throw (reject
 * with) CodecError BAD_SHARDS or OVERLAP before anything is written, and CHANGED_IN_USE.
 */
export interface MatrixEngine {
  /** For metrics and start-up lines: `native gfni512`, `reference`. */
  readonly name: string;
  multiply(product: MatrixProduct): Promise<void>;
  /** Before it returns; false, with nothing done, where that takes longer than a trip to another thread. Absent where nothing is done so. */
  multiplyNow?(product: MatrixProduct): boolean;
  /** The places of the targets that are not what multiplying would have written, in rising order. Targets are only read. */
  differing(product: MatrixProduct): Promise<number[]>;
}

/** Throws CodecError BAD_SHARDS where the shards do not fit the matrix or each other. Returns their length in bytes. */
export function checkProduct({ matrix, sources, targets }: MatrixProduct): number {
  const fits = matrix.rows === targets.length && matrix.columns === sources.length && matrix.cells.length === matrix.rows * matrix.columns;
  if (!fits || targets.length < 1 || sources.length < 1 || targets.length > shardsMax || sources.length > shardsMax) {
    throw new CodecError('BAD_SHARDS', { rows: matrix.rows, columns: matrix.columns, sources: sources.length, targets: targets.length });
  }
  const lengthBytes = sources[0]?.length ?? 0;
  for (const [kind, shards] of [
    ['source', sources],
    ['target', targets],
  ] as const) {
    for (let place = 0; place < shards.length; place += 1) {
      const shard: unknown = shards[place];
      if (!(shard instanceof Uint8Array) || shard.length !== lengthBytes || lengthBytes === 0) {
        const found = shard instanceof Uint8Array ? shard.length : -1;
        throw new CodecError('BAD_SHARDS', { [kind]: place, lengthBytes: found, expectedBytes: lengthBytes });
      }
    }
  }
  return lengthBytes;
}

/** Throws CodecError OVERLAP where writing a target would change a source or another target. */
export function checkTargetsApart({ sources, targets }: Pick<MatrixProduct, 'sources' | 'targets'>): void {
  targets.forEach((target, place) => {
    const source = sources.findIndex((other) => overlap(target, other));
    if (source >= 0) {
      throw new CodecError('OVERLAP', { target: place, source });
    }
    for (let other = 0; other < place; other += 1) {
      const earlier = targets[other];
      if (earlier !== undefined && overlap(target, earlier)) {
        throw new CodecError('OVERLAP', { target: place, otherTarget: other });
      }
    }
  });
}

function overlap(a: Uint8Array, b: Uint8Array): boolean {
  return a.buffer === b.buffer && a.byteOffset < b.byteOffset + b.length && b.byteOffset < a.byteOffset + a.length;
}
