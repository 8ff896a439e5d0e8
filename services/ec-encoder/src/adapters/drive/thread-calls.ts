/**
 * The calls that a drive's thread has not answered yet, with their deadlines.
 *
 * A call that is late is rejected, and what it was given is its caller's again. Its slot is kept until the thread answers, and until then the
 * thread counts as hung: whatever else is asked of it is refused at once instead of waiting behind.
 */
import type { Worker } from 'node:worker_threads';
import { type DriveAnswer, type DriveRequest, slotGivenUp, slotWaiting } from './drive-messages.ts';
import { DriveError } from './errors.ts';

/** More than an NBD client and all background work have in flight. */
const callsMax = 4096;

interface Call {
  readonly slot: number;
  readonly startedMs: number;
  readonly isBack: boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  isLate: boolean;
}

type DistributedOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
/** Without what is filled in here. */
export type CallRequest = DistributedOmit<DriveRequest, 'id' | 'slot'>;

export class ThreadCalls {
  readonly slots = new Int32Array(new SharedArrayBuffer(4 * callsMax));
  readonly #path: string;
  readonly #deadlineMs: number;
  readonly #onLate: () => void;
  readonly #calls = new Map<number, Call>();
  readonly #freeSlots = Array.from({ length: callsMax }, (_, index) => index);
  readonly #timer: NodeJS.Timeout;
  #worker: Worker | undefined;
  #lastId = 0;
  #answeredAtMs = 0;
  #late = 0;
  #ended: Error | undefined;

  constructor(o: { path: string; deadlineMs: number; onLate: () => void }) {
    this.#path = o.path;
    this.#deadlineMs = o.deadlineMs;
    this.#onLate = o.onLate;
    // Looked at once more after the answers that wait for this very loop, which may have been stopped for as long as the deadline.
    this.#timer = setInterval(() => setImmediate(() => this.#giveUpLate()), Math.max(5, o.deadlineMs / 8));
    this.#timer.unref();
  }

  get isHung(): boolean {
    return this.#late > 0;
  }

  attach(worker: Worker): void {
    this.#worker = worker;
  }

  call(request: CallRequest): Promise<unknown> {
    if (this.#ended !== undefined) {
      return Promise.reject(this.#ended);
    }
    const slot = this.isHung ? undefined : this.#freeSlots.pop();
    if (slot === undefined) {
      const reason = this.isHung ? 'an earlier call has not come back' : `${callsMax} calls wait already`;
      return Promise.reject(new DriveError('LATE', { path: this.#path, reason }));
    }
    this.#lastId += 1;
    const id = this.#lastId;
    Atomics.store(this.slots, slot, slotWaiting);
    const isBack = 'isBack' in request ? request.isBack : true;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { slot, startedMs: performance.now(), isBack, resolve, reject, isLate: false });
      this.#worker?.postMessage({ ...request, id, slot });
    });
  }

  settle(answer: DriveAnswer): void {
    const call = this.#calls.get(answer.id);
    if (call === undefined) {
      return;
    }
    this.#answeredAtMs = performance.now();
    this.#calls.delete(answer.id);
    this.#freeSlots.push(call.slot);
    if (call.isLate) {
      this.#late -= 1;
    } else if (answer.isOk) {
      call.resolve(answer.value);
    } else {
      call.reject(new DriveError(answer.code, { path: this.#path, errno: answer.errno, detail: answer.detail }));
    }
  }

  /** No answer will come any more. */
  end(error: Error): void {
    this.#ended ??= error;
    clearInterval(this.#timer);
    for (const call of this.#calls.values()) {
      call.reject(this.#ended);
    }
    this.#calls.clear();
    this.#late = 0;
  }

  #giveUpLate(): void {
    const nowMs = performance.now();
    let gaveUp = false;
    for (const call of this.#calls.values()) {
      // Back work may well wait behind front work: it is late only where the thread answers nobody.
      const sinceMs = call.isBack ? Math.max(call.startedMs, this.#answeredAtMs) : call.startedMs;
      if (call.isLate || nowMs - sinceMs < this.#deadlineMs) {
        continue;
      }
      Atomics.compareExchange(this.slots, call.slot, slotWaiting, slotGivenUp);
      call.isLate = true;
      this.#late += 1;
      gaveUp = true;
      call.reject(new DriveError('LATE', { path: this.#path, waitedMs: Math.round(nowMs - call.startedMs) }));
    }
    if (gaveUp) {
      this.#onLate();
    }
  }
}
