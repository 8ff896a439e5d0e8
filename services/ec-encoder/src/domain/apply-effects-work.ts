/** A change of the map in the making: reads through to the index, keeps what it changes, and counts what points at each stripe. */
import { blockBytes } from './geometry.ts';
import { type BlobPart, type BlobRow, type IndexView, type IndexWrites, pageKey } from './index-rows.ts';
import { emptyPage, type LbaPage, mapRun, type PageRun, pageBlocks, pointerAt, unmap } from './lba-page.ts';
import type { BlobEffect, BlocksEffect, StripeRow, ZeroesEffect } from './stripe.ts';

/** Rows looked at in one go where a range has many. */
const pagesPerLook = 1024;

interface ChangedPage {
  readonly layer: number;
  readonly page: number;
  readonly value: LbaPage | undefined;
}

export class MapWork {
  readonly #see: IndexView;
  readonly #pages = new Map<number, ChangedPage>();
  readonly #added = new Map<number, { readonly row: StripeRow; readonly sums: readonly Uint32Array[] }>();
  readonly #deltaBytes = new Map<number, number>();
  readonly #blobs = new Map<string, BlobRow | undefined>();
  #children: Map<number, number[]> | undefined;

  constructor(see: IndexView) {
    this.#see = see;
  }

  addStripe(row: StripeRow, sums: readonly Uint32Array[]): void {
    if (this.#added.has(row.stripeId) || this.#see.stripe(row.stripeId) !== undefined) {
      throw new RangeError(`stripe ${row.stripeId} is in the index already`);
    }
    this.#added.set(row.stripeId, { row, sums });
  }

