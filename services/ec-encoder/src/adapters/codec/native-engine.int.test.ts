import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { describe, expect, it } from 'vitest';
import { CauchyCodec } from '../../domain/codec/cauchy-codec.ts';
import { checksumConformance } from '../../domain/codec/crc32c.conformance.ts';
import { erasureCodecConformance } from '../../domain/codec/erasure-codec.conformance.ts';
import { matrixEngineConformance } from '../../domain/codec/matrix-engine.conformance.ts';
import type { MatrixProduct } from '../../domain/codec/matrix-engine.ts';
import { referenceEngine } from '../../domain/codec/reference-engine.ts';
import { builtAddon } from './native.fixture.ts';
import { nativeChecksums } from './native-checksums.ts';
import { NativeEngine } from './native-engine.ts';
import { codecFiles } from './native-files.ts';

const addon = await builtAddon();
const levels = addon.levels.filter((name) => name !== null);

/** Above what is done at once: it goes to the thread pool. */
const largeBytes = 70_003;

function largeProduct(seed: number): MatrixProduct {
  const cells = Uint8Array.from({ length: 3 * 5 }, (_, at) => at * 37 + seed);
  const sources = Array.from({ length: 5 }, (_, column) =>
    Uint8Array.from({ length: largeBytes }, (_, at) => (at >> 3) * (column + seed + 1)),
  );
  return { matrix: { rows: 3, columns: 5, cells }, sources, targets: Array.from({ length: 3 }, () => new Uint8Array(largeBytes)) };
}

async function isRight(product: MatrixProduct): Promise<boolean> {
  return (await referenceEngine.differing(product)).length === 0;
}

describe.each(levels)('the add-on with %s', (level) => {
  matrixEngineConformance(() => new NativeEngine(addon, level));
  erasureCodecConformance((code) => new CauchyCodec(code, new NativeEngine(addon, level)));

  it('computes what is small before it returns, and leaves alone what is not', async () => {
    const engine = new NativeEngine(addon, level);
    const large = largeProduct(2);
    const small = {
      ...large,
      sources: large.sources.map((source) => source.subarray(0, 999)),
      targets: large.targets.map((target) => target.slice(0, 999)),
    };
    expect(engine.multiplyNow(small)).toBe(true);
    expect(await isRight(small)).toBe(true);
    expect(engine.multiplyNow(large)).toBe(false);
    expect(large.targets.every((target) => target.every((byte) => byte === 0))).toBe(true);
  });

  it('computes on the thread pool what it computes at once', async () => {
    const engine = new NativeEngine(addon, level);
    const product = largeProduct(3);
    await engine.multiply(product);
    expect(await isRight(product)).toBe(true);
    expect(await engine.differing(product)).toEqual([]);
    for (const target of product.targets.slice(1)) {
      target[largeBytes - 1] = (target[largeBytes - 1] ?? 0) ^ 1;
    }
    expect(await engine.differing(product)).toEqual([1, 2]);
  });

  it('writes the same bytes around the caches', () => {
    for (const skip of [0, 16, 5]) {
      const { matrix, sources, targets } = largeProduct(9);
      const others = targets.map(() => new Uint8Array(largeBytes + 16).subarray(skip % 16, largeBytes - skip + (skip % 16)));
      const shorter = sources.map((source) => source.subarray(skip));
      const number = addon.levels.indexOf(level);
      addon.run(number, matrix.cells, shorter, others, false, true);
      expect(addon.run(number, matrix.cells, shorter, others, true, false)).toEqual([]);
    }
  });
});

describe('the checksums of the add-on', () => {
  checksumConformance(() => nativeChecksums(addon));

  describe.each(addon.crc32cEngines.map((name, number) => ({ name, number })))('by $name', ({ number }) => {
    checksumConformance(() => ({ ...nativeChecksums(addon), crc32c: (data, seed = 0) => addon.crc32cBy(number, data, seed) }));
  });
});

