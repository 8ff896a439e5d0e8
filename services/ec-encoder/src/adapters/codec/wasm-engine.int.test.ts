import { describe, expect, it } from 'vitest';
import { CauchyCodec } from '../../domain/codec/cauchy-codec.ts';
import { erasureCodecConformance } from '../../domain/codec/erasure-codec.conformance.ts';
import { matrixEngineConformance } from '../../domain/codec/matrix-engine.conformance.ts';
import { referenceEngine } from '../../domain/codec/reference-engine.ts';
import { loadWasmEngine } from './wasm-engine.ts';

const engine = await loadWasmEngine();

/** Above what is computed without giving others a turn. */
function largeProduct() {
  const sources = [1, 2, 3].map((step) => Uint8Array.from({ length: 700_003 }, (_, at) => (at >> 5) * step));
  return { matrix: { rows: 1, columns: 3, cells: Uint8Array.of(5, 0, 77) }, sources, targets: [new Uint8Array(700_003)] };
}

describe('the engine in WebAssembly', () => {
  matrixEngineConformance(() => engine);
  erasureCodecConformance((code) => new CauchyCodec(code, engine));

  it('lets jobs that it works on in turn each have their own result', async () => {
    const products = [largeProduct(), largeProduct(), largeProduct()];
    await Promise.all(products.map((product) => engine.multiply(product)));
    for (const product of products) {
      expect(await referenceEngine.differing(product)).toEqual([]);
    }
  });

  it('says so where a shard is taken away between two blocks', async () => {
    const product = largeProduct();
    const done = engine.multiply(product);
    const source = product.sources[1];
    structuredClone(source?.buffer, { transfer: [source?.buffer as ArrayBuffer] });
    await expect(done).rejects.toMatchObject({ code: 'CODEC_CHANGED_IN_USE' });
  });

  it('computes the most and the widest rows that there can be', async () => {
    const [rows, columns] = [255, 255];
    const shards = (count: number, lengthBytes: number) =>
      Array.from({ length: count }, (_, shard) => new Uint8Array(lengthBytes).fill(shard + 1));
    const product = {
      matrix: { rows, columns, cells: Uint8Array.from({ length: rows * columns }, (_, at) => at * 31 + (at >> 8)) },
      sources: shards(columns, 4_001),
      targets: shards(rows, 4_001),
    };
    await engine.multiply(product);
    // Every column of bytes is alike, so one of them tells.
    const narrow = { ...product, sources: shards(columns, 1), targets: shards(rows, 1) };
    await referenceEngine.multiply(narrow);
    expect(product.targets.every((target, row) => target.every((byte) => byte === narrow.targets[row]?.[0]))).toBe(true);
  });
});
