/**
 * The write-ahead journal of a vault: what was written but is not in stripes yet, in copies on several failure domains.
 *
 * Writes are acknowledged in the order of their lsn, once synced on all live copies. `find`, `collect` and `lastLsn` know of acknowledged writes
 * alone: a read never sees what a crash could take back.
 */
import type { Logger } from '@couchestor/shared/logger';
import type { ChecksumEngine } from '../../domain/codec/crc32c.ts';
import { blockBytes } from '../../domain/geometry.ts';
import { type BlockEntry, type Collected, type CollectLimits, JournalMap, layerMax } from '../../domain/journal-map.ts';
import { type RecordFields, recordKinds } from '../../domain/journal-record.ts';
import type { NativeRead } from '../codec/native-addon.ts';
import type { JournalCopy } from './copy.ts';
import { firstGood, within } from './deadlines.ts';
import { JournalError } from './errors.ts';
import { JournalLog, type LogRequest } from './log.ts';
import { type OpenedLog, openLog, writeMetas } from './open-log.ts';
import { offsetOfHandle, segmentBytesMax, segmentOfHandle, sumIndexOf } from './segments.ts';

export type { BlockEntry, Collected, CollectedEntry, CollectedZero } from '../../domain/journal-map.ts';

export interface JournalPlace {
  /** A folder. */
  readonly path: string;
  /** What fails together; copies go to places of different domains. */
  readonly domain: string;
}

export interface JournalOptions {
  readonly places: readonly JournalPlace[];
  readonly vaultId: string;
  readonly replicationFactor: number;
  /** Above this, writes wait until something is released: whole segments only. */
  readonly sizeBytes: number;
  /** Default: an eighth of the size, from 1 MiB to 64 MiB. */
  readonly segmentBytes?: number;
  readonly appliedLsn: number;
  readonly checksums: ChecksumEngine;
  readonly logger: Logger;
  /** A copy that does not answer for so long is dropped, unless it is the last one. Default: 10 s. */
  readonly deadlineMs?: number;
  /** Default: 5 s. */
  readonly closeTimeoutMs?: number;
  /** Of the add-on. Without it the threads of the copies are asked for every block. */
  readonly readNow?: NativeRead | undefined;
  /** Goes on without what is lost; it is remembered as given up. */
  readonly acceptLoss?: boolean;
}

export interface JournalFill {
  /** Of whole segments but the newest, and of that as far as it is written. */
  readonly usedBytes: number;
  readonly sizeBytes: number;
  /** Of the oldest write that is not released; 0 where there is none. */
  readonly oldestAgeMs: number;
  readonly copies: readonly { readonly path: string; readonly domain: string; readonly isLive: boolean; readonly reason?: string }[];
  readonly wantedCopies: number;
}

type DataEntry = Pick<BlockEntry, 'lsn' | 'handle'>;

const defaultDeadlineMs = 10_000;
const defaultCloseTimeoutMs = 5_000;
/** Of the deadline: a read that takes longer is asked of another copy too. */
const patienceShare = 0.1;
const defaultSegmentBytesMin = 1024 * 1024;
const defaultSegmentBytesMax = 64 * 1024 * 1024;
const segmentBytesMin = 64 * 1024;
/** One is written while another is released, and one is between. */
const segmentsMin = 3;
const blockRange = 2 ** 32;
/** Ages are told no finer than this. */
const ageStepMs = 100;

export class Journal {
  readonly #o: JournalOptions;
  readonly #segmentBytes: number;
  readonly #map: JournalMap;
  readonly #opened: OpenedLog;
  readonly #log: JournalLog;
  readonly #listeners: ((copy: { path: string; reason: string }) => void)[] = [];
  /** From which lsn on writes were acknowledged at which time, in steps. */
  readonly #ages: { lsn: number; atMs: number }[] = [];
  #releasedLsn: number;
  #metaWrites = Promise.resolve();
  #closing: Promise<void> | undefined;

