/** Time that passes only when nobody has anything left to do: hours in milliseconds, in the same order every time. */
export class VirtualTime {
  #nowMs = 0;
  #skewMs = 0;
  #timers: { dueMs: number; order: number; wake: () => void }[] = [];
  #order = 0;

  now = (): number => this.#nowMs;

  /** The migrators' wall clock, which may jump: what they write down, never what they wait by. */
  wall = (): number => this.#nowMs + this.#skewMs;

  jump(ms: number): void {
    this.#skewMs += ms;
  }

  sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      this.#order += 1;
      const abort = (): void => reject(signal?.reason as Error);
      const wake = (): void => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#timers.push({ dueMs: this.#nowMs + ms, order: this.#order, wake });
    });

  /** Runs until `done` settles. Throws where nothing is left that could settle it, or `limitMs` of virtual time have passed. */
  async run<T>(done: Promise<T>, limitMs: number): Promise<T> {
    let settled = false;
    done.then(
      () => (settled = true),
      () => (settled = true),
    );
    for (;;) {
      // A turn of the event loop drains every promise that can go on without time passing.
      await new Promise((resolve) => setImmediate(resolve));
      if (settled) {
        return done;
      }
      this.#timers.sort((left, right) => left.dueMs - right.dueMs || left.order - right.order);
      const next = this.#timers.shift();
      if (next === undefined) {
        throw new Error(`at ${this.#nowMs} ms everybody waits and nothing is due`);
      }
      if (next.dueMs > limitMs) {
        throw new Error(`not over after ${limitMs} ms of virtual time`);
      }
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.wake();
    }
  }
}
