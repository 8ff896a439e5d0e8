/**
 * The index of a vault: which block and which part of a blob lies in which stripe, and where the stripe's shards are.
 *
 * On disk, in the vault's data folder: `format` (which vault), `index/` (LMDB), `ballast` (room for deletions) and `lock`. `format` gets its name when
 * the index is there with its first row, so an index that is missing or empty was lost, and is never taken for a new one. Changes queue while a
 * batch is committed and flushed; then all that wait are built one after the other, each on what the earlier ones wrote, and go out as one
 * transaction. Whoever made a change hears of it once the transaction is on the disk, and readers see it from then on, all of it at once: nobody
 * acts on rows that a power failure may still take back, such as by deleting shards that only the rows before them point to. A crash before that
 * leaves all of the batch or nothing; part of it is never there.
 *
 * A failed sync leaves unknown what is on the disk: nothing is tried again, nothing is changed any more, readers keep the rows before it, and the
 * segments of both count as used. A full disk is no such failure: the transaction was taken back, so the ballast goes and it is tried once more;
 * from then on only what frees space is taken, until there is room.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Logger } from '@couchestor/shared/logger';
import { type Catalog, emptyCatalog, parseCatalog } from '../../domain/catalog.ts';
import type { BlobRow, IndexView, IndexWrites } from '../../domain/index-rows.ts';
import { decodeNumber, decodeText, encodeBlob, encodeNumber, encodeStripe, encodeSums, encodeText } from '../../domain/index-rows-codec.ts';
import { RowError } from '../../domain/index-rows-errors.ts';
import { appliedLsnKey, blobKey, catalogKey, layerPageKey, nextStripeIdKey, stripeKey, sumsKey } from '../../domain/index-rows-keys.ts';
import { emptyPage, encodePage, type LbaPage } from '../../domain/lba-page.ts';
import type { StripeRow } from '../../domain/stripe.ts';
import { Ballast, isNoSpace } from './ballast.ts';
import { IndexError } from './errors.ts';
import { checkFileSystem } from './file-system.ts';
import { type FolderLock, takeFolderLock } from './folder-lock.ts';
import { beginFormat, checkFormat, copyFormat, finishFormat, lookAtFormat, syncFolder } from './format-file.ts';
import { type CommittedView, IndexBatch, parentsOf } from './index-batch.ts';
import { IndexCache } from './index-cache.ts';
import { RowsStore } from './index-rows-store.ts';
import { type IndexCounts, IndexUsage, type SegmentUse } from './index-usage.ts';

export type { IndexCounts };

/** So that one batch stays a matter of milliseconds. */
const changesPerBatchMax = 1024;
/** Far more than wait at any time; whoever queues so many does not wait for answers. */
const changesQueuedMax = 100_000;
const stripeIdsPerReservation = 1024;
const housekeepingIntervalMs = 60_000;
/** A disk that takes longer has failed. */
const flushDeadlineMs = 120_000;

interface Change {
  readonly freesSpace: boolean;
  readonly run: (batch: IndexBatch) => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface Folder {
  readonly vaultId: string;
  readonly lock: FolderLock;
  readonly ballast: Ballast;
  readonly rows: RowsStore;
}

export class IndexStore implements CommittedView {
  readonly vaultId: string;
  readonly #folder: Folder;
  readonly #dir: string;
  readonly #logger: Pick<Logger, 'warn' | 'info' | 'error'>;
  readonly #cache: IndexCache;
  readonly #usage = new IndexUsage();
  readonly #housekeeping: NodeJS.Timeout;
  readonly #queue: Change[] = [];
  #committing: Promise<void> | undefined;
  #catalog: Catalog;
  #parents: ReadonlyMap<number, number | undefined>;
  #appliedLsn: number;
  #nextStripeId: number;
  #failed: Error | undefined;
  #isClosed = false;

  private constructor(folder: Folder, o: { dir: string; logger: Pick<Logger, 'warn' | 'info' | 'error'> }) {
    this.vaultId = folder.vaultId;
    this.#folder = folder;
    this.#dir = o.dir;
    this.#logger = o.logger;
    this.#cache = new IndexCache(folder.rows);
    const json = folder.rows.get(catalogKey);
    this.#catalog = json === undefined ? emptyCatalog : parseCatalog(decodeText(json));
    this.#parents = parentsOf(this.#catalog);
    this.#appliedLsn = numberAt(folder.rows, appliedLsnKey) ?? 0;
    this.#nextStripeId = numberAt(folder.rows, nextStripeIdKey) ?? 1;
    for (const row of this.#cache.stripes(0)) {
      this.#usage.add(row);
    }
    this.#housekeeping = setInterval(() => void this.#keepHouse(), housekeepingIntervalMs);
    this.#housekeeping.unref();
  }