  map(stripeId: number, effect: BlocksEffect): void {
    forEachPage(effect, (page, first, blocks, before) => {
      const offsetBlocks = effect.offsetBytes / blockBytes + before;
      const { page: value, released } = mapRun(this.#writable(effect.layer, page), { stripeId, offsetBlocks, first, blocks });
      this.#count(released, -1);
      this.#count([{ stripeId, offsetBlocks, first, blocks }], 1);
      this.#set(effect.layer, page, value);
    });
  }

  /** Touches only pages that are there, in the layer or in its ancestors. */
  zero(effect: ZeroesEffect): void {
    const firstPage = Math.floor(effect.firstBlock / pageBlocks);
    const endPage = Math.ceil((effect.firstBlock + effect.blocks) / pageBlocks);
    for (const page of this.#pagesShown(effect.layer, firstPage, endPage)) {
      const first = Math.max(0, effect.firstBlock - page * pageBlocks);
      const end = Math.min(pageBlocks, effect.firstBlock + effect.blocks - page * pageBlocks);
      if (unmap(this.#resolve(effect.layer, page), first, end - first).released.length > 0) {
        const { page: value, released } = unmap(this.#writable(effect.layer, page), first, end - first);
        this.#count(released, -1);
        this.#set(effect.layer, page, value);
      }
    }
  }

  dropPage(layer: number, page: number): void {
    this.#count(this.#own(layer, page)?.runs ?? [], -1);
    this.#set(layer, page, undefined);
  }

  /** To the child that is the only one to see it. */
  movePage(o: { from: number; to: number; page: number }): void {
    const own = this.#own(o.to, o.page);
    const moved = this.#own(o.from, o.page) ?? emptyPage;
    if (own !== undefined) {
      this.#count(moved.runs, -1);
    }
    this.#set(o.from, o.page, undefined);
    this.#set(o.to, o.page, own ?? moved);
  }

  /** A part with this number that was there before goes. */
  putBlobPart(stripeId: number, effect: BlobEffect, createdAt: string): void {
    const { blobId, part, isLast, offsetBytes, lengthBytes } = effect;
    const row = this.#blob(blobId) ?? { blobId, sizeBytes: 0, state: 'pending', createdAt, parts: [] };
    this.#countParts(
      row.parts.filter((one) => one.part === part),
      -1,
    );
    const added: BlobPart = { part, isLast, stripeId, offsetBytes, lengthBytes };
    this.#countParts([added], 1);
    const parts = [...row.parts.filter((one) => one.part !== part), added].sort((a, b) => a.part - b.part);
    this.#blobs.set(blobId, { ...row, parts, sizeBytes: parts.reduce((sum, one) => sum + one.lengthBytes, 0) });
  }

  /** Once all parts that there are were put: without those of another putting that lie behind its end; gone where one is missing. */
  settleBlob(blobId: string): void {
    const row = this.#blob(blobId);
    const end = row?.parts.findIndex(({ isLast }) => isLast) ?? -1;
    if (row === undefined || row.parts[end]?.part !== end) {
      this.removeBlob(blobId);
      return;
    }
    this.#countParts(row.parts.slice(end + 1), -1);
    const parts = row.parts.slice(0, end + 1);
    this.#blobs.set(blobId, { ...row, parts, sizeBytes: parts.reduce((sum, one) => sum + one.lengthBytes, 0) });
  }

  removeBlob(blobId: string): void {
    const row = this.#blob(blobId);
    if (row !== undefined) {
      this.#countParts(row.parts, -1);
      this.#blobs.set(blobId, undefined);
    }
  }

  /** The blocks of the effect that still point at the stripe, in its layer and in those that copied pages from it. */
  referencesOf(stripeId: number, effect: BlocksEffect): BlocksEffect[] {
    const found: BlocksEffect[] = [];
    for (const layer of this.#withDescendants(effect.layer)) {
      forEachPage(effect, (page, first, blocks, before) => {
        const own = this.#own(layer, page);
        for (let index = 0; own !== undefined && index < blocks; index += 1) {
          const pointer = pointerAt(own, first + index);
          const offsetBytes = effect.offsetBytes + (before + index) * blockBytes;
          const block = effect.firstBlock + before + index;
          if (pointer?.stripeId === stripeId && pointer.offsetBlocks * blockBytes === offsetBytes) {
            const last = found.at(-1);
            if (last?.layer === layer && last.firstBlock + last.blocks === block) {
              found[found.length - 1] = { ...last, blocks: last.blocks + 1 };
            } else {
              found.push({ ...effect, layer, firstBlock: block, blocks: 1, offsetBytes });
            }
          }
        }
      });
    }
    return found;
  }

  writes(): IndexWrites {
    this.#dropInherited();
    const changed = [...this.#pages.values()].filter(({ layer, page, value }) => this.#see.page(layer, page) !== value);
    const stripes: { row: StripeRow; sums?: readonly Uint32Array[] }[] = [];
    const removedStripes: number[] = [];
    for (const [stripeId, { row, sums }] of this.#added) {
      const liveBytes = this.#deltaBytes.get(stripeId) ?? 0;
      // Where all of it was overwritten before it got here, nobody will ever ask for it.
      if (liveBytes > 0 || row.shape.payloadBytes === 0) {
        stripes.push({ row: { ...row, liveBytes }, sums });
      }
    }
    for (const [stripeId, deltaBytes] of this.#deltaBytes) {
      const row = this.#added.has(stripeId) ? undefined : this.#see.stripe(stripeId);
      if (row !== undefined && deltaBytes !== 0) {
        const liveBytes = row.liveBytes + deltaBytes;
        if (liveBytes > 0) {
          stripes.push({ row: { ...row, liveBytes } });
        } else {
          removedStripes.push(stripeId);
        }
      }
    }
    return {
      pages: changed.flatMap(({ layer, page, value }) => (value === undefined ? [] : [{ layer, page, value }])),
      removedPages: changed.filter(({ value }) => value === undefined).map(({ layer, page }) => ({ layer, page })),
      stripes,
      removedStripes,
      blobs: [...this.#blobs.values()].filter((row) => row !== undefined),
      removedBlobs: [...this.#blobs].filter(([, row]) => row === undefined).map(([blobId]) => blobId),
    };
  }

  #own(layer: number, page: number): LbaPage | undefined {
    const changed = this.#pages.get(pageKey(layer, page));
    return changed === undefined ? this.#see.page(layer, page) : changed.value;
  }

  #resolve(layer: number | undefined, page: number): LbaPage {
    for (let at = layer; at !== undefined; at = this.#see.parentOf(at)) {
      const own = this.#own(at, page);
      if (own !== undefined) {
        return own;
      }
    }
    return emptyPage;
  }

  #writable(layer: number, page: number): LbaPage {
    const own = this.#own(layer, page);
    if (own !== undefined) {
      return own;
    }
    const copied = this.#resolve(this.#see.parentOf(layer), page);
    this.#count(copied.runs, 1);
    this.#set(layer, page, copied);
    return copied;
  }

  #set(layer: number, page: number, value: LbaPage | undefined): void {
    this.#pages.set(pageKey(layer, page), { layer, page, value });
  }

  /** A page needs a row only where it differs from what the layer would inherit. So there is one set of rows for a map, however it came to be. */
  #dropInherited(): void {
    for (const { layer, page, value } of this.#pages.values()) {
      if (value !== undefined && isSame(value, this.#resolve(this.#see.parentOf(layer), page))) {
        this.#count(value.runs, -1);
        this.#set(layer, page, undefined);
      }
    }
  }

  #pagesShown(layer: number, fromPage: number, toPage: number): number[] {
    const pages = new Set<number>();
    const chain = new Set<number>();
    for (let at: number | undefined = layer; at !== undefined; at = this.#see.parentOf(at)) {
      chain.add(at);
      for (let from = fromPage; from < toPage; ) {
        const rows = this.#see.pages(at, from, toPage, pagesPerLook);
        for (const { page } of rows) {
          pages.add(page);
        }
        from = rows.length < pagesPerLook ? toPage : (rows.at(-1)?.page ?? toPage) + 1;
      }
    }
    for (const changed of this.#pages.values()) {
      if (chain.has(changed.layer) && changed.page >= fromPage && changed.page < toPage) {
        pages.add(changed.page);
      }
    }
    return [...pages].sort((a, b) => a - b);
  }

