/** A drive that is a folder of this machine, by a thread of its own. */
import type { Worker } from 'node:worker_threads';
import { describeError } from '@couchestor/shared/errors';
import type { Logger } from '@couchestor/shared/logger';
import type { ChecksumEngine } from '../../domain/codec/crc32c.ts';
import {
  type DriveEvent,
  type DriveFault,
  type DriveHealth,
  type DriveLimits,
  type DriveState,
  driveStateOf,
  newDriveHealth,
  nextDriveHealth,
  wantsProbe,
} from '../../domain/drive-state.ts';
import type { DriveDomain } from '../../domain/placement.ts';
import type { NativeRead } from '../codec/native-addon.ts';
import { allocateShared } from '../shared-buffers.ts';
import type {
  Drive,
  DriveLatency,
  DriveObserver,
  DriveOrder,
  DriveRead,
  DriveSegment,
  DriveSpace,
  DriveStateChange,
  DriveWrite,
  ScannedRecord,
} from './drive.ts';
import type { DriveReport } from './drive-messages.ts';
import { DriveError } from './errors.ts';
import { LatencyWindow } from './latency-window.ts';
import { scanSegment } from './scan-segment.ts';
import type { ThreadCalls } from './thread-calls.ts';

/** Segments of 64 MiB whose descriptors are kept: 8 GiB that may be read at once, and far from the limit of a process with many drives. */
const descriptorsMax = 128;
const errorsMax = 16;
const errorWindowMs = 10 * 60_000;
const probeIntervalMs = 1_000;
const blockBytes = 4096;

const faults: ReadonlySet<string> = new Set<DriveFault>(['IO', 'LATE', 'GONE', 'READ_ONLY', 'WRONG_DRIVE', 'SYNC_FAILED']);

export interface LocalDriveParts {
  readonly path: string;
  readonly number: number;
  readonly driveId: string;
  readonly domain: DriveDomain;
  readonly failAfterMs: number;
  readonly calls: ThreadCalls;
  readonly worker: Worker;
  readonly space: DriveSpace;
  readonly checksums: ChecksumEngine;
  readonly readNow: NativeRead | undefined;
  readonly observe: DriveObserver | undefined;
  readonly logger: Logger;
}