describe('jobs on the thread pool', () => {
  it('keep their results apart, however many wait at once', async () => {
    const engine = new NativeEngine(addon);
    const products = Array.from({ length: 24 }, (_, seed) => largeProduct(seed));
    await Promise.all(products.map((product) => engine.multiply(product)));
    expect(await Promise.all(products.map(isRight))).not.toContain(false);
  });

  it('keep their memory, though nobody else holds it', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const engine = new NativeEngine(addon);
    const verdicts = Array.from({ length: 12 }, async (_, seed) => {
      const { matrix, sources, targets } = largeProduct(seed);
      await engine.multiply({ matrix, sources, targets });
      return isRight({ ...largeProduct(seed), targets });
    });
    collect();
    expect(await Promise.all(verdicts)).not.toContain(false);
  });

  it('fail alone where one of them loses its memory while it waits', async () => {
    const engine = new NativeEngine(addon);
    const products = Array.from({ length: 12 }, (_, seed) => largeProduct(seed));
    const spoiled = products[7];
    const settled = Promise.allSettled(
      products.map((product) => {
        const done = engine.multiply(product);
        if (product === spoiled) {
          // What a caller's bug would do: its array of shards changes after the call.
          (spoiled.sources as Uint8Array[])[2] = new Uint8Array(3);
        }
        return done;
      }),
    );
    const outcomes = (await settled).map(({ status }) => status);
    expect(outcomes).toEqual(products.map((product) => (product === spoiled ? 'rejected' : 'fulfilled')));
    expect(await Promise.all(products.filter((product) => product !== spoiled).map(isRight))).not.toContain(false);
  });

  it('cannot have their memory transferred away', async () => {
    const product = largeProduct(1);
    const [source] = product.sources;
    const done = new NativeEngine(addon).multiply(product);
    try {
      structuredClone(source?.buffer, { transfer: [source?.buffer as ArrayBuffer] });
    } catch {
      // Newer Node.js says that it will not; older ones copy and say nothing.
    }
    expect(source?.length).toBe(largeBytes);
    await done;
    expect(await isRight(product)).toBe(true);
  });

  it('refuse memory that can be resized', async () => {
    const Resizable = ArrayBuffer as unknown as new (bytes: number, o: { maxByteLength: number }) => ArrayBuffer;
    const product = largeProduct(1);
    const sources = [new Uint8Array(new Resizable(largeBytes, { maxByteLength: 2 * largeBytes })), ...product.sources.slice(1)];
    await expect(new NativeEngine(addon).multiply({ ...product, sources })).rejects.toMatchObject({ code: 'CODEC_BAD_SHARDS' });
  });

  it('take shared memory', async () => {
    const product = largeProduct(4);
    const sources = product.sources.map((source) => {
      const shared = new Uint8Array(new SharedArrayBuffer(largeBytes));
      shared.set(source);
      return shared;
    });
    await new NativeEngine(addon).multiply({ ...product, sources });
    expect(await isRight(product)).toBe(true);
  });

  it('may be under way when the worker that asked for them is ended', async () => {
    const source = `
      const { workerData, parentPort } = require('node:worker_threads');
      const addon = require(workerData);
      const shards = (count) => Array.from({ length: count }, () => new Uint8Array(1 << 20));
      for (let job = 0; job < 20; job += 1) addon.submit(0, [[new Uint8Array(8).fill(3), shards(4), shards(2), false, false]]);
      parentPort.postMessage('under way');
      setInterval(() => undefined, 1000);
    `;
    for (let round = 0; round < 3; round += 1) {
      const worker = new Worker(source, { eval: true, workerData: (await codecFiles({ env: process.env })).path });
      let isUnderWay = false;
      worker.once('message', () => {
        isUnderWay = true;
      });
      await waitUntil(() => isUnderWay);
      expect(await worker.terminate()).toBe(1);
    }
  });
});