  /**
   * Makes or checks the data folder, and holds its lock until `close`. Begins at the last transaction that was synced. Throws IndexError.
   */
  static async open(o: {
    dir: string;
    vaultId?: string;
    logger: Pick<Logger, 'warn' | 'info' | 'error'>;
    mapSizeBytes?: number;
  }): Promise<IndexStore> {
    await mkdir(o.dir, { recursive: true });
    await syncFolder(dirname(resolve(o.dir)));
    await checkFileSystem(o.dir);
    const lock = await takeFolderLock(o.dir);
    let rows: RowsStore | undefined;
    try {
      const found = await lookAtFormat(o.dir);
      if (found === 'unfinished') {
        // Nobody was ever told of it.
        await rm(join(o.dir, 'index'), { recursive: true, force: true });
      }
      const hasIndex = (await readdir(o.dir)).includes('index');
      if (found === 'finished' && !hasIndex) {
        throw new IndexError('NO_INDEX', { dir: o.dir });
      }
      const isNew = found !== 'finished' && !hasIndex;
      const vaultId = isNew ? await beginFormat(o) : await checkFormat({ dir: o.dir, vaultId: o.vaultId, isNew: false });
      const ballast = new Ballast(o.dir);
      if (!(await ballast.restore())) {
        o.logger.warn({ dir: o.dir }, 'the disk of the index is nearly full: only what frees space is taken');
      }
      rows = new RowsStore(join(o.dir, 'index'), o);
      if (isNew) {
        await finishNew(o.dir, rows);
      } else if (rows.get(nextStripeIdKey) === undefined) {
        // LMDB makes an empty file where there is none.
        throw new IndexError('NO_INDEX', { dir: o.dir });
      }
      return new IndexStore({ vaultId, lock, ballast, rows }, o);
    } catch (error) {
      await rows?.close();
      await lock.release();
      throw isDamage(error) ? new IndexError('CORRUPT', { dir: o.dir }, { cause: error }) : error;
    }
  }

  get appliedLsn(): number {
    return this.#appliedLsn;
  }

  get catalog(): Catalog {
    return this.#catalog;
  }

  get nextStripeId(): number {
    return this.#nextStripeId;
  }

  /** Why nothing is changed any more. The process must stop being ready. */
  get failed(): Error | undefined {
    return this.#failed;
  }

  parentOf(layer: number): number | undefined {
    return this.#parents.get(layer);
  }

  page(layer: number, page: number): LbaPage | undefined {
    return this.#cache.page(layer, page);
  }

  resolvePage(layer: number, page: number): LbaPage {
    for (let at: number | undefined = layer; at !== undefined; at = this.#parents.get(at)) {
      const own = this.#cache.page(at, page);
      if (own !== undefined) {
        return own;
      }
    }
    return emptyPage;
  }

  pages(layer: number, fromPage?: number, toPage?: number, limit?: number): { page: number; value: LbaPage }[] {
    return this.#cache.pages(layer, fromPage, toPage, limit);
  }

  stripe(stripeId: number): StripeRow | undefined {
    return this.#cache.stripe(stripeId);
  }

  /** Of the row that `stripe` gives in the same turn of the event loop. */
  sums(stripeId: number, place: number): Uint32Array | undefined {
    return this.#cache.sums(stripeId, place);
  }

  blob(blobId: string): BlobRow | undefined {
    return this.#cache.blob(blobId);
  }

  /** In the order of their ids. What changes while it is walked may or may not be seen; nothing is held in between. */
  stripes(from = 0): Iterable<StripeRow> {
    return this.#cache.stripes(from);
  }

  /** In the order of their ids, from this one on. */
  blobs(from = ''): Iterable<BlobRow> {
    return this.#cache.blobs(from);
  }

  counts(): IndexCounts {
    return this.#usage.counts();
  }

  segmentUse(drive: number): ReadonlyMap<number, SegmentUse> {
    return this.#usage.segments(drive);
  }

  /**
   * Queues a change. `build` runs when its turn comes, sees all earlier changes, and must not wait for anything; what it throws rejects this
   * change alone. `freesSpace` is let through where the disk is full. Rejects with IndexError.
   */
  change<T>(build: (see: IndexView) => { writes?: IndexWrites | undefined; result: T }, o: { freesSpace?: boolean } = {}): Promise<T> {
    return this.#enqueue(build, o.freesSpace ?? false);
  }

