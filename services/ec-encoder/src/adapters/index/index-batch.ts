/** The changes of one batch on top of what is durable: what each build sees, and what is written in the end. */
import type { Catalog } from '../../domain/catalog.ts';
import { blockBytes, storedBytesOf } from '../../domain/geometry.ts';
import type { BlobRow, IndexView, IndexWrites, StripeWrite } from '../../domain/index-rows.ts';
import { emptyPage, type LbaPage } from '../../domain/lba-page.ts';
import type { StripeRow } from '../../domain/stripe.ts';
import { IndexError } from './errors.ts';

const rowsPerLook = 1024;
/** Layer and page must fit into one exact number. */
const layerMax = 2 ** 25;
const pageMax = 2 ** 28;

export interface CommittedView extends IndexView {
  readonly nextStripeId: number;
}

export interface ChangedStripe {
  readonly row: StripeRow | undefined;
  readonly sums: ReadonlyMap<number, Uint32Array>;
}

export class IndexBatch implements IndexView {
  readonly #base: CommittedView;
  readonly pagesByLayer = new Map<number, Map<number, LbaPage | undefined>>();
  readonly changedStripes = new Map<number, ChangedStripe>();
  readonly changedBlobs = new Map<string, BlobRow | undefined>();
  changedCatalog: Catalog | undefined;
  changedAppliedLsn: number | undefined;
  changedNextStripeId: number | undefined;
  #parents: ReadonlyMap<number, number | undefined> | undefined;

  constructor(base: CommittedView) {
    this.#base = base;
  }

  get isEmpty(): boolean {
    return (
      this.pagesByLayer.size === 0 &&
      this.changedStripes.size === 0 &&
      this.changedBlobs.size === 0 &&
      this.changedCatalog === undefined &&
      this.changedAppliedLsn === undefined &&
      this.changedNextStripeId === undefined
    );
  }

  get catalog(): Catalog {
    return this.changedCatalog ?? this.#base.catalog;
  }

  get appliedLsn(): number {
    return this.changedAppliedLsn ?? this.#base.appliedLsn;
  }

  get nextStripeId(): number {
    return this.changedNextStripeId ?? this.#base.nextStripeId;
  }

  parentOf(layer: number): number | undefined {
    return this.#parents === undefined ? this.#base.parentOf(layer) : this.#parents.get(layer);
  }

  page(layer: number, page: number): LbaPage | undefined {
    const changed = this.pagesByLayer.get(layer);
    return changed?.has(page) ? changed.get(page) : this.#base.page(layer, page);
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

  pages(layer: number, fromPage = 0, toPage = pageMax, limit = Number.MAX_SAFE_INTEGER): { page: number; value: LbaPage }[] {
    const changed = [...(this.pagesByLayer.get(layer) ?? [])].filter(([page]) => page >= fromPage && page < toPage);
    if (changed.length === 0) {
      return this.#base.pages(layer, fromPage, toPage, limit);
    }
    const found: { page: number; value: LbaPage }[] = [];
    const rowsMax = Math.min(limit, rowsPerLook);
    for (let from = fromPage; ; ) {
      const rows = this.#base.pages(layer, from, toPage, rowsMax);
      const isLast = rows.length < rowsMax;
      const to = isLast ? toPage : (rows.at(-1)?.page ?? toPage) + 1;
      const merged = new Map<number, LbaPage | undefined>(rows.map(({ page, value }) => [page, value]));
      for (const [page, value] of changed) {
        if (page >= from && page < to) {
          merged.set(page, value);
        }
      }
      for (const [page, value] of [...merged].sort(([a], [b]) => a - b)) {
        if (value !== undefined) {
          found.push({ page, value });
        }
      }
      if (isLast || found.length >= limit) {
        return found.slice(0, limit);
      }
      from = to;
    }
  }

  stripe(stripeId: number): StripeRow | undefined {
    const changed = this.changedStripes.get(stripeId);
    return changed === undefined ? this.#base.stripe(stripeId) : changed.row;
  }

  sums(stripeId: number, place: number): Uint32Array | undefined {
    const changed = this.changedStripes.get(stripeId);
    if (changed !== undefined && changed.row === undefined) {
      return undefined;
    }
    return changed?.sums.get(place) ?? this.#base.sums(stripeId, place);
  }

  blob(blobId: string): BlobRow | undefined {
    return this.changedBlobs.has(blobId) ? this.changedBlobs.get(blobId) : this.#base.blob(blobId);
  }

  /** All of it or, where it throws IndexError BAD_CHANGE, nothing. */
  apply(writes: IndexWrites): void {
    this.#check(writes);
    for (const { layer, page, value } of writes.pages ?? []) {
      this.#setPage(layer, page, value);
    }
    for (const { layer, page } of writes.removedPages ?? []) {
      this.#setPage(layer, page, undefined);
    }
    for (const write of writes.stripes ?? []) {
      this.#setStripe(write);
    }
    for (const stripeId of writes.removedStripes ?? []) {
      this.changedStripes.set(stripeId, { row: undefined, sums: new Map() });
    }
    for (const row of writes.blobs ?? []) {
      this.changedBlobs.set(row.blobId, row);
    }
    for (const blobId of writes.removedBlobs ?? []) {
      this.changedBlobs.set(blobId, undefined);
    }
    if (writes.catalog !== undefined) {
      this.changedCatalog = writes.catalog;
      this.#parents = parentsOf(writes.catalog);
    }
    this.changedAppliedLsn = writes.appliedLsn ?? this.changedAppliedLsn;
    if (writes.nextStripeId !== undefined && writes.nextStripeId > this.nextStripeId) {
      this.changedNextStripeId = writes.nextStripeId;
    }
  }

  #setPage(layer: number, page: number, value: LbaPage | undefined): void {
    let pages = this.pagesByLayer.get(layer);
    if (pages === undefined) {
      pages = new Map();
      this.pagesByLayer.set(layer, pages);
    }
    pages.set(page, value);
  }

