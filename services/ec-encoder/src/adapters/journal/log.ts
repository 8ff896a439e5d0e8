/**
 * The writing end of the journal: records go into a ring that the thread of every copy writes from, and are acknowledged once all live copies
 * have them synced.
 *
 * On disk, at each instant: whatever was acknowledged is synced in every copy that the newest epoch names. A copy that fails is left out by an
 * epoch record; until that is synced on the others nothing is acknowledged, so a copy that lacks something acknowledged is never named by the
 * newest epoch. A crash leaves any part of what was not acknowledged; replay takes what is whole up to the first gap.
 *
 * Records are acknowledged in order. A write is not seen by reads before it is acknowledged, so what was read once does not un-happen.
 */
import type { Logger } from '@couchestor/shared/logger';
import type { ChecksumEngine } from '../../domain/codec/crc32c.ts';
import { blockBytes } from '../../domain/geometry.ts';
import {
  encodeHeader,
  headerBytesOf,
  type RecordBytes,
  type RecordFields,
  recordBlocksMax,
  recordBytesOf,
  recordKinds,
  recordLengthOf,
  recordUnitBytes,
  sumWord,
} from '../../domain/journal-record.ts';
import { JournalCopy } from './copy.ts';
import { type CopyThreadData, controlWords, type Mark } from './copy-protocol.ts';
import { JournalError } from './errors.ts';
import type { JournalPlace } from './journal.ts';
import { PendingRecords, type Settle } from './pending.ts';
import { handleOf, type Segment, type Segments, sumIndexOf } from './segments.ts';

/** Above this a write waits for the disks: it bounds what one sync has to write. */
const ringBytesMax = 16 * 1024 * 1024;
const ringBytesMin = 1024 * 1024;
/** Of the ring, for epoch records. */
const ringReserveBytes = 4096;
/** How often within a deadline is looked for copies that hang. */
const looksPerDeadline = 4;

export interface LogRequest {
  readonly kind: RecordFields['kind'];
  readonly layer: number;
  readonly firstBlock: number;
  readonly blocks: number;
  readonly upTo: number;
  readonly data: readonly Uint8Array[];
}

interface Waiter extends LogRequest {
  firstBlock: number;
  blocks: number;
  /** Of the data: what is written already. */
  skipBytes: number;
  readonly settle: Settle;
  readonly reject: (error: Error) => void;
}

export interface LogStart {
  readonly places: readonly (JournalPlace & { readonly number: number })[];
  readonly segments: Segments;
  readonly segmentBytes: number;
  readonly segmentsMax: number;
  readonly nextLsn: number;
  readonly epoch: number;
  readonly end: { readonly segment: number; readonly offsetBytes: number } | undefined;
  readonly vaultSeed: number;
  readonly checksums: ChecksumEngine;
  readonly deadlineMs: number;
  readonly logger: Logger;
  readonly onAcked: (record: RecordFields & { readonly handle: number }) => void;
  readonly onCopyLost: (copy: JournalCopy, reason: string) => void;
}

export class JournalLog {
  readonly #o: LogStart;
  readonly copies: readonly JournalCopy[];
  readonly #control: Int32Array;
  readonly #ring: RecordBytes;
  readonly #pending = new PendingRecords();
  readonly #waiters: Waiter[] = [];
  readonly #position: { vaultSeed: number; segment: number; offsetBytes: number };
  readonly #fields: RecordFields;
  readonly #acked: RecordFields & { handle: number };
  readonly #blocksMax: number;
  readonly #timer: NodeJS.Timeout;
  readonly #freed: number[] = [];
  readonly #stalled = new Map<JournalCopy, { bytes: number; looks: number }>();
  /** Of the stream through the ring: filled up to, synced everywhere up to, and where acknowledging waits for an epoch record. */
  #head = 0;
  #tail = 0;
  #barrier = 0;
  #nextLsn: number;
  #epochDue = false;
  #isKickDue = false;
  #isClosing = false;
  #settle: Settle;
  #reject: ((error: Error) => void) | undefined;
  #idle: (() => void) | undefined;
  ackedLsn: number;
  failed: Error | undefined;