  #withDescendants(layer: number): number[] {
    const { layers } = this.#see.catalog;
    let root = layers.find((one) => one.id === layer);
    while (root?.state === 'merged') {
      const { mergedInto } = root;
      root = layers.find((one) => one.id === mergedInto);
    }
    if (root === undefined) {
      return [];
    }
    const children = this.#childrenByParent();
    const found = [root.id];
    // It grows while it is walked.
    for (const at of found) {
      found.push(...(children.get(at) ?? []));
    }
    return found;
  }

  #childrenByParent(): Map<number, number[]> {
    if (this.#children === undefined) {
      this.#children = new Map();
      for (const { id, parent } of this.#see.catalog.layers) {
        if (parent !== undefined) {
          this.#children.set(parent, [...(this.#children.get(parent) ?? []), id]);
        }
      }
    }
    return this.#children;
  }

  #blob(blobId: string): BlobRow | undefined {
    return this.#blobs.has(blobId) ? this.#blobs.get(blobId) : this.#see.blob(blobId);
  }

  #count(runs: readonly PageRun[], sign: 1 | -1): void {
    for (const { stripeId, blocks } of runs) {
      this.#deltaBytes.set(stripeId, (this.#deltaBytes.get(stripeId) ?? 0) + sign * blocks * blockBytes);
    }
  }

  #countParts(parts: readonly BlobPart[], sign: 1 | -1): void {
    for (const { stripeId, lengthBytes } of parts) {
      this.#deltaBytes.set(stripeId, (this.#deltaBytes.get(stripeId) ?? 0) + sign * lengthBytes);
    }
  }
}

function forEachPage(
  range: { firstBlock: number; blocks: number },
  visit: (page: number, first: number, blocks: number, before: number) => void,
): void {
  for (let before = 0; before < range.blocks; ) {
    const block = range.firstBlock + before;
    const first = block % pageBlocks;
    const blocks = Math.min(pageBlocks - first, range.blocks - before);
    visit((block - first) / pageBlocks, first, blocks, before);
    before += blocks;
  }
}

function isSame(one: LbaPage, other: LbaPage): boolean {
  return (
    one.runs.length === other.runs.length &&
    one.runs.every((run, at) => {
      const twin = other.runs[at];
      return (
        twin?.stripeId === run.stripeId && twin.offsetBlocks === run.offsetBlocks && twin.first === run.first && twin.blocks === run.blocks
      );
    })
  );
}