export class LocalDrive implements Drive {
  readonly number: number;
  readonly driveId: string;
  readonly path: string;
  readonly domain: DriveDomain;
  readonly #parts: LocalDriveParts;
  readonly #limits: DriveLimits;
  readonly #listeners: ((change: DriveStateChange) => void)[] = [];
  readonly #reads = new LatencyWindow();
  readonly #writes = new LatencyWindow();
  /** In the order of their last use. */
  readonly #descriptors = new Map<number, number>();
  /** Segments whose descriptor the thread was told to close and has not: what it reports of them is out of date. */
  readonly #forgotten = new Map<number, number>();
  /** The thread keeps the descriptor of the segment that it appends to. */
  #written = 0;
  readonly #probing: NodeJS.Timeout;
  #health: DriveHealth = newDriveHealth(performance.now());
  #space: DriveSpace;
  #probe: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: LocalDriveParts) {
    this.#parts = parts;
    this.number = parts.number;
    this.driveId = parts.driveId;
    this.path = parts.path;
    this.domain = parts.domain;
    this.#space = parts.space;
    this.#limits = { failAfterMs: parts.failAfterMs, errorsMax, errorWindowMs };
    this.#probing = setInterval(() => this.#probeIfIll(), Math.min(probeIntervalMs, parts.failAfterMs / 2));
    this.#probing.unref();
  }

  get state(): DriveState {
    return driveStateOf(this.#health);
  }

  onStateChange(listener: (change: DriveStateChange) => void): void {
    this.#listeners.push(listener);
  }

  tell(order: DriveOrder): void {
    this.#apply({ kind: 'told', order }, `told to ${order}`);
  }

  async write(record: DriveWrite): Promise<{ segment: number; offsetBlocks: number }> {
    this.#refuseWhenFailed();
    const header = shared(record.header);
    const data = record.data.length % blockBytes === 0 ? shared(record.data) : padded(record.data);
    const isBack = record.priority === 'back';
    const work = this.#call({ kind: 'write', isBack, useReserve: record.useReserve ?? false, header, data });
    const place = await this.#timed({ operation: 'write', isBack }, work);
    const { segment, offsetBlocks } = place as { segment: number; offsetBlocks: number };
    this.#written = segment;
    return { segment, offsetBlocks };
  }

  async read(o: DriveRead): Promise<void> {
    const { segment, offsetBytes } = o;
    const into = isShared(o.into) ? o.into : allocateShared(o.into.length);
    const isBack = o.priority === 'back';
    await this.#timed({ operation: 'read', isBack }, this.#call({ kind: 'read', isBack, segment, offsetBytes, into }));
    if (into !== o.into) {
      o.into.set(into);
    }
  }

  readNow(o: { segment: number; offsetBytes: number; into: Uint8Array }): boolean {
    const { readNow } = this.#parts;
    const fd = this.#descriptors.get(o.segment);
    if (readNow === undefined || fd === undefined || this.#health.condition !== 'online' || this.#closing !== undefined) {
      return false;
    }
    // While there are few, none has to go, and their order does not matter.
    if (this.#descriptors.size > descriptorsMax / 2) {
      this.#descriptors.delete(o.segment);
      this.#descriptors.set(o.segment, fd);
    }
    return readNow(fd, o.into, o.offsetBytes) === o.into.length;
  }

  async segments(): Promise<readonly DriveSegment[]> {
    return (await this.#call({ kind: 'segments' })) as DriveSegment[];
  }

  async *scan(segment: number, o: { headersOnly?: boolean } = {}): AsyncGenerator<ScannedRecord> {
    const found = (await this.segments()).find((each) => each.segment === segment);
    if (found === undefined) {
      throw new DriveError('NO_SEGMENT', { path: this.path, segment });
    }
    yield* scanSegment({
      read: (offsetBytes, into) => this.read({ segment, offsetBytes, into, priority: 'back' }),
      blocks: Math.floor(found.sizeBytes / blockBytes),
      segment,
      driveId: this.driveId,
      checksums: this.#parts.checksums,
      headersOnly: o.headersOnly ?? false,
    });
  }

  async removeSegment(segment: number): Promise<void> {
    this.#descriptors.delete(segment);
    this.#markForgotten(segment, 1);
    try {
      await this.#call({ kind: 'remove', segment });
    } finally {
      this.#markForgotten(segment, -1);
    }
  }

  async #timed<T>({ operation, isBack }: { operation: 'read' | 'write'; isBack: boolean }, work: Promise<T>): Promise<T> {
    const startedMs = performance.now();
    let failed = true;
    try {
      const result = await work;
      failed = false;
      return result;
    } finally {
      const durationMs = performance.now() - startedMs;
      this.#parts.observe?.({ drive: this.number, operation, durationMs, failed });
      if (!isBack && !failed) {
        (operation === 'read' ? this.#reads : this.#writes).add(durationMs);
      }
    }
  }

  space(): DriveSpace {
    return this.#space;
  }

  latency(): DriveLatency {
    const reads = this.#reads.percentiles();
    const writes = this.#writes.percentiles();
    return { readP50Ms: reads.p50Ms, readP99Ms: reads.p99Ms, writeP50Ms: writes.p50Ms, writeP99Ms: writes.p99Ms };
  }

  probe(): Promise<void> {
    this.#probe ??= this.#probeNow().finally(() => {
      this.#probe = undefined;
    });
    return this.#probe;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** What the thread says. */
  hear(report: DriveReport): void {
    for (const { segment, fd } of report.opened) {
      if (!this.#forgotten.has(segment)) {
        this.#descriptors.set(segment, fd);
      }
    }
    this.#space = report.space ?? this.#space;
    const { calls } = this.#parts;
    const wasHung = calls.isHung;
    for (const answer of report.answers) {
      calls.settle(answer);
    }
    if (report.fault !== undefined) {
      this.#fault(report.fault.code, report.fault.detail);
    }
    this.#forgetOldest();
    if (wasHung && !calls.isHung) {
      this.#probeIfIll();
    }
  }

  /** Calls were given up. */
  late(): void {
    this.#apply({ kind: 'fault', fault: 'LATE' }, 'it did not answer in time');
  }

  /** The thread ended by an error of ours: nothing can be asked of it any more. */
  broken(cause: unknown): void {
    this.#apply({ kind: 'fault', fault: 'SYNC_FAILED' }, `its thread broke down: ${describeError(cause)}`);
  }

  async #call(request: Parameters<ThreadCalls['call']>[0]): Promise<unknown> {
    if (this.#closing !== undefined) {
      throw new DriveError('CLOSED', { path: this.path });
    }
    try {
      return await this.#parts.calls.call(request);
    } catch (error) {
      if (DriveError.is(error)) {
        this.#fault(error.code.slice(`${DriveError.domain}_`.length), String(error.facts['detail'] ?? ''));
      }
      throw error;
    }
  }

  #refuseWhenFailed(): void {
    if (this.state !== 'failed') {
      return;
    }
    const { order, fault } = this.#health;
    throw new DriveError(order === 'fail' || fault === undefined ? 'FAILED' : fault, { path: this.path, reason: 'the drive is failed' });
  }

  async #probeNow(): Promise<void> {
    try {
      await this.#call({ kind: 'probe' });
    } catch (error) {
      this.#apply({ kind: 'tick' }, 'it did not recover in time');
      throw error;
    }
    this.#apply({ kind: 'probed', fault: undefined }, 'it answers again');
  }

  #probeIfIll(): void {
    if (this.#closing === undefined && wantsProbe(this.#health)) {
      this.probe().catch((error: unknown) => {
        this.#parts.logger.debug({ err: error, drive: this.number }, 'the drive is not well yet');
      });
    }
  }

  #fault(code: string, detail: string): void {
    // LATE is told once for all calls, by the clock; a call that is refused because of another one says nothing new.
    if (faults.has(code) && code !== 'LATE') {
      this.#apply({ kind: 'fault', fault: code as DriveFault }, `${code}: ${detail}`);
    }
  }

  #apply(event: DriveEvent, reason: string): void {
    const from = this.state;
    this.#health = nextDriveHealth(this.#health, event, { nowMs: performance.now(), limits: this.#limits });
    const to = this.state;
    if (from === to) {
      return;
    }
    const { logger } = this.#parts;
    logger.warn({ drive: this.number, path: this.path, from, to, reason }, 'the drive changed its state');
    for (const listener of this.#listeners) {
      listener({ from, to, reason });
    }
  }

  #forgetOldest(): void {
    for (const segment of this.#descriptors.keys()) {
      if (this.#descriptors.size <= descriptorsMax) {
        return;
      }
      if (segment === this.#written) {
        continue;
      }
      this.#descriptors.delete(segment);
      this.#markForgotten(segment, 1);
      this.#parts.calls
        .call({ kind: 'forget', segment })
        .catch((error: unknown) => this.#parts.logger.debug({ err: error, segment }, 'a descriptor stays open'))
        .finally(() => this.#markForgotten(segment, -1));
    }
  }

  #markForgotten(segment: number, by: number): void {
    const count = (this.#forgotten.get(segment) ?? 0) + by;
    if (count === 0) {
      this.#forgotten.delete(segment);
    } else {
      this.#forgotten.set(segment, count);
    }
  }

  /** A thread that hangs in the kernel cannot be ended: it is left behind, and keeps nothing alive. */
  async #close(): Promise<void> {
    clearInterval(this.#probing);
    this.#descriptors.clear();
    const { calls, worker, logger } = this.#parts;
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    try {
      await calls.call({ kind: 'close' });
      await exited;
    } catch (error) {
      logger.warn({ drive: this.number, path: this.path, reason: describeError(error) }, 'the thread of the drive is left behind');
      worker.unref();
    }
    calls.end(new DriveError('CLOSED', { path: this.path }));
  }
}

function isShared(view: Uint8Array): boolean {
  return view.buffer instanceof SharedArrayBuffer;
}

function shared(view: Uint8Array): Uint8Array {
  return isShared(view) ? view : padded(view);
}

/** A copy in whole blocks. */
function padded(view: Uint8Array): Uint8Array {
  const copy = allocateShared(Math.ceil(view.length / blockBytes) * blockBytes);
  copy.set(view);
  return copy;
}
