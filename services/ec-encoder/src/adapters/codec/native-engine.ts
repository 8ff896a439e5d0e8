/**
 * The engine on the add-on. What takes microseconds is done at once; the rest goes to libuv's thread pool, in batches of what has come while
 * the ones before were running: no timer, and no job waits for company.
 */
import { availableParallelism } from 'node:os';
import { markAsUntransferable } from 'node:worker_threads';
import { CodecError } from '../../domain/codec/errors.ts';
import { checkProduct, checkTargetsApart, type MatrixEngine, type MatrixProduct } from '../../domain/codec/matrix-engine.ts';
import type { NativeAddon } from './native-addon.ts';

/** Up to so many source bytes the event loop is held for less time than a trip to another thread takes. */
const syncSourceBytesMax = 256 * 1024;
/** Beyond this a batch gains nothing from company, and would keep work from another thread. */
const batchSourceBytesMax = 4 * 1024 * 1024;
/** Batches at once: more than cores do not speed up what is bound by memory, and the pool has other callers. */
const batchesMax = Math.min(2, availableParallelism());
/** Above this, sources and targets together, what is written would push everything else out of the caches before it is read. */
const cachedBytesMax = 4 * 1024 * 1024;

interface Waiting {
  readonly product: MatrixProduct;
  readonly compare: boolean;
  readonly sourceBytes: number;
  readonly resolve: (differing: number[]) => void;
  readonly reject: (error: unknown) => void;
}

export class NativeEngine implements MatrixEngine {
  readonly name: string;
  readonly #addon: NativeAddon;
  readonly #level: number;
  readonly #waiting: Waiting[] = [];
  #batches = 0;

  /** `level` is a name of the add-on's list; default: the best of this processor. */
  constructor(addon: NativeAddon, level?: string) {
    this.#addon = addon;
    this.#level = level === undefined ? addon.levels.findLastIndex((name) => name !== null) : addon.levels.indexOf(level);
    this.name = `native ${addon.levels[this.#level] ?? level}`;
  }

  async multiply(product: MatrixProduct): Promise<void> {
    await this.#do(product, false);
  }

  multiplyNow(product: MatrixProduct): boolean {
    if (sourceBytesOf(product) > syncSourceBytesMax) {
      return false;
    }
    this.#do(product, false);
    return true;
  }

  async differing(product: MatrixProduct): Promise<number[]> {
    return await this.#do(product, true);
  }

  #do(product: MatrixProduct, compare: boolean): number[] | Promise<number[]> {
    // The add-on is given the cells alone, so it cannot judge that these are what the matrix says.
    if (product.matrix.rows !== product.targets.length || product.matrix.columns !== product.sources.length) {
      checkProduct(product);
    }
    const sourceBytes = sourceBytesOf(product);
    if (sourceBytes <= syncSourceBytesMax) {
      try {
        return this.#addon.run(this.#level, ...jobOf(product, compare));
      } catch (cause) {
        throw refusal(product, compare, cause);
      }
    }
    checkBeforeWait(product, compare);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ product, compare, sourceBytes, resolve, reject });
      this.#dispatch();
    });
  }

  #dispatch(): void {
    while (this.#waiting.length > 0 && this.#batches < batchesMax) {
      const batch = this.#nextBatch();
      this.#batches += 1;
      void this.#submit(batch).finally(() => {
        this.#batches -= 1;
        this.#dispatch();
      });
    }
  }

  #nextBatch(): Waiting[] {
    let count = 0;
    for (let bytes = 0; count < this.#waiting.length; count += 1) {
      bytes += this.#waiting[count]?.sourceBytes ?? 0;
      if (count > 0 && bytes > batchSourceBytesMax) {
        break;
      }
    }
    return this.#waiting.splice(0, count);
  }

  async #submit(batch: readonly Waiting[]): Promise<void> {
    try {
      const jobs = batch.map(({ product, compare }) => jobOf(product, compare));
      const outcomes = await this.#addon.submit(this.#level, jobs);
      batch.forEach(({ resolve, reject }, place) => {
        const differing = outcomes[place];
        if (differing === null || differing === undefined) {
          reject(new CodecError('CHANGED_IN_USE'));
        } else {
          resolve(differing);
        }
      });
    } catch (cause) {
      if (batch.length > 1) {
        // One of them became unfit while it waited; the others are not to suffer for it.
        await Promise.all(batch.map((one) => this.#submit([one])));
        return;
      }
      for (const { product, compare, reject } of batch) {
        reject(refusal(product, compare, cause));
      }
    }
  }
}

function sourceBytesOf({ sources }: MatrixProduct): number {
  return sources.length * (sources[0]?.length ?? 0);
}

function jobOf({ matrix, sources, targets }: MatrixProduct, compare: boolean) {
  const bytes = (sources.length + targets.length) * (sources[0]?.length ?? 0);
  return [matrix.cells, sources, targets, compare, bytes > cachedBytesMax] as const;
}

/** The add-on has said no: what is wrong, in our words where they have one for it. */
function refusal(product: MatrixProduct, compare: boolean, cause: unknown): unknown {
  try {
    checkProduct(product);
    if (!compare) {
      checkTargetsApart(product);
    }
  } catch (error) {
    return error;
  }
  return new CodecError('BAD_SHARDS', { reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
}

/** Other JavaScript runs while a batch does, so memory that can be taken away must be refused, or made such that it cannot. */
function checkBeforeWait(product: MatrixProduct, compare: boolean): void {
  checkProduct(product);
  if (!compare) {
    checkTargetsApart(product);
  }
  for (const { buffer } of [...product.sources, ...product.targets]) {
    if ((buffer as { resizable?: boolean }).resizable === true) {
      throw new CodecError('BAD_SHARDS', { reason: 'the memory of a shard can be resized' });
    }
    if (buffer instanceof ArrayBuffer) {
      markAsUntransferable(buffer);
    }
  }
}
