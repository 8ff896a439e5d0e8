/**
 * One copy of the journal as the main thread sees it: its thread, how far it is synced, and its segments for reading.
 *
 * The main thread never opens nor reads a file here, as a disk may not answer. It knows the descriptors that the thread opened, which are the
 * whole process's, for reading what the page cache has; the thread closes none that it was not told to.
 */
import type { Worker } from 'node:worker_threads';
import { recordUnitBytes } from '../../domain/journal-record.ts';
import { startThread } from '../start-thread.ts';
import { CopyCalls } from './copy-calls.ts';
import { type CopyReport, type CopyThreadData, controlWords, type Forget, type Mark, threadStates } from './copy-protocol.ts';
import { within } from './deadlines.ts';
import { JournalError } from './errors.ts';
import type { JournalPlace } from './journal.ts';

export class JournalCopy {
  readonly place: JournalPlace;
  readonly number: number;
  /** Of the stream through the ring, in bytes. */
  syncedBytes = 0;
  isLive = true;
  /** Dropped because it did not answer. */
  isHung = false;
  reason: string | undefined;
  readonly #control: Int32Array;
  readonly #syncedAt: number;
  readonly #thread: Worker;
  readonly #calls: CopyCalls;
  readonly #descriptors = new Map<number, number>();
  #forgottenUpTo = 0;
  readonly #ended: Promise<void>;

  constructor(o: {
    place: JournalPlace;
    number: number;
    thread: CopyThreadData;
    /** Of a read. */
    deadlineMs: number;
    onSynced: () => void;
    onFailed: (copy: JournalCopy, reason: string) => void;
  }) {
    this.place = o.place;
    this.number = o.number;
    this.#control = new Int32Array(o.thread.control);
    this.#syncedAt = controlWords.firstCopy + o.thread.copy * controlWords.perCopy;
    this.#thread = startThread({ file: './copy-thread', from: import.meta.url, name: `journal-${o.number}`, workerData: o.thread });
    this.#calls = new CopyCalls({
      path: o.place.path,
      deadlineMs: o.deadlineMs,
      send: (call) => {
        this.#thread.postMessage(call);
        this.#wake();
      },
    });
    this.#thread.on('message', (report: CopyReport) => {
      if (report.kind === 'synced') {
        o.onSynced();
      } else if (report.kind === 'failed') {
        o.onFailed(this, report.reason);
      } else if (report.kind === 'answer') {
        this.#calls.settle(report);
      } else if (report.segment > this.#forgottenUpTo) {
        this.#descriptors.set(report.segment, report.descriptor);
      }
    });
    this.#thread.on('error', (error) => o.onFailed(this, error.message));
    this.#ended = new Promise((resolve) => {
      this.#thread.once('exit', () => {
        o.onFailed(this, 'its thread ended');
        resolve();
      });
    });
  }

  /** Looks how far the thread has come. */
  refresh(): void {
    const synced = Atomics.load(this.#control, this.#syncedAt);
    this.syncedBytes += ((synced - this.syncedBytes / recordUnitBytes) | 0) * recordUnitBytes;
  }

  mark(mark: Mark): void {
    this.#thread.postMessage(mark);
  }

  /** Its thread writes nothing more once the call that it is in has returned; one that hangs is left to it. */
  abandon(reason: string): void {
    this.isLive = false;
    this.reason = reason;
    this.#stop(threadStates.abandoned, reason);
    this.#thread.unref();
  }

  /** After what is in the ring. A thread that a disk does not let go of is left to it. */
  async close(timeoutMs: number): Promise<void> {
    this.#stop(threadStates.closing, 'the journal is closed');
    await within(timeoutMs, this.#ended);
    this.#thread.unref();
  }

  /** What a segment can be read through right now; its thread has to be asked where there is none. */
  descriptorOf(segment: number): number | undefined {
    return this.#descriptors.get(segment);
  }

  /** Has not answered in time, and not since. */
  get isLate(): boolean {
    return this.#calls.isLate;
  }

  /** By its thread. Rejects LATE, or what the file system says. */
  read(o: { segment: number; offsetBytes: number; lengthBytes: number }): Promise<Uint8Array> {
    return this.#calls.call({ kind: 'read', ...o });
  }

  /** Writes a block anew, of a segment that is not released. */
  async heal(o: { segment: number; offsetBytes: number; bytes: Uint8Array }): Promise<void> {
    await this.#calls.call({ kind: 'heal', ...o });
  }

  /** This segment and all before it are released. */
  forget(segment: number): void {
    this.#forgetDescriptors(segment);
    this.#thread.postMessage({ kind: 'forget', segment } satisfies Forget);
    this.#wake();
  }

  #forgetDescriptors(upTo: number): void {
    this.#forgottenUpTo = Math.max(this.#forgottenUpTo, upTo);
    for (const segment of this.#descriptors.keys()) {
      if (segment <= upTo) {
        this.#descriptors.delete(segment);
      }
    }
  }

  /** The thread closes its descriptors on its way out, so they are let go first. */
  #stop(state: number, reason: string): void {
    this.#forgetDescriptors(Number.POSITIVE_INFINITY);
    this.#calls.end(new JournalError('NO_COPY', { path: this.place.path, reason }));
    Atomics.store(this.#control, this.#syncedAt + 1, state);
    this.#wake();
  }

  #wake(): void {
    Atomics.add(this.#control, controlWords.wakes, 1);
    Atomics.notify(this.#control, controlWords.wakes);
  }
}
