/**
 * The LMDB environment of the index: sealed rows under binary keys, in one database, so that whatever a batch writes is one transaction. LMDB runs
 * it on a thread of its own; a failed row or page write takes back all of it.
 *
 * LMDB shows a transaction once it is committed, and forgets it in a power failure until it is flushed. What a write changes is therefore read as it
 * was before, until `publish` is called.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { seal, unseal } from '../../domain/index-rows-codec.ts';
import { IndexError } from './errors.ts';
import { fillIndexFile } from './index-file.ts';
import { type RowRange, RowsBefore, type SealedRow } from './rows-before.ts';

/** Of address space. The file is as large as what is in it. */
const mapSizeBytesDefault = 64 * 2 ** 30;
/** Nothing is written while it is open, so nothing is lost where LMDB does not come to an end after a failed write. */
const closeDeadlineMs = 5_000;

export class RowsStore {
  readonly #db: RootDatabase<Buffer, Buffer>;
  /** Of the last write, where it was not published. */
  #before: RowsBefore | undefined;
  #isClosed = false;

  constructor(dir: string, o: { mapSizeBytes?: number | undefined }) {
    const options = {
      path: dir,
      encoding: 'binary' as const,
      keyEncoding: 'binary' as const,
      separateFlushed: true,
      // With it, LMDB makes promises of its own whose rejections nobody could handle.
      eventTurnBatching: false,
      noSubdir: false,
      mapSize: o.mapSizeBytes ?? mapSizeBytesDefault,
      maxDbs: 1,
      // Begins at the last transaction that was synced. Without it LMDB trusts what was written and not synced, as long as the system was not
      // started anew; a disk or a volume of the network may have lost that all the same.
      safeRestore: true,
    };
    try {
      fillIndexFile(join(dir, 'data.mdb'), options.mapSize);
      this.#db = open<Buffer, Buffer>(options);
    } catch (cause) {
      throw new IndexError('CORRUPT', { dir }, { cause });
    }
    this.#db.readerCheck();
  }

  /** The bytes are good until the next call. Throws RowError. */
  get(key: Buffer): Buffer | undefined {
    this.#checkOpen();
    const sealed = this.#sealed(key);
    return sealed === undefined ? undefined : unseal(key, sealed);
  }

  /** Rows from `start` on and below `end`, in order. */
  range(o: RowRange): { key: Buffer; row: Buffer }[] {
    this.#checkOpen();
    const rows = this.#before === undefined ? this.#sealedRange(o) : this.#before.range(o, (part) => this.#sealedRange(part));
    return rows.map(({ key, sealed }) => ({ key, row: unseal(key, sealed) }));
  }

  /**
   * Resolves once LMDB has all of it; `flushed`, once it is durable. A rejection means that nothing of it was written, unless a sync failed. Only one
   * at a time: the next comes after `publish`, or again where nothing was written.
   */
  async write(
    write: (put: (key: Buffer, row: Buffer) => void, remove: (key: Buffer) => void) => void,
  ): Promise<{ flushed: Promise<void> }> {
    const before = new RowsBefore();
    const changes: { readonly key: Buffer; readonly sealed: Buffer | undefined }[] = [];
    const change = (key: Buffer, sealed: Buffer | undefined): void => {
      const old = this.#sealed(key);
      // Its length is that of the row, its memory is longer.
      before.add(key, old === undefined ? undefined : Buffer.from(old.subarray(0, old.length)));
      changes.push({ key, sealed });
    };
    write(
      (key, row) => change(key, seal(key, row)),
      (key) => change(key, undefined),
    );
    this.#before = before;
    const commit = this.#db.batch(() => {
      for (const { key, sealed } of changes) {
        void (sealed === undefined ? this.#db.remove(key) : this.#db.put(key, sealed));
      }
    }) as Promise<boolean> & { readonly flushed: Promise<unknown> };
    const { flushed } = commit;
    try {
      await commit;
    } catch (error) {
      throw await reasonOf(error);
    }
    this.#db.resetReadTxn();
    return { flushed: flushed.then(() => undefined) };
  }

  /** What LMDB has is what is read from now on. */
  publish(): void {
    this.#before = undefined;
  }

  /** Forgets readers that died without a word, which would keep old pages from being used again. */
  checkReaders(): void {
    this.#db.readerCheck();
  }

  async backup(dir: string): Promise<void> {
    await mkdir(dir, { recursive: true });
    await this.#db.backup(dir, true);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, closeDeadlineMs);
    });
    await Promise.race([this.#db.close(), deadline]);
    clearTimeout(timer);
  }

  #sealed(key: Buffer): Buffer | undefined {
    return this.#before?.has(key) ? this.#before.get(key) : this.#db.getBinaryFast(key);
  }

  #sealedRange(o: RowRange): SealedRow[] {
    const rows: SealedRow[] = [];
    for (const { key, value } of this.#db.getRange({ ...o, snapshot: false })) {
      rows.push({ key, sealed: value });
    }
    return rows;
  }

  #checkOpen(): void {
    if (this.#isClosed) {
      throw new IndexError('CLOSED');
    }
  }
}

/** LMDB rejects with an error that has the true one in a promise. */
async function reasonOf(error: unknown): Promise<unknown> {
  if (error instanceof Error && 'commitError' in error) {
    try {
      await error.commitError;
    } catch (reason) {
      return reason;
    }
  }
  return error;
}