  private constructor(o: JournalOptions, made: { map: JournalMap; opened: OpenedLog; segmentBytes: number }) {
    this.#o = o;
    this.#map = made.map;
    this.#opened = made.opened;
    this.#segmentBytes = made.segmentBytes;
    const { end, segments, vaultSeed, copies, meta } = made.opened;
    this.#releasedLsn = o.appliedLsn;
    this.#log = new JournalLog({
      places: copies.map(({ place, number }) => ({ ...place, number })),
      segments,
      segmentBytes: made.segmentBytes,
      segmentsMax: Math.max(segmentsMin, Math.floor(o.sizeBytes / made.segmentBytes)),
      nextLsn: Math.max(end.nextLsn, o.appliedLsn + 1),
      epoch: meta.epoch,
      end: segments.newest === undefined ? undefined : end.end,
      vaultSeed,
      checksums: o.checksums,
      deadlineMs: o.deadlineMs ?? defaultDeadlineMs,
      logger: o.logger,
      onAcked: (record) => this.#take(record),
      onCopyLost: (copy, reason) => this.#onCopyLost(copy, reason),
    });
  }

  static async open(o: JournalOptions): Promise<Journal> {
    const byDefault = Math.min(
      defaultSegmentBytesMax,
      Math.max(defaultSegmentBytesMin, Math.floor(o.sizeBytes / 8 / segmentBytesMin) * segmentBytesMin),
    );
    const segmentBytes = o.segmentBytes ?? byDefault;
    if (segmentBytes < segmentBytesMin || segmentBytes > segmentBytesMax || segmentBytes % segmentBytesMin !== 0) {
      throw new JournalError('BAD_REQUEST', { segmentBytes });
    }
    const map = new JournalMap();
    const opened = await openLog({ ...o, segmentBytes, map });
    const journal = new Journal(o, { map, opened, segmentBytes });
    await journal.#begin();
    return journal;
  }

  /** Of the last acknowledged record. */
  get lastLsn(): number {
    return this.#log.ackedLsn;
  }

  get failed(): Error | undefined {
    return this.#log.failed;
  }

  append(o: { layer: number; firstBlock: number; data: readonly Uint8Array[] }): Promise<number> {
    let bytes = 0;
    for (const chunk of o.data) {
      bytes += chunk.length;
    }
    return this.#submit({
      kind: recordKinds.data,
      layer: o.layer,
      firstBlock: o.firstBlock,
      blocks: bytes / blockBytes,
      upTo: 0,
      data: o.data,
    });
  }

  zero(o: { layer: number; firstBlock: number; blocks: number }): Promise<number> {
    return this.#submit({ kind: recordKinds.zero, ...o, upTo: 0, data: [] });
  }

  mapped(o: { layer: number; firstBlock: number; blocks: number; upTo: number }): Promise<number> {
    return this.#submit({ kind: recordKinds.mapped, ...o, data: [] });
  }

  find(layer: number, block: number): BlockEntry | undefined {
    return this.#map.find(layer, block);
  }

  hasAny(layer: number, firstBlock: number, blocks: number): boolean {
    return this.#map.hasAny(layer, firstBlock, blocks);
  }

  /** One block of data, verified, where the page cache has it; never waits for a disk. `read` has to be asked where it returns false. */
  readNow(entry: DataEntry, into: Uint8Array): boolean {
    const { readNow, checksums } = this.#o;
    if (readNow === undefined) {
      return false;
    }
    const segment = segmentOfHandle(entry.handle);
    const offsetBytes = offsetOfHandle(entry.handle);
    const sum = this.#sumOf(segment, offsetBytes);
    for (const copy of this.#log.copies) {
      const descriptor = copy.descriptorOf(segment);
      if (sum !== undefined && descriptor !== undefined && readNow(descriptor, into, offsetBytes) === into.length) {
        // A bad block is for `read` to look into.
        return checksums.crc32c(into, entry.lsn >>> 0) === sum;
      }
    }
    return false;
  }

  /**
   * One block of data, verified, by the threads of the copies: the next one where a copy is bad or slow. `into` is left alone once this has rejected:
   * CORRUPT where all copies are bad (`released` where the entry was released meanwhile, and is elsewhere now), LATE where one that may be good
   * does not answer.
   */
  async read(entry: DataEntry, into: Uint8Array): Promise<void> {
    const place = { segment: segmentOfHandle(entry.handle), offsetBytes: offsetOfHandle(entry.handle) };
    const sum = this.#sumOf(place.segment, place.offsetBytes);
    const bad: JournalCopy[] = [];
    const attempts = this.#log.copies
      .filter(({ isLive }) => isLive)
      .sort((a, b) => Number(a.isLate) - Number(b.isLate))
      .map((copy) => async () => {
        const bytes = await copy.read({ ...place, lengthBytes: into.length });
        if (this.#o.checksums.crc32c(bytes, entry.lsn >>> 0) !== sum) {
          bad.push(copy);
          throw new JournalError('CORRUPT', { path: copy.place.path, ...place, lsn: entry.lsn });
        }
        return bytes;
      });
    try {
      into.set(await firstGood(attempts, (this.#o.deadlineMs ?? defaultDeadlineMs) * patienceShare));
    } catch (error) {
      throw this.#readFailure(error, { ...place, lsn: entry.lsn });
    }
    for (const copy of bad) {
      this.#heal(copy, place, into.slice());
    }
  }

  collect(cut: number, limits?: CollectLimits): Collected {
    return this.#map.collect(Math.min(cut, this.lastLsn), limits);
  }

  async release(cut: number): Promise<void> {
    if (cut > this.lastLsn) {
      throw new JournalError('BAD_REQUEST', { cut, lastLsn: this.lastLsn });
    }
    this.#releasedLsn = Math.max(this.#releasedLsn, cut);
    this.#map.release(cut);
    while (this.#ages.length > 0 && (this.#ages[1]?.lsn ?? this.lastLsn + 1) <= cut + 1) {
      this.#ages.shift();
    }
    this.#log.release(cut);
  }

  fill(): JournalFill {
    const { segments, unusable, copies } = this.#opened;
    const oldest = this.#ages[0];
    const chosen = new Set(copies.map((copy) => copy.place.path));
    const spare = this.#o.places.filter((place) => !chosen.has(place.path) && !unusable.some((each) => each.path === place.path));
    return {
      usedBytes: Math.max(0, segments.count - 1) * this.#segmentBytes + (segments.newest?.usedBytes ?? 0),
      sizeBytes: this.#o.sizeBytes,
      oldestAgeMs: oldest === undefined ? 0 : Math.max(0, performance.now() - oldest.atMs),
      wantedCopies: this.#o.replicationFactor,
      copies: [
        ...this.#log.copies.map(({ place: { path, domain }, isLive, reason }) => {
          return { path, domain, isLive, ...(reason === undefined ? {} : { reason }) };
        }),
        ...unusable.map(({ path, domain, reason }) => ({ path, domain, isLive: false, reason })),
        ...spare.map(({ path, domain }) => ({ path, domain, isLive: false, reason: 'spare' })),
      ],
    };
  }

  onCopyLost(listener: (copy: { path: string; reason: string }) => void): void {
    this.#listeners.push(listener);
  }

  /** Rejects writes that wait for room, and all later ones: the first step of an orderly end. */
  stopAppends(): void {
    this.#log.stopAppends();
  }

  /** Does not wait for disks that do not answer. */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    const timeoutMs = this.#o.closeTimeoutMs ?? defaultCloseTimeoutMs;
    await this.#log.close(timeoutMs);
    if (this.#log.failed === undefined) {
      this.#writeMetas(this.lastLsn);
    }
    await within(timeoutMs, this.#metaWrites);
  }

  /** The new epoch is on all copies before anything else is written, or read. */
  async #begin(): Promise<void> {
    if (this.lastLsn > this.#o.appliedLsn) {
      this.#ages.push({ lsn: this.#o.appliedLsn + 1, atMs: performance.now() });
    }
    this.#log.beginEpoch();
    await this.#log.settled();
    this.#writeMetas(this.#opened.meta.durableLsn);
    await this.#metaWrites;
  }

  #submit(request: LogRequest): Promise<number> {
    const { layer, firstBlock, blocks } = request;
    const isWhole =
      Number.isInteger(blocks) && blocks > 0 && Number.isInteger(firstBlock) && firstBlock >= 0 && firstBlock + blocks <= blockRange;
    if (!isWhole || !Number.isInteger(layer) || layer < 0 || layer > layerMax) {
      return Promise.reject(new JournalError('BAD_REQUEST', { layer, firstBlock, blocks }));
    }
    return this.#log.submit(request);
  }

  #take(record: RecordFields & { readonly handle: number }): void {
    if (record.kind === recordKinds.data) {
      for (let block = 0; block < record.blocks; block += 1) {
        this.#map.data(record.layer, record.firstBlock + block, record.lsn, record.handle + block * (blockBytes / 64));
      }
    } else if (record.kind === recordKinds.zero) {
      this.#map.zero(record);
    } else if (record.kind === recordKinds.mapped) {
      this.#map.mapped(record);
      return;
    } else {
      return;
    }
    const last = this.#ages.at(-1);
    const nowMs = performance.now();
    if (last === undefined || nowMs - last.atMs > ageStepMs) {
      this.#ages.push({ lsn: record.lsn, atMs: nowMs });
    }
  }

  #sumOf(segment: number, offsetBytes: number): number | undefined {
    return this.#opened.segments.get(segment)?.sums[sumIndexOf(offsetBytes)];
  }

  #readFailure(cause: unknown, facts: { segment: number; offsetBytes: number; lsn: number }): Error {
    const released = this.#opened.segments.get(facts.segment) === undefined;
    const errors: unknown[] = cause instanceof AggregateError ? cause.errors : [cause];
    const isLate = errors.some((error) => JournalError.is(error, 'LATE'));
    if (!released && this.#log.failed !== undefined) {
      return this.#log.failed;
    }
    return new JournalError(isLate && !released ? 'LATE' : 'CORRUPT', { ...facts, released }, { cause });
  }

  /** The segment may be released by the time when the copy's thread writes, but not be in use for anything else. */
  #heal(copy: JournalCopy, place: { segment: number; offsetBytes: number }, bytes: Uint8Array): void {
    const { logger } = this.#o;
    if (!copy.isLive || this.#opened.segments.get(place.segment) === undefined) {
      return;
    }
    logger.warn({ path: copy.place.path, ...place }, 'a block in one copy of the journal is bad; it is written anew from another');
    copy.heal({ ...place, bytes }).catch((err: unknown) => {
      logger.warn({ err, path: copy.place.path, ...place }, 'a bad block in a copy of the journal could not be written anew');
    });
  }

  #onCopyLost(copy: JournalCopy, reason: string): void {
    this.#o.logger.error({ path: copy.place.path, reason }, 'a copy of the journal was dropped');
    if (this.failed === undefined) {
      this.#writeMetas(this.#opened.meta.durableLsn);
    }
    for (const listener of this.#listeners) {
      listener({ path: copy.place.path, reason });
    }
  }

  /** One after the other. The log itself tells the epoch too, so a file that cannot be written is no reason to stop. */
  #writeMetas(durableLsn: number): void {
    const live = new Set(this.#log.copies.filter((copy) => copy.isLive).map((copy) => copy.number));
    const { copies, spares } = this.#opened;
    const hung = new Set(this.#log.copies.filter((copy) => copy.isHung).map((copy) => copy.number));
    // A disk that hangs would take a thread of the pool with it.
    const dropped = copies
      .filter(({ number }) => !live.has(number) && !hung.has(number))
      .map(({ place, copyId }) => ({ path: place.path, copyId }));
    const stale = spares.flatMap(({ place, meta }) => (meta === undefined ? [] : [{ path: place.path, copyId: meta.copyId }]));
    const members = copies.filter((copy) => live.has(copy.number));
    const { checksums } = this.#o;
    const input = { opened: this.#opened, epoch: this.#log.epoch, durableLsn, members, former: [...dropped, ...stale], checksums };
    this.#metaWrites = this.#metaWrites
      .then(async () => await writeMetas(input))
      .catch((err: unknown) => this.#o.logger.warn({ err }, 'the file journal.json of a copy of the journal could not be written'));
  }
}
