/** An index in memory, for tests: what the store does, without a disk. */
import { type Catalog, emptyCatalog } from './catalog.ts';
import { type BlobRow, type IndexView, type IndexWrites, pageKey } from './index-rows.ts';
import { emptyPage, type LbaPage } from './lba-page.ts';
import type { StripeRow } from './stripe.ts';

export class MemoryIndex implements IndexView {
  catalog: Catalog = emptyCatalog;
  appliedLsn = 0;
  readonly pageRows = new Map<number, { layer: number; page: number; value: LbaPage }>();
  readonly stripeRows = new Map<number, StripeRow>();
  readonly sumsRows = new Map<string, Uint32Array>();
  readonly blobRows = new Map<string, BlobRow>();

  parentOf(layer: number): number | undefined {
    return this.catalog.layers.find((one) => one.id === layer)?.parent;
  }

  page(layer: number, page: number): LbaPage | undefined {
    return this.pageRows.get(pageKey(layer, page))?.value;
  }

  resolvePage(layer: number, page: number): LbaPage {
    for (let at: number | undefined = layer; at !== undefined; at = this.parentOf(at)) {
      const own = this.page(at, page);
      if (own !== undefined) {
        return own;
      }
    }
    return emptyPage;
  }

  pages(
    layer: number,
    fromPage = 0,
    toPage = Number.MAX_SAFE_INTEGER,
    limit = Number.MAX_SAFE_INTEGER,
  ): { page: number; value: LbaPage }[] {
    return [...this.pageRows.values()]
      .filter((row) => row.layer === layer && row.page >= fromPage && row.page < toPage)
      .sort((a, b) => a.page - b.page)
      .slice(0, limit);
  }

  stripe(stripeId: number): StripeRow | undefined {
    return this.stripeRows.get(stripeId);
  }

  sums(stripeId: number, place: number): Uint32Array | undefined {
    return this.sumsRows.get(`${stripeId} ${place}`);
  }

  blob(blobId: string): BlobRow | undefined {
    return this.blobRows.get(blobId);
  }

  apply(writes: IndexWrites): void {
    for (const row of writes.pages ?? []) {
      this.pageRows.set(pageKey(row.layer, row.page), row);
    }
    for (const { layer, page } of writes.removedPages ?? []) {
      this.pageRows.delete(pageKey(layer, page));
    }
    for (const { row, sums } of writes.stripes ?? []) {
      this.stripeRows.set(row.stripeId, row);
      for (const [place, ofShard] of (sums ?? []).entries()) {
        if (ofShard !== undefined) {
          this.sumsRows.set(`${row.stripeId} ${place}`, ofShard);
        }
      }
    }
    for (const stripeId of writes.removedStripes ?? []) {
      this.stripeRows.delete(stripeId);
    }
    for (const row of writes.blobs ?? []) {
      this.blobRows.set(row.blobId, row);
    }
    for (const blobId of writes.removedBlobs ?? []) {
      this.blobRows.delete(blobId);
    }
    this.catalog = writes.catalog ?? this.catalog;
    this.appliedLsn = writes.appliedLsn ?? this.appliedLsn;
  }
}
