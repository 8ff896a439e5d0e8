/**
 * The calls that the thread of a copy has not answered yet, with their deadline.
 *
 * A call that is late is rejected. Until the thread answers it after all, whatever else is asked is refused at once instead of waiting behind it.
 */
import type { CopyCall, CopyReport } from './copy-protocol.ts';
import { JournalError } from './errors.ts';

interface Call {
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;
const nothing = new Uint8Array(0);

export class CopyCalls {
  readonly #path: string;
  readonly #deadlineMs: number;
  readonly #send: (call: CopyCall) => void;
  readonly #calls = new Map<number, Call>();
  readonly #late = new Set<number>();
  #lastId = 0;
  #ended: Error | undefined;

  constructor(o: { path: string; deadlineMs: number; send: (call: CopyCall) => void }) {
    this.#path = o.path;
    this.#deadlineMs = o.deadlineMs;
    this.#send = o.send;
  }

  get isLate(): boolean {
    return this.#late.size > 0;
  }

  /** Rejects what the thread says of the file system, and LATE. */
  call(call: WithoutId<CopyCall>): Promise<Uint8Array> {
    if (this.#ended !== undefined) {
      return Promise.reject(this.#ended);
    }
    if (this.isLate) {
      return Promise.reject(new JournalError('LATE', { path: this.#path, reason: 'an earlier call has not come back' }));
    }
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      // Answers that wait for this very loop, which may have been stopped for as long, come first.
      const timer = setTimeout(() => setImmediate(() => this.#giveUp(id)), this.#deadlineMs).unref();
      this.#calls.set(id, { resolve, reject, timer });
      this.#send({ ...call, id });
    });
  }

  settle({ id, bytes, problem }: Extract<CopyReport, { kind: 'answer' }>): void {
    this.#late.delete(id);
    const call = this.#take(id);
    if (problem === undefined) {
      call?.resolve(bytes ?? nothing);
    } else {
      call?.reject(new Error(`${this.#path}: ${problem}`));
    }
  }

  /** Rejects them all, and all later ones. */
  end(error: Error): void {
    this.#ended ??= error;
    for (const id of [...this.#calls.keys()]) {
      this.#take(id)?.reject(this.#ended);
    }
  }

  #giveUp(id: number): void {
    const call = this.#take(id);
    if (call !== undefined) {
      this.#late.add(id);
      call.reject(new JournalError('LATE', { path: this.#path, waitedMs: this.#deadlineMs }));
    }
  }

  #take(id: number): Call | undefined {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    clearTimeout(call?.timer);
    return call;
  }
}