  #setStripe({ row, sums }: StripeWrite): void {
    const changed = this.changedStripes.get(row.stripeId);
    const all = new Map(changed?.row === undefined ? [] : changed.sums);
    for (const [place, ofShard] of (sums ?? []).entries()) {
      if (ofShard !== undefined) {
        all.set(place, ofShard);
      }
    }
    this.changedStripes.set(row.stripeId, { row, sums: all });
  }

  #check(writes: IndexWrites): void {
    for (const { layer, page } of writes.pages ?? []) {
      if (!(layer > 0 && layer < layerMax && page >= 0 && page < pageMax)) {
        throw new IndexError('BAD_CHANGE', { layer, page });
      }
    }
    for (const write of writes.stripes ?? []) {
      this.#checkStripe(write);
    }
    if (writes.appliedLsn !== undefined && writes.appliedLsn < this.appliedLsn) {
      throw new IndexError('BAD_CHANGE', { appliedLsn: this.appliedLsn, wanted: writes.appliedLsn });
    }
    if (writes.catalog !== undefined && writes.catalog !== this.catalog && writes.catalog.version <= this.catalog.version) {
      throw new IndexError('BAD_CHANGE', { catalogVersion: this.catalog.version, wanted: writes.catalog.version });
    }
  }

  /** A shard without its sums could not be read. */
  #checkStripe({ row, sums }: StripeWrite): void {
    const { stripeId } = row;
    const before = this.stripe(stripeId);
    for (const [place, shard] of row.shards.entries()) {
      const ofShard = sums?.[place];
      const isNew = shard !== undefined && (before === undefined || before.shards[place]?.generation !== shard.generation);
      if (isNew && ofShard === undefined && (before?.shards[place] !== undefined || this.sums(stripeId, place) === undefined)) {
        throw new IndexError('BAD_CHANGE', { stripeId, place, reason: 'a shard without sums' });
      }
      if (ofShard !== undefined && ofShard.length !== Math.ceil(storedBytesOf(row.shape, place) / blockBytes)) {
        throw new IndexError('BAD_CHANGE', { stripeId, place, sums: ofShard.length });
      }
    }
    if (!(row.liveBytes >= 0)) {
      throw new IndexError('BAD_CHANGE', { stripeId, liveBytes: row.liveBytes });
    }
  }
}

export function parentsOf(catalog: Catalog): ReadonlyMap<number, number | undefined> {
  return new Map(catalog.layers.map((layer) => [layer.id, layer.parent]));
}
