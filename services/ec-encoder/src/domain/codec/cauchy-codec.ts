/** The Reed-Solomon code with ISA-L's Cauchy matrix, on whatever engine there is. */
import type { ErasureCodec, Reconstruction } from './erasure-codec.ts';
import { type CodeShape, cauchyMatrix, invert, type Matrix, multiplyMatrices, selectRows } from './matrix.ts';
import type { MatrixEngine, MatrixProduct } from './matrix-engine.ts';
import { checkRange, checkShards, checkWanted, newShards, places, survivorsOf } from './shard-checks.ts';

/** Patterns of loss whose matrices are kept: a lost drive or two make a handful. An entry is at most 64 KiB, mostly below 100 bytes. */
const plansMax = 64;

export class CauchyCodec implements ErasureCodec {
  readonly isByteLocal = true;
  readonly dataShards: number;
  readonly parityShards: number;
  readonly #engine: MatrixEngine;
  readonly #code: Matrix;
  readonly #parity: Matrix;
  readonly #plans = new Map<string, Matrix>();

  /** Throws CodecError BAD_CODE. */
  constructor(code: CodeShape, engine: MatrixEngine) {
    this.#code = cauchyMatrix(code);
    this.dataShards = code.dataShards;
    this.parityShards = code.parityShards;
    this.#engine = engine;
    this.#parity = selectRows(this.#code, places(code.dataShards, code.parityShards));
  }

  async encode(data: readonly Uint8Array[], into?: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
    const lengthBytes = checkShards(data, this.dataShards, { holes: false });
    const parity = into ?? newShards(this.parityShards, lengthBytes);
    if (this.parityShards > 0) {
      await this.#engine.multiply({ matrix: this.#parity, sources: data, targets: parity });
    }
    return parity;
  }

  async reconstruct(reconstruction: Reconstruction): Promise<readonly Uint8Array[]> {
    const product = this.#productOf(reconstruction);
    if (product.targets.length > 0) {
      await this.#engine.multiply(product);
    }
    return product.targets;
  }

  reconstructNow(reconstruction: Reconstruction & { readonly into: readonly Uint8Array[] }): boolean {
    const product = this.#productOf(reconstruction);
    return product.targets.length === 0 || (this.#engine.multiplyNow?.(product) ?? false);
  }

  #productOf({ shards, wanted, range, into }: Reconstruction): MatrixProduct {
    const lengthBytes = checkShards(shards, this.dataShards + this.parityShards, { holes: true });
    checkWanted(wanted, shards.length);
    const survivors = survivorsOf(shards, this.dataShards);
    const part = checkRange(range ?? { offsetBytes: 0, lengthBytes }, lengthBytes);
    const sources = survivors.flatMap((place) => shards[place]?.subarray(part.offsetBytes, part.offsetBytes + part.lengthBytes) ?? []);
    const targets = into ?? newShards(wanted.length, part.lengthBytes);
    return { matrix: this.#plan(survivors, wanted), sources, targets };
  }

  async verify(shards: readonly Uint8Array[]): Promise<number[]> {
    checkShards(shards, this.dataShards + this.parityShards, { holes: false });
    if (this.parityShards === 0) {
      return [];
    }
    const [sources, targets] = [shards.slice(0, this.dataShards), shards.slice(this.dataShards)];
    const differing = await this.#engine.differing({ matrix: this.#parity, sources, targets });
    return differing.map((row) => this.dataShards + row);
  }

  /** What the survivors are multiplied with to give the wanted ones. */
  #plan(survivors: readonly number[], wanted: readonly number[]): Matrix {
    const key = `${survivors.join()}>${wanted.join()}`;
    const known = this.#plans.get(key);
    // Put behind the others, so that the one that goes first is the one not used for longest.
    this.#plans.delete(key);
    const plan = known ?? multiplyMatrices(selectRows(this.#code, wanted), invert(selectRows(this.#code, survivors)));
    this.#plans.set(key, plan);
    for (const oldest of this.#plans.keys()) {
      if (this.#plans.size <= plansMax) {
        break;
      }
      this.#plans.delete(oldest);
    }
    return plan;
  }
}
