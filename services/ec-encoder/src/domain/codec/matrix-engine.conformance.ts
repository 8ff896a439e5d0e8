/** What every matrix engine must do: the same bytes as the reference, and no others touched. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CauchyCodec } from './cauchy-codec.ts';
import { CodecError } from './errors.ts';
import { cauchyMatrix } from './matrix.ts';
import type { MatrixEngine, MatrixProduct } from './matrix-engine.ts';
import { referenceEngine } from './reference-engine.ts';

interface Shape {
  readonly rows: number;
  readonly columns: number;
  readonly lengthBytes: number;
  /** How far into its memory each shard begins. */
  readonly skips: readonly number[];
  readonly seed: number;
}

const length = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.integer({ min: 4_000, max: 4_400 }),
  fc.constantFrom(64, 127, 128, 129, 8_192, 70_001),
);
const shape: fc.Arbitrary<Shape> = fc.record({
  rows: fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 9 }) }, fc.integer({ min: 10, max: 60 })),
  columns: fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 12 }) }, fc.integer({ min: 13, max: 60 })),
  lengthBytes: length,
  skips: fc.array(fc.integer({ min: 0, max: 70 }), { minLength: 1, maxLength: 5 }),
  seed: fc.nat(),
});

/** Bytes enough that every value meets every coefficient, without one draw for each. */
function noise(bytes: Uint8Array, seed: number): Uint8Array {
  let state = (seed | 1) >>> 0;
  for (let at = 0; at < bytes.length; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

const guardBytes = 80;

/** A product whose shards lie within larger memory; `outside` tells whether anything around the targets was written. */
function someProduct({ rows, columns, lengthBytes, skips, seed }: Shape): { product: MatrixProduct; outside: () => boolean } {
  const shards = Array.from({ length: rows + columns }, (_, index) => {
    const memory = noise(new Uint8Array(lengthBytes + 2 * guardBytes), seed + index);
    const from = skips[index % skips.length] ?? 0;
    return { memory, before: memory.slice(), from, shard: memory.subarray(from, from + lengthBytes) };
  });
  const cells = noise(new Uint8Array(rows * columns), seed + 7);
  // Zero and one are the likeliest coefficients of real matrices, and the rarest here.
  cells.forEach((_, at) => {
    if (at % 5 < 2) {
      cells[at] = at % 5;
    }
  });
  const outside = () =>
    shards.some(({ memory, before, from }) =>
      [memory.subarray(0, from), memory.subarray(from + lengthBytes)].some(
        (part, index) => Buffer.compare(part, index === 0 ? before.subarray(0, from) : before.subarray(from + lengthBytes)) !== 0,
      ),
    );
  const [sources, targets] = [shards.slice(0, columns), shards.slice(columns)].map((half) => half.map(({ shard }) => shard));
  return { product: { matrix: { rows, columns, cells }, sources: sources ?? [], targets: targets ?? [] }, outside };
}

export function matrixEngineConformance(engine: () => MatrixEngine): void {
  it('writes the bytes of the reference, and no others', async () => {
    await fc.assert(
      fc.asyncProperty(shape, async (chosen) => {
        const [one, other] = [someProduct(chosen), someProduct(chosen)];
        await engine().multiply(one.product);
        await referenceEngine.multiply(other.product);
        expect(one.product.targets.findIndex((target, row) => Buffer.compare(target, other.product.targets[row] ?? target) !== 0)).toBe(-1);
        expect(
          one.product.sources.findIndex((source, column) => Buffer.compare(source, other.product.sources[column] ?? source) !== 0),
        ).toBe(-1);
        expect(one.outside()).toBe(false);
      }),
      { numRuns: 80 },
    );
  });

  it('finds each target that differs in any byte, and no other', async () => {
    await fc.assert(
      fc.asyncProperty(
        shape,
        fc.array(fc.tuple(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 4 }),
        async (chosen, faults) => {
          const { product, outside } = someProduct(chosen);
          await referenceEngine.multiply(product);
          const wrong = new Map(faults.map(([row, at, change]) => [row % chosen.rows, { at: at % chosen.lengthBytes, change }]));
          for (const [row, { at, change }] of wrong) {
            const target = product.targets[row] ?? new Uint8Array(1);
            target[at] = (target[at] ?? 0) ^ change;
          }
          expect(await engine().differing(product)).toEqual([...wrong.keys()].sort((a, b) => a - b));
          expect(outside()).toBe(false);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each([
    [4, 2, 1_000, '21fd24396a64ee93c7c4c00f86aba28095ab42a02f23cbd4d0440f1db66f73b8'],
    [8, 3, 1_000, '0a27bd5428a76dc7cb76e034d393439d88390ecbf5ae14902fc7a9bd1b9a2440'],
    [10, 4, 4_099, '7ccdbaf782992a38d4f3550bf81db7023d06c335bc7c1fc15e6b465e620a3c3d'],
    [200, 55, 300, 'f335c2da1317c0402502aa066137a1bf69dc05c7cc53453935abd11bc4432321'],
    [5, 3, 1, 'b5139cca36be3896542ffa86deb44d1bdc969d75c790ee847234cf3f1932e85f'],
  ])('encodes %d+%d shards of %d bytes as libisal 2.30 does', async (dataShards, parityShards, lengthBytes, expected) => {
    const data = Array.from({ length: dataShards }, (_, shard) =>
      Uint8Array.from({ length: lengthBytes }, (_, at) => shard * 31 + at * 7 + (at >> 8) * 13 + 5),
    );
    const parity = await new CauchyCodec({ dataShards, parityShards }, engine()).encode(data);
    const hash = createHash('sha256').update(cauchyMatrix({ dataShards, parityShards }).cells);
    for (const shard of parity) {
      hash.update(shard);
    }
    expect(hash.digest('hex')).toBe(expected);
  });

  describe('refuses, before anything is written,', () => {
    const bytes = (count: number) => new Uint8Array(count);
    const matrix = { rows: 1, columns: 2, cells: bytes(2) };
    const shared = bytes(40);
    const detached = bytes(16);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    it.each<[string, MatrixProduct]>([
      ['sources of different lengths', { matrix, sources: [bytes(16), bytes(17)], targets: [bytes(16)] }],
      ['a target of another length', { matrix, sources: [bytes(16), bytes(16)], targets: [bytes(15)] }],
      ['empty shards', { matrix, sources: [bytes(0), bytes(0)], targets: [bytes(0)] }],
      ['a detached source', { matrix, sources: [bytes(16), detached], targets: [bytes(16)] }],
      ['a detached target', { matrix, sources: [bytes(16), bytes(16)], targets: [detached] }],
      ['nothing but detached shards', { matrix, sources: [detached, detached], targets: [detached] }],
      ['no sources', { matrix: { rows: 1, columns: 0, cells: bytes(0) }, sources: [], targets: [bytes(16)] }],
      ['no targets', { matrix: { rows: 0, columns: 2, cells: bytes(0) }, sources: [bytes(16), bytes(16)], targets: [] }],
      ['a hole among the sources', { matrix, sources: [bytes(16), undefined as never], targets: [bytes(16)] }],
      ['a hole among the targets', { matrix, sources: [bytes(16), bytes(16)], targets: [undefined as never] }],
      ['a missing shard', { matrix, sources: [bytes(16)], targets: [bytes(16)] }],
      ['a matrix with too few cells', { matrix: { ...matrix, cells: bytes(1) }, sources: [bytes(16), bytes(16)], targets: [bytes(16)] }],
      ['a matrix with too many rows', { matrix: { ...matrix, rows: 2 }, sources: [bytes(16), bytes(16)], targets: [bytes(16)] }],
      ['a target that is a source', { matrix, sources: [shared, bytes(40)], targets: [shared] }],
      ['a target that overlaps a source', { matrix, sources: [shared.subarray(8, 24), bytes(16)], targets: [shared.subarray(20, 36)] }],
      [
        'targets that overlap',
        {
          matrix: { rows: 2, columns: 1, cells: bytes(2) },
          sources: [bytes(16)],
          targets: [shared.subarray(8, 24), shared.subarray(23, 39)],
        },
      ],
      [
        'more than 255 sources',
        { matrix: { rows: 1, columns: 256, cells: bytes(256) }, sources: Array.from({ length: 256 }, () => bytes(8)), targets: [bytes(8)] },
      ],
    ])('%s', async (_, product) => {
      await expect(engine().multiply(product)).rejects.toBeInstanceOf(CodecError);
    });
  });
}