  constructor(o: LogStart) {
    this.#o = o;
    const ringBytes = Math.min(ringBytesMax, Math.max(ringBytesMin, o.segmentBytes));
    const ring = new SharedArrayBuffer(ringBytes);
    const control = new SharedArrayBuffer(4 * (controlWords.firstCopy + o.places.length * controlWords.perCopy));
    this.#ring = recordBytesOf(new Uint8Array(ring));
    this.#control = new Int32Array(control);
    this.#blocksMax = Math.max(
      1,
      Math.min(recordBlocksMax, Math.floor(ringBytes / 8 / blockBytes), Math.floor(o.segmentBytes / 4 / blockBytes)),
    );
    this.#position = { vaultSeed: o.vaultSeed, segment: o.end?.segment ?? 0, offsetBytes: o.end?.offsetBytes ?? 0 };
    this.#nextLsn = o.nextLsn;
    this.ackedLsn = o.nextLsn - 1;
    this.#fields = { ...noFields, epoch: o.epoch, durableLsn: this.ackedLsn };
    this.#acked = { ...noFields, handle: 0 };
    this.copies = o.places.map((place, copy) =>
      this.#startCopy(place, { dir: place.path, copy, ring, control, segmentBytes: o.segmentBytes }),
    );
    this.#fields.members = membersOf(this.copies);
    this.#timer = setInterval(() => this.#lookForStalls(), Math.max(10, o.deadlineMs / looksPerDeadline)).unref();
    if (o.end === undefined) {
      this.#beginSegment();
    } else {
      this.#toCopies({ at: 0, kind: 'segment', segment: o.end.segment, offsetBytes: o.end.offsetBytes });
    }
  }

  #startCopy(place: JournalPlace & { number: number }, thread: CopyThreadData): JournalCopy {
    const onFailed = (copy: JournalCopy, reason: string) => this.dropCopy(copy, reason);
    const { deadlineMs } = this.#o;
    return new JournalCopy({ place, number: place.number, thread, deadlineMs, onSynced: () => this.#onSynced(), onFailed });
  }

  get epoch(): number {
    return this.#fields.epoch;
  }

  /** Resolves with the lsn of the request's last record. */
  submit(request: LogRequest): Promise<number> {
    const problem = this.failed ?? (this.#isClosing ? new JournalError('CLOSED') : undefined);
    if (problem !== undefined) {
      return Promise.reject(problem);
    }
    const promise = new Promise<number>(this.#capture);
    const { kind, blocks } = request;
    const isOneRecord = kind !== recordKinds.data || blocks <= this.#blocksMax;
    if (isOneRecord && this.#waiters.length === 0 && this.#makeRoom(recordLengthOf(kind, blocks))) {
      this.#write(request, { firstBlock: request.firstBlock, blocks, skipBytes: 0, settle: this.#settle, reject: this.#reject });
    } else {
      this.#wait(request);
    }
    return promise;
  }

  /** Says who the members are from here on. Acknowledging waits for it. */
  beginEpoch(): void {
    this.#fields.epoch += 1;
    this.#epochDue = true;
    this.#writeEpoch();
  }

  /** Resolves once the epoch record, and all else that is in the ring, is acknowledged. */
  async settled(): Promise<void> {
    while (this.failed === undefined && (this.#pending.count > 0 || this.#epochDue || this.#waiters.length > 0)) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    if (this.failed !== undefined) {
      throw this.failed;
    }
  }

  dropCopy(copy: JournalCopy, reason: string): void {
    if (!copy.isLive || (this.#isClosing && this.#pending.count === 0)) {
      return;
    }
    copy.abandon(reason);
    this.#fields.members = membersOf(this.copies);
    if (this.copies.every((each) => !each.isLive)) {
      this.#fail(new JournalError('FAILED', { path: copy.place.path, reason }));
    } else {
      this.beginEpoch();
      this.#onSynced();
    }
    this.#o.onCopyLost(copy, reason);
  }

  release(cut: number): readonly number[] {
    const released = this.#o.segments.release(cut);
    this.#freed.push(...released);
    const last = released.at(-1);
    if (last !== undefined) {
      for (const copy of this.copies) {
        copy.forget(last);
      }
    }
    this.#serveWaiters();
    return released;
  }

  /** Rejects writes that wait for room, and all later ones. What is in the ring already goes its way. */
  stopAppends(): void {
    this.#isClosing = true;
    for (const waiter of this.#waiters.splice(0)) {
      waiter.reject(new JournalError('CLOSED'));
    }
  }

  /** After all that is under way; what a disk has not taken by then is rejected, as it is with a crash. */
  async close(timeoutMs: number): Promise<void> {
    this.stopAppends();
    const endMs = performance.now() + timeoutMs;
    if (this.failed === undefined) {
      const before = new Map(this.copies.map((copy) => [copy, copy.syncedBytes]));
      const halfway = setTimeout(() => this.#dropHung(before, `no answer for ${timeoutMs / 2} ms while closing`), timeoutMs / 2);
      const end = setTimeout(() => this.#fail(new JournalError('LATE', { waitedMs: timeoutMs })), timeoutMs);
      await this.#seal();
      clearTimeout(halfway);
      clearTimeout(end);
    }
    // Until here a copy that hangs is still to be dropped.
    clearInterval(this.#timer);
    const leftMs = Math.max(timeoutMs / 10, endMs - performance.now());
    await Promise.all(this.copies.filter((copy) => copy.isLive).map((copy) => this.#closeCopy(copy, leftMs)));
  }

  async #seal(): Promise<void> {
    try {
      await this.settled();
      this.#writeOwn(recordKinds.seal, true);
      this.#kick();
      await this.settled();
    } catch (err) {
      this.#o.logger.error({ err }, 'the journal was closed without its last records; the next start goes by what is on its disks');
    }
  }

  async #closeCopy(copy: JournalCopy, timeoutMs: number): Promise<void> {
    copy.refresh();
    if (copy.syncedBytes < this.#head) {
      copy.abandon('no answer while closing');
    } else {
      await copy.close(timeoutMs);
    }
  }

  /** Copies that did not come on since `before`, as long as others did. */
  #dropHung(before: ReadonlyMap<JournalCopy, number>, reason: string): void {
    this.#onSynced();
    const live = this.copies.filter((copy) => copy.isLive).sort((a, b) => a.syncedBytes - b.syncedBytes);
    for (const copy of live.slice(0, -1)) {
      if (copy.syncedBytes < this.#head && copy.syncedBytes === before.get(copy)) {
        copy.isHung = true;
        this.dropCopy(copy, reason);
      }
    }
  }

  /** One function for all promises, instead of one for each. */
  readonly #capture = (resolve: (lsn: number) => void, reject: (error: Error) => void): void => {
    this.#settle = resolve;
    this.#reject = reject;
  };

  /** Its data are copied, as the caller may use the memory again: rare, and bounded by what callers have in flight. */
  #wait(request: LogRequest): void {
    const data = request.data.map((chunk) => new Uint8Array(chunk));
    const { kind, layer, firstBlock, blocks, upTo } = request;
    const [settle, reject] = [this.#settle, this.#reject ?? ignore];
    this.#waiters.push({ kind, layer, firstBlock, blocks, upTo, data, skipBytes: 0, settle, reject });
    this.#serveWaiters();
  }

  #serveWaiters(): void {
    for (let waiter = this.#waiters[0]; waiter !== undefined; waiter = this.#waiters[0]) {
      const isData = waiter.kind === recordKinds.data;
      const blocks = isData ? Math.min(waiter.blocks, this.#blocksMax) : waiter.blocks;
      if (!this.#makeRoom(recordLengthOf(waiter.kind, blocks))) {
        return;
      }
      const isLast = blocks === waiter.blocks;
      const settle = isLast ? waiter.settle : undefined;
      this.#write(waiter, { firstBlock: waiter.firstBlock, blocks, skipBytes: waiter.skipBytes, settle, reject: waiter.reject });
      waiter.firstBlock += blocks;
      waiter.blocks -= blocks;
      waiter.skipBytes += blocks * blockBytes;
      if (isLast) {
        this.#waiters.shift();
      }
    }
  }

  /** Room for a record, in one piece, in the ring and in the segment; false where the disks or destage have to make some first. */
  #makeRoom(lengthBytes: number, isOwn = false): boolean {
    if (this.#epochDue && !isOwn) {
      return false;
    }
    const capacity = this.#ring.bytes.length;
    const toEnd = capacity - (this.#head % capacity);
    const isRolling = this.#position.offsetBytes + lengthBytes > this.#o.segmentBytes;
    // A new segment begins with a record of its own.
    const needed = lengthBytes + (isRolling ? recordUnitBytes : 0);
    const skip = toEnd < needed ? toEnd : 0;
    if (this.#head + skip + needed - this.#tail > capacity - (isOwn ? 0 : ringReserveBytes)) {
      return false;
    }
    // What the journal itself has to say must find room even where it is full.
    if (isRolling && !isOwn && this.#o.segments.count >= this.#o.segmentsMax) {
      return false;
    }
    if (skip > 0) {
      this.#toCopies({ at: this.#head, kind: 'skip', bytes: skip });
      this.#head += skip;
    }
    if (isRolling) {
      this.#beginSegment();
    }
    return true;
  }

  #beginSegment(): void {
    const { segments, segmentBytes } = this.#o;
    const segment = segments.newest === undefined ? 1 : segments.newest.segment + 1;
    const reuse = this.#freed.shift();
    segments.begin(segment, segmentBytes);
    this.#position.segment = segment;
    this.#position.offsetBytes = 0;
    const mark = { at: this.#head, kind: 'segment', segment, offsetBytes: 0 } as const;
    this.#toCopies(reuse === undefined ? mark : { ...mark, reuse });
    this.#writeOwn(recordKinds.epoch, false);
  }

  #toCopies(mark: Mark): void {
    for (const copy of this.copies) {
      if (copy.isLive) {
        copy.mark(mark);
      }
    }
  }

  /** Into room that `#makeRoom` found. */
  #write(
    request: LogRequest,
    o: { firstBlock: number; blocks: number; skipBytes: number; settle: Settle; reject: ((error: Error) => void) | undefined },
  ): void {
    const { kind } = request;
    const at = this.#head % this.#ring.bytes.length;
    const headerBytes = headerBytesOf(kind, o.blocks);
    const offsetBytes = this.#position.offsetBytes + headerBytes;
    const fields = this.#fields;
    fields.kind = kind;
    fields.lsn = this.#nextLsn;
    fields.layer = request.layer;
    fields.firstBlock = o.firstBlock;
    fields.blocks = o.blocks;
    fields.upTo = request.upTo;
    const segment = this.#o.segments.newest;
    if (kind === recordKinds.data && segment !== undefined) {
      const data = this.#ring.bytes.subarray(at + headerBytes, at + headerBytes + o.blocks * blockBytes);
      copyChunks(request.data, o.skipBytes, data);
      this.#sum(data, { at, offsetBytes, lsn: fields.lsn, segment });
    }
    this.#finish({ at, handle: handleOf(this.#position.segment, offsetBytes), settle: o.settle, reject: o.reject });
  }

  #sum(data: Uint8Array, o: { at: number; offsetBytes: number; lsn: number; segment: Segment }): void {
    const { checksums } = this.#o;
    if (data.length === blockBytes) {
      const sum = checksums.crc32c(data, o.lsn >>> 0);
      this.#ring.words[sumWord(o.at, 0)] = sum;
      o.segment.sums[sumIndexOf(o.offsetBytes)] = sum;
      return;
    }
    const sums = checksums.crc32cBlocks(data, blockBytes, new Uint32Array(data.length / blockBytes).fill(o.lsn));
    this.#ring.words.set(sums, sumWord(o.at, 0));
    o.segment.sums.set(sums, sumIndexOf(o.offsetBytes));
  }

  #finish(o: { at: number; handle: number; settle: Settle; reject: ((error: Error) => void) | undefined }): void {
    const fields = this.#fields;
    fields.durableLsn = this.ackedLsn;
    encodeHeader(this.#ring, o.at, fields, this.#position, this.#o.checksums);
    const length = recordLengthOf(fields.kind, fields.blocks);
    this.#head += length;
    this.#position.offsetBytes += length;
    this.#nextLsn += 1;
    const segment = this.#o.segments.newest;
    if (segment !== undefined) {
      segment.lastLsn = fields.lsn;
      segment.usedBytes = this.#position.offsetBytes;
    }
    this.#pending.push(fields, { endBytes: this.#head, handle: o.handle, settle: o.settle, reject: o.reject });
    Atomics.store(this.#control, controlWords.head, (this.#head / recordUnitBytes) | 0);
    if (!this.#isKickDue) {
      this.#isKickDue = true;
      // All that is appended in this turn makes one batch, where the threads sleep; where they work, they look again by themselves.
      queueMicrotask(this.#kick);
    }
  }

  readonly #kick = (): void => {
    this.#isKickDue = false;
    Atomics.add(this.#control, controlWords.wakes, 1);
    Atomics.notify(this.#control, controlWords.wakes);
  };

  #writeEpoch(): void {
    if (this.#epochDue && this.#writeOwn(recordKinds.epoch, true)) {
      this.#epochDue = false;
      this.#barrier = this.#head;
    }
  }

  #writeOwn(kind: RecordFields['kind'], mayRoll: boolean): boolean {
    if (mayRoll && !this.#makeRoom(recordUnitBytes, true)) {
      return false;
    }
    this.#write({ kind, ...nothing }, { firstBlock: 0, blocks: 0, skipBytes: 0, settle: undefined, reject: undefined });
    return true;
  }

  readonly #onSynced = (): void => {
    let synced = Number.POSITIVE_INFINITY;
    for (const copy of this.copies) {
      if (copy.isLive) {
        copy.refresh();
        synced = Math.min(synced, copy.syncedBytes);
      }
    }
    if (this.failed !== undefined || synced === Number.POSITIVE_INFINITY) {
      return;
    }
    this.#tail = synced;
    this.#writeEpoch();
    if (!this.#epochDue && this.#barrier <= synced) {
      this.#acknowledge(synced);
    }
    if (this.#waiters.length > 0) {
      this.#serveWaiters();
    }
    if (this.#idle !== undefined && this.#pending.count === 0) {
      this.#idle();
      this.#idle = undefined;
    }
  };

  #acknowledge(synced: number): void {
    const acked = this.#acked;
    while (this.#pending.firstEndBytes <= synced) {
      const settle = this.#pending.shift(acked);
      this.#o.onAcked(acked);
      this.ackedLsn = acked.lsn;
      settle?.(acked.lsn);
    }
  }

  /** A copy that does not come on while there is something to sync. The last one is waited for: without it nothing is left to write to. */
  #lookForStalls(): void {
    this.#onSynced();
    // The one furthest behind first: should all be slow, the best one stays.
    const live = this.copies.filter((each) => each.isLive).sort((a, b) => a.syncedBytes - b.syncedBytes);
    for (const copy of live) {
      const before = this.#stalled.get(copy);
      const isStalled = copy.syncedBytes < this.#head && before?.bytes === copy.syncedBytes;
      const looks = isStalled ? before.looks + 1 : 0;
      this.#stalled.set(copy, { bytes: copy.syncedBytes, looks });
      if (looks >= looksPerDeadline && this.copies.filter((each) => each.isLive).length > 1) {
        copy.isHung = true;
        this.dropCopy(copy, `no answer for ${this.#o.deadlineMs} ms`);
      }
    }
  }

  #fail(error: Error): void {
    this.failed = error;
    clearInterval(this.#timer);
    this.#pending.rejectAll(error);
    for (const waiter of this.#waiters.splice(0)) {
      waiter.reject(error);
    }
    this.#idle?.();
  }
}

const nothing = { layer: 0, firstBlock: 0, blocks: 0, upTo: 0, data: [] } as const;
const noFields: RecordFields = {
  kind: recordKinds.epoch,
  epoch: 0,
  members: 0,
  lsn: 0,
  durableLsn: 0,
  layer: 0,
  firstBlock: 0,
  blocks: 0,
  upTo: 0,
};

/** The number of each live copy as a bit. */
function membersOf(copies: readonly JournalCopy[]): number {
  return copies.reduce((members, copy) => (copy.isLive ? members | (1 << copy.number) : members), 0) >>> 0;
}

function ignore(): void {
  // A request that nobody waits for.
}

function copyChunks(chunks: readonly Uint8Array[], skipBytes: number, into: Uint8Array): void {
  let skip = skipBytes;
  let filled = 0;
  for (const chunk of chunks) {
    const take = Math.min(chunk.length - skip, into.length - filled);
    if (take > 0) {
      into.set(skip === 0 && take === chunk.length ? chunk : chunk.subarray(skip, skip + take), filled);
      filled += take;
      skip = 0;
    } else {
      skip -= Math.min(skip, chunk.length);
    }
  }
}
