/** What the index keeps beside the catalog, how a change looks at it, and what a change writes. */
import type { Catalog } from './catalog.ts';
import type { LbaPage } from './lba-page.ts';
import type { StripeRow } from './stripe.ts';

/** Where a part of a blob lies: so many bytes of a stripe's payload. */
export interface BlobPart {
  /** From 0. */
  readonly part: number;
  readonly isLast: boolean;
  readonly stripeId: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export interface BlobRow {
  /** 32 hex digits. */
  readonly blobId: string;
  /** Of the parts that are there. */
  readonly sizeBytes: number;
  readonly state: 'pending' | 'adopted';
  readonly createdAt: string;
  /** In the order of their numbers; all are there when `isWhole(parts)`. */
  readonly parts: readonly BlobPart[];
}

/** The index as a change sees it: with all changes that came before, committed or not. */
export interface IndexView {
  readonly catalog: Catalog;
  readonly appliedLsn: number;
  parentOf(layer: number): number | undefined;
  /** Of this layer's own row. */
  page(layer: number, page: number): LbaPage | undefined;
  /** What the layer shows: its own row, or that of the nearest ancestor which has one. */
  resolvePage(layer: number, page: number): LbaPage;
  /** The layer's own rows from `fromPage` on and below `toPage`, in rising order; taken when it is called, at most `limit` of them. */
  pages(layer: number, fromPage?: number, toPage?: number, limit?: number): { readonly page: number; readonly value: LbaPage }[];
  stripe(stripeId: number): StripeRow | undefined;
  sums(stripeId: number, place: number): Uint32Array | undefined;
  blob(blobId: string): BlobRow | undefined;
}

/** A new stripe brings the sums of all its shards, in the order of their places; a changed one those of the shards written anew. */
export interface StripeWrite {
  readonly row: StripeRow;
  readonly sums?: readonly (Uint32Array | undefined)[] | undefined;
}

/** All of it is written, or nothing. Where a row is both written and removed, it is removed. */
export interface IndexWrites {
  readonly pages?: readonly { readonly layer: number; readonly page: number; readonly value: LbaPage }[] | undefined;
  readonly removedPages?: readonly { readonly layer: number; readonly page: number }[] | undefined;
  readonly stripes?: readonly StripeWrite[] | undefined;
  readonly removedStripes?: readonly number[] | undefined;
  readonly blobs?: readonly BlobRow[] | undefined;
  readonly removedBlobs?: readonly string[] | undefined;
  readonly catalog?: Catalog | undefined;
  readonly appliedLsn?: number | undefined;
  /** Raises the number that the next reservation begins at. Never lowers it. */
  readonly nextStripeId?: number | undefined;
}

/** Whether no part is missing. */
export function isWhole(parts: readonly BlobPart[]): boolean {
  return parts.every((part, index) => part.part === index && part.isLast === (index === parts.length - 1));
}

/** Layer and page as one number: a layer has at most 2^28 pages, and there are fewer than 2^25 layers. */
export function pageKey(layer: number, page: number): number {
  return layer * 2 ** 28 + page;
}