  /** Gives numbers that no stripe had before, also over crashes: what is reserved and not used is left out. Throws IndexError NO_STRIPE_IDS. */
  async reserveStripeIds(): Promise<() => number> {
    let next = await this.#reserve();
    let end = next + stripeIdsPerReservation;
    let following: number | undefined;
    let isAsking = false;
    const ask = async (): Promise<void> => {
      isAsking = true;
      try {
        following = await this.#reserve();
      } catch (error) {
        this.#logger.warn({ err: error }, 'no stripe ids could be reserved; it is tried again with the next stripe');
      } finally {
        isAsking = false;
      }
    };
    return () => {
      if (next === end && following !== undefined) {
        next = following;
        end = next + stripeIdsPerReservation;
        following = undefined;
      }
      if (following === undefined && !isAsking && end - next <= stripeIdsPerReservation / 2) {
        void ask();
      }
      if (next === end) {
        throw new IndexError('NO_STRIPE_IDS', { reservedUpTo: end - 1 });
      }
      next += 1;
      return next - 1;
    };
  }

  /** A data folder of its own at `to`, with the index as it is now. Changes go on meanwhile. */
  async backup(to: string): Promise<void> {
    await this.#folder.rows.backup(join(to, 'index'));
    await copyFormat(this.#dir, to);
  }

  /** After the changes that were queued before it. */
  async close(): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    clearInterval(this.#housekeeping);
    await this.#committing;
    await this.#folder.rows.close();
    await this.#folder.lock.release();
  }

  #enqueue<T>(build: (batch: IndexBatch) => { writes?: IndexWrites | undefined; result: T }, freesSpace: boolean): Promise<T> {
    if (this.#isClosed || this.#queue.length >= changesQueuedMax) {
      return Promise.reject(this.#isClosed ? new IndexError('CLOSED') : new IndexError('NO_SPACE', { queued: this.#queue.length }));
    }
    return new Promise((resolve, reject) => {
      let result: { readonly value: T } | undefined;
      this.#queue.push({
        freesSpace,
        run: (batch) => {
          const built = build(batch);
          if (built.writes !== undefined) {
            batch.apply(built.writes);
          }
          result = { value: built.result };
        },
        resolve: () => (result === undefined ? reject(new IndexError('CLOSED')) : resolve(result.value)),
        reject,
      });
      this.#committing ??= this.#commitAll();
    });
  }

