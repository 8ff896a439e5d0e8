/**
 * The engine for machines without a compiler: native/wasm/codec.c, built beforehand. Shards are copied into its memory and out again, a block of
 * each at a time, which costs half of its speed; and it runs on the event loop, so it lets others have a turn now and then.
 */
import { readFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CodecError } from '../../domain/codec/errors.ts';
import { checkProduct, checkTargetsApart, type MatrixEngine, type MatrixProduct } from '../../domain/codec/matrix-engine.ts';

export const wasmPath = fileURLToPath(new URL('../../../native/wasm/codec.wasm', import.meta.url));

/** Of each shard at a time: all of them together then stay in a core's own cache for the usual codes. */
const blockBytesMax = 16 * 1024;
/** Source bytes after which others get a turn: some tenths of a millisecond. */
const turnBytesMax = 1024 * 1024;
/** The kernel takes whole vectors alone. */
const vectorBytes = 16;

/** What native/wasm/codec.c exports. */
interface WasmExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  init(): void;
  arena(): number;
  arenaBytes(): number;
  multiply(rows: number, columns: number, stride: number): void;
}

/** `WebAssembly` of the browser's types, of which Node's have none. */
interface WasmApi {
  instantiate(bytes: Uint8Array): Promise<{ readonly instance: { readonly exports: unknown } }>;
}

/** Throws what WebAssembly throws where there are no vectors, or the file is not what it should be. */
export async function loadWasmEngine(path: string = wasmPath): Promise<MatrixEngine> {
  const { WebAssembly } = globalThis as unknown as { WebAssembly: WasmApi };
  const { instance } = await WebAssembly.instantiate(await readFile(path));
  return new WasmEngine(instance.exports as WasmExports);
}

class WasmEngine implements MatrixEngine {
  readonly name = 'wasm simd128';
  readonly #exports: WasmExports;
  readonly #arena: Uint8Array;

  constructor(exports: WasmExports) {
    exports.init();
    this.#exports = exports;
    this.#arena = new Uint8Array(exports.memory.buffer, exports.arena(), exports.arenaBytes());
  }

  async multiply(product: MatrixProduct): Promise<void> {
    checkProduct(product);
    checkTargetsApart(product);
    await this.#eachBlock(product, (row, computed, at) => {
      product.targets[row]?.set(computed, at);
    });
  }

  async differing(product: MatrixProduct): Promise<number[]> {
    const found = new Set<number>();
    await this.#eachBlock(product, (row, computed, at) => {
      const target = product.targets[row]?.subarray(at, at + computed.length);
      if (target === undefined || Buffer.compare(target, computed) !== 0) {
        found.add(row);
      }
    });
    return [...found].sort((a, b) => a - b);
  }

  /** Computes block after block, and gives each row of it to `use`, with its place in the shard. */
  async #eachBlock(product: MatrixProduct, use: (row: number, computed: Uint8Array, at: number) => void): Promise<void> {
    const lengthBytes = checkProduct(product);
    const { matrix, sources, targets } = product;
    const fitting = (this.#arena.length - matrix.cells.length) / (sources.length + targets.length);
    const blockBytes = Math.min(blockBytesMax, Math.floor(fitting / vectorBytes) * vectorBytes);
    let sinceTurn = 0;
    for (let at = 0; at < lengthBytes; at += blockBytes) {
      if (sinceTurn > turnBytesMax) {
        await setImmediate();
        sinceTurn = 0;
        if ([...sources, ...targets].some((shard) => shard.length !== lengthBytes)) {
          throw new CodecError('CHANGED_IN_USE');
        }
      }
      const bytes = Math.min(blockBytes, lengthBytes - at);
      this.#compute(product, at, bytes, use);
      sinceTurn += bytes * sources.length;
    }
  }

  #compute(
    { matrix, sources, targets }: MatrixProduct,
    at: number,
    bytes: number,
    use: (row: number, computed: Uint8Array, at: number) => void,
  ): void {
    const stride = Math.ceil(bytes / vectorBytes) * vectorBytes;
    sources.forEach((source, column) => {
      this.#arena.set(source.subarray(at, at + bytes), column * stride);
    });
    this.#arena.set(matrix.cells, (sources.length + targets.length) * stride);
    this.#exports.multiply(targets.length, sources.length, stride);
    targets.forEach((_, row) => {
      const from = (sources.length + row) * stride;
      use(row, this.#arena.subarray(from, from + bytes), at);
    });
  }
}
