/**
 * The durable rows, through bounded caches.
 *
 * While a batch is on its way, the caches and the rows below them stay as they were: a reader that has an old page finds the old stripe. `settle`
 * takes the whole batch over at once.
 */

import { type BlobRow, pageKey } from '../../domain/index-rows.ts';
import { decodeBlob, decodeStripe, decodeSums } from '../../domain/index-rows-codec.ts';
import {
  blobIdOfKey,
  blobKey,
  keyBeyond,
  layerPageKey,
  pageOfKey,
  stripeIdOfKey,
  stripeKey,
  sumsKey,
} from '../../domain/index-rows-keys.ts';
import { decodePage, type LbaPage } from '../../domain/lba-page.ts';
import type { StripeRow } from '../../domain/stripe.ts';
import type { IndexBatch } from './index-batch.ts';
import type { RowsStore } from './index-rows-store.ts';
import { keyAfter } from './rows-before.ts';
import { TwoGenerationCache } from './two-generation-cache.ts';

/** About 64 bytes for each run of a page: two generations of this are about 32 MiB. */
const pageRunsMax = 2 ** 18;
/** Of stripes with up to 255 shards: shards, about 100 bytes each. */
const stripeShardsMax = 2 ** 17;
/** 4 bytes each, for 4 KiB of a shard. */
const sumsMax = 2 ** 22;
const pageMax = 2 ** 28;
const rowsPerLook = 256;

/** Not there, and known not to be. */
const absent: LbaPage = { runs: [] };

export class IndexCache {
  readonly #rows: RowsStore;
  readonly #pages = new TwoGenerationCache<number, LbaPage>({ weightMax: pageRunsMax, weigh: (page) => 2 + page.runs.length });
  readonly #stripes = new TwoGenerationCache<number, StripeRow>({ weightMax: stripeShardsMax, weigh: (row) => 1 + row.shards.length });
  readonly #sums = new TwoGenerationCache<number, (Uint32Array | undefined)[]>({ weightMax: sumsMax, weigh: weighSums });

  constructor(rows: RowsStore) {
    this.#rows = rows;
  }

  page(layer: number, page: number): LbaPage | undefined {
    const key = pageKey(layer, page);
    let value = this.#pages.get(key);
    if (value === undefined) {
      const row = this.#rows.get(layerPageKey(layer, page));
      value = row === undefined ? absent : decodePage(row);
      this.#pages.set(key, value);
    }
    return value === absent ? undefined : value;
  }

  /** Not from the caches, nor into them. */
  pages(layer: number, fromPage = 0, toPage = pageMax, limit = Number.MAX_SAFE_INTEGER): { page: number; value: LbaPage }[] {
    if (fromPage >= toPage) {
      return [];
    }
    const range = { start: layerPageKey(layer, fromPage), end: layerPageKey(layer, Math.min(toPage, pageMax)), limit };
    return this.#rows.range(range).map(({ key, row }) => ({ page: pageOfKey(key), value: decodePage(row) }));
  }

  stripe(stripeId: number): StripeRow | undefined {
    const known = this.#stripes.get(stripeId);
    if (known !== undefined) {
      return known;
    }
    const row = this.#rows.get(stripeKey(stripeId));
    if (row === undefined) {
      return undefined;
    }
    const stripe = decodeStripe(stripeId, row);
    this.#stripes.set(stripeId, stripe);
    return stripe;
  }

  sums(stripeId: number, place: number): Uint32Array | undefined {
    const known = this.#sums.get(stripeId)?.[place];
    if (known !== undefined) {
      return known;
    }
    const row = this.#rows.get(sumsKey(stripeId, place));
    if (row === undefined) {
      return undefined;
    }
    const sums = decodeSums(row);
    const all = [...(this.#sums.get(stripeId) ?? [])];
    all[place] = sums;
    this.#sums.set(stripeId, all);
    return sums;
  }

  blob(blobId: string): BlobRow | undefined {
    const row = this.#rows.get(blobKey(blobId));
    return row === undefined ? undefined : decodeBlob(blobId, row);
  }

  *stripes(from: number): Generator<StripeRow> {
    for (const { key, row } of this.#walk(stripeKey(from), keyBeyond('stripe'))) {
      yield decodeStripe(stripeIdOfKey(key), row);
    }
  }

  *blobs(from: string): Generator<BlobRow> {
    for (const { key, row } of this.#walk(blobKey(from), keyBeyond('blob'))) {
      yield decodeBlob(blobIdOfKey(key), row);
    }
  }

  /** The batch is what the rows show from now on. */
  settle(batch: IndexBatch): void {
    for (const [layer, pages] of batch.pagesByLayer) {
      for (const [page, value] of pages) {
        this.#pages.set(pageKey(layer, page), value ?? absent);
      }
    }
    for (const [stripeId, { row, sums }] of batch.changedStripes) {
      if (row === undefined) {
        this.#stripes.delete(stripeId);
        this.#sums.delete(stripeId);
      } else {
        this.#stripes.set(stripeId, row);
        if (sums.size > 0) {
          const all = [...(this.#sums.get(stripeId) ?? [])];
          for (const [place, ofShard] of sums) {
            all[place] = ofShard;
          }
          this.#sums.set(stripeId, all);
        }
      }
    }
  }

  *#walk(start: Buffer, end: Buffer): Generator<{ key: Buffer; row: Buffer }> {
    for (let from = start; ; ) {
      const rows = this.#rows.range({ start: from, end, limit: rowsPerLook });
      yield* rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < rowsPerLook) {
        return;
      }
      from = keyAfter(last.key);
    }
  }
}

function weighSums(sums: readonly (Uint32Array | undefined)[]): number {
  return sums.reduce((weight, one) => weight + 16 + (one?.length ?? 0), 16);
}