  #reserve(): Promise<number> {
    return this.#enqueue((batch) => {
      const first = batch.nextStripeId;
      return { writes: { nextStripeId: first + stripeIdsPerReservation }, result: first };
    }, false);
  }

  async #commitAll(): Promise<void> {
    // What is queued in the same turn of the event loop goes into the first batch.
    await undefined;
    while (this.#queue.length > 0) {
      const isFull = !(await this.#folder.ballast.restore().catch(() => false));
      const batch = new IndexBatch(this);
      const built: Change[] = [];
      for (const change of this.#queue.splice(0, changesPerBatchMax)) {
        try {
          this.#admit(change, isFull);
          change.run(batch);
          built.push(change);
        } catch (error) {
          change.reject(error);
        }
      }
      try {
        await this.#commit(batch);
        for (const change of built) {
          change.resolve();
        }
      } catch (error) {
        for (const change of built) {
          change.reject(error);
        }
      }
    }
    this.#committing = undefined;
  }

  #admit(change: Change, isFull: boolean): void {
    if (this.#failed !== undefined) {
      throw new IndexError('COMMIT_FAILED', {}, { cause: this.#failed });
    }
    if (isFull && !change.freesSpace) {
      throw new IndexError('NO_SPACE', { dir: this.#dir });
    }
  }

  async #commit(batch: IndexBatch): Promise<void> {
    if (batch.isEmpty) {
      return;
    }
    const before = this.#stripesBefore(batch);
    let flushed: Promise<void>;
    try {
      ({ flushed } = await this.#write(batch, before));
    } catch (error) {
      if (isNoSpace(error)) {
        // Nothing was written.
        this.#folder.rows.publish();
        throw new IndexError('NO_SPACE', { dir: this.#dir }, { cause: error });
      }
      throw this.#fail(batch, error);
    }
    try {
      await withinDeadline(flushed);
    } catch (error) {
      throw this.#fail(batch, error);
    }
    this.#settle(batch, before);
  }

  /** The stripes that the batch changes, as they are. */
  #stripesBefore(batch: IndexBatch): ReadonlyMap<number, StripeRow> {
    const before = new Map<number, StripeRow>();
    for (const stripeId of batch.changedStripes.keys()) {
      const row = this.#cache.stripe(stripeId);
      if (row !== undefined) {
        before.set(stripeId, row);
      }
    }
    return before;
  }

  async #write(batch: IndexBatch, before: ReadonlyMap<number, StripeRow>): Promise<{ flushed: Promise<void> }> {
    const { rows, ballast } = this.#folder;
    try {
      return await rows.write((put, remove) => writeBatch(batch, { put, remove, before }));
    } catch (error) {
      if (!isNoSpace(error) || !ballast.isThere) {
        throw error;
      }
      this.#logger.warn(
        { dir: this.#dir, err: error },
        'the disk of the index is full: the ballast goes, and only what frees space is taken',
      );
      await ballast.giveUp();
      return rows.write((put, remove) => writeBatch(batch, { put, remove, before }));
    }
  }

  /** All of it within one turn, or a reader would find a page and not its stripe. */
  #settle(batch: IndexBatch, before: ReadonlyMap<number, StripeRow>): void {
    this.#folder.rows.publish();
    this.#cache.settle(batch);
    for (const [stripeId, { row }] of batch.changedStripes) {
      const old = before.get(stripeId);
      if (old !== undefined) {
        this.#usage.remove(old);
      }
      if (row !== undefined) {
        this.#usage.add(row);
      }
    }
    if (batch.changedCatalog !== undefined) {
      this.#catalog = batch.changedCatalog;
      this.#parents = parentsOf(batch.changedCatalog);
    }
    this.#appliedLsn = batch.appliedLsn;
    this.#nextStripeId = batch.nextStripeId;
  }

  /** The batch may be what the next start finds. */
  #fail(batch: IndexBatch, cause: unknown): Error {
    const error = new IndexError('COMMIT_FAILED', { dir: this.#dir }, { cause });
    for (const { row } of batch.changedStripes.values()) {
      if (row !== undefined) {
        this.#usage.keepSegments(row);
      }
    }
    this.#failed ??= error;
    this.#logger.error({ err: error }, 'the index takes no more changes');
    return error;
  }

  async #keepHouse(): Promise<void> {
    try {
      this.#folder.rows.checkReaders();
      await this.#folder.ballast.restore();
    } catch (error) {
      this.#logger.warn({ err: error }, 'the housekeeping of the index failed; it is tried again in a minute');
    }
  }
}

/** Rows that were not there are not removed, and sums only with their stripe. */
function writeBatch(
  batch: IndexBatch,
  to: { put: (key: Buffer, row: Buffer) => void; remove: (key: Buffer) => void; before: ReadonlyMap<number, StripeRow> },
): void {
  for (const [layer, pages] of batch.pagesByLayer) {
    for (const [page, value] of pages) {
      if (value === undefined) {
        to.remove(layerPageKey(layer, page));
      } else {
        to.put(layerPageKey(layer, page), encodePage(value));
      }
    }
  }
  for (const [stripeId, { row, sums }] of batch.changedStripes) {
    if (row === undefined) {
      to.remove(stripeKey(stripeId));
      for (const place of to.before.get(stripeId)?.shards.keys() ?? []) {
        to.remove(sumsKey(stripeId, place));
      }
    } else {
      to.put(stripeKey(stripeId), encodeStripe(row));
      for (const [place, ofShard] of sums) {
        to.put(sumsKey(stripeId, place), encodeSums(ofShard));
      }
    }
  }
  for (const [blobId, row] of batch.changedBlobs) {
    if (row === undefined) {
      to.remove(blobKey(blobId));
    } else {
      to.put(blobKey(blobId), encodeBlob(row));
    }
  }
  if (batch.changedCatalog !== undefined) {
    to.put(catalogKey, encodeText(JSON.stringify(batch.changedCatalog)));
  }
  if (batch.changedAppliedLsn !== undefined) {
    to.put(appliedLsnKey, encodeNumber(batch.changedAppliedLsn));
  }
  if (batch.changedNextStripeId !== undefined) {
    to.put(nextStripeIdKey, encodeNumber(batch.changedNextStripeId));
  }
}

function numberAt(rows: RowsStore, key: Buffer): number | undefined {
  const row = rows.get(key);
  return row === undefined ? undefined : decodeNumber(row);
}

async function withinDeadline(flushed: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the sync of the index took longer than ${flushDeadlineMs} ms`)), flushDeadlineMs);
  });
  try {
    await Promise.race([flushed, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The first row, and all names on the way to it, before the format counts. */
async function finishNew(dir: string, rows: RowsStore): Promise<void> {
  const { flushed } = await rows.write((put) => put(nextStripeIdKey, encodeNumber(1)));
  await flushed;
  rows.publish();
  await syncFolder(join(dir, 'index'));
  await syncFolder(dir);
  await finishFormat(dir);
}

/** Of a row, or of what LMDB keeps around the rows. */
function isDamage(error: unknown): boolean {
  return RowError.is(error, 'CORRUPT') || (error instanceof Error && error.message.startsWith('MDB_'));
}
