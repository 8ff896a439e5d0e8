/** An index in memory for tests of the vault: changes in turn, each seeing those before it. Nothing is durable. */
import type { IndexStore } from '../adapters/index/index-store.ts';
import { type Catalog, emptyCatalog } from '../domain/catalog.ts';
import { type BlobRow, type IndexView, type IndexWrites, pageKey } from '../domain/index-rows.ts';
import { emptyPage, type LbaPage } from '../domain/lba-page.ts';
import type { StripeRow } from '../domain/stripe.ts';

export class MemoryIndex implements IndexView {
  readonly vaultId = 'v-1';
  failed: Error | undefined;
  catalog: Catalog = emptyCatalog;
  appliedLsn = 0;
  changes = 0;
  /** Awaited before a change is built; one that throws is a crash: nothing of the change is written. */
  beforeChange: () => Promise<void> = async () => undefined;
  readonly #pages = new Map<number, LbaPage>();
  readonly #stripes = new Map<number, StripeRow>();
  readonly #sums = new Map<string, Uint32Array>();
  readonly #blobs = new Map<string, BlobRow>();
  #turn: Promise<unknown> = Promise.resolve();
  #nextStripeId = 1;

  parentOf(layer: number): number | undefined {
    return this.catalog.layers.find(({ id }) => id === layer)?.parent;
  }

  page(layer: number, page: number): LbaPage | undefined {
    return this.#pages.get(pageKey(layer, page));
  }

  resolvePage(layer: number, page: number): LbaPage {
    for (let at: number | undefined = layer; at !== undefined; at = this.parentOf(at)) {
      const found = this.page(at, page);
      if (found !== undefined) {
        return found;
      }
    }
    return emptyPage;
  }

  pages(layer: number, fromPage = 0, toPage = 2 ** 28, limit = Number.MAX_SAFE_INTEGER): { page: number; value: LbaPage }[] {
    return [...this.#pages]
      .filter(([key]) => key >= pageKey(layer, fromPage) && key < Math.min(pageKey(layer, toPage), pageKey(layer + 1, 0)))
      .sort(([a], [b]) => a - b)
      .slice(0, limit)
      .map(([key, value]) => ({ page: key - pageKey(layer, 0), value }));
  }

  stripe(stripeId: number): StripeRow | undefined {
    return this.#stripes.get(stripeId);
  }

  *stripes(from = 0): Iterable<StripeRow> {
    for (const stripeId of [...this.#stripes.keys()].sort((a, b) => a - b)) {
      const row = this.#stripes.get(stripeId);
      if (stripeId >= from && row !== undefined) {
        yield row;
      }
    }
  }

  sums(stripeId: number, place: number): Uint32Array | undefined {
    return this.#sums.get(`${stripeId}/${place}`);
  }

  blob(blobId: string): BlobRow | undefined {
    return this.#blobs.get(blobId);
  }

  *blobs(from = ''): Iterable<BlobRow> {
    for (const blobId of [...this.#blobs.keys()].sort()) {
      const row = this.#blobs.get(blobId);
      if (blobId >= from && row !== undefined) {
        yield row;
      }
    }
  }

  async reserveStripeIds(): Promise<() => number> {
    return () => this.nextStripeId();
  }

  nextStripeId(): number {
    this.#nextStripeId += 1;
    return this.#nextStripeId - 1;
  }

  change<T>(build: (see: IndexView) => { writes: IndexWrites; result: T }): Promise<T> {
    const turn = this.#turn.then(async () => {
      await this.beforeChange();
      const { writes, result } = build(this);
      this.#apply(writes);
      this.changes += 1;
      return result;
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** At once, ahead of all changes that wait. */
  replaceStripe(row: StripeRow): void {
    this.#stripes.set(row.stripeId, row);
  }

  counts(): ReturnType<IndexStore['counts']> {
    const rows = [...this.#stripes.values()];
    return {
      stripes: rows.length,
      degradedStripes: rows.filter(({ shards }) => shards.includes(undefined)).length,
      deadStripes: 0,
      mappedBytes: rows.reduce((sum, { liveBytes }) => sum + liveBytes, 0),
    };
  }

  #apply(writes: IndexWrites): void {
    for (const { layer, page, value } of writes.pages ?? []) {
      this.#pages.set(pageKey(layer, page), value);
    }
    for (const { layer, page } of writes.removedPages ?? []) {
      this.#pages.delete(pageKey(layer, page));
    }
    for (const { row, sums } of writes.stripes ?? []) {
      this.#stripes.set(row.stripeId, row);
      sums?.forEach((one, place) => {
        if (one !== undefined) {
          this.#sums.set(`${row.stripeId}/${place}`, one);
        }
      });
    }
    for (const stripeId of writes.removedStripes ?? []) {
      this.#stripes.get(stripeId)?.shards.forEach((_, place) => {
        this.#sums.delete(`${stripeId}/${place}`);
      });
      this.#stripes.delete(stripeId);
    }
    for (const row of writes.blobs ?? []) {
      this.#blobs.set(row.blobId, row);
    }
    for (const blobId of writes.removedBlobs ?? []) {
      this.#blobs.delete(blobId);
    }
    this.catalog = writes.catalog ?? this.catalog;
    this.appliedLsn = writes.appliedLsn ?? this.appliedLsn;
  }
}
