/** A process of the world: it may die, or stand still for a while, between any two of its operations. */
import type { SimTime } from './sim-time.ts';

const never = new Promise<never>(() => undefined);

export class SimProcess {
  readonly name: string;
  alive = true;
  /** Operations done so far. */
  operations = 0;
  /** By this much the wall clock of its host differs from that of the world. */
  wallOffsetMs = 0;
  readonly #time: SimTime;
  readonly #onDied: () => void;
  /** Its monotonic clock began to count when it started: no two processes agree on it. */
  readonly #startedAtMs: number;
  #pausedUntilMs = 0;
  #diesAt = Number.POSITIVE_INFINITY;
  #pausesAt = Number.POSITIVE_INFINITY;
  #pauseMs = 0;

  constructor(o: { name: string; time: SimTime; onDied: () => void }) {
    this.name = o.name;
    this.#time = o.time;
    this.#onDied = o.onDied;
    this.#startedAtMs = o.time.now();
  }

  get paused(): boolean {
    return this.#time.now() < this.#pausedUntilMs;
  }

  dieAfter(operations: number): void {
    this.#diesAt = this.operations + operations;
  }

  pauseAfter(operations: number, ms: number): void {
    this.#pausesAt = this.operations + operations;
    this.#pauseMs = ms;
  }

  spare(): void {
    this.#diesAt = Number.POSITIVE_INFINITY;
    this.#pausesAt = Number.POSITIVE_INFINITY;
  }

  kill(): void {
    if (this.alive) {
      this.alive = false;
      this.#onDied();
    }
  }

  /** Between two operations: here it dies or stands still. Never returns in a dead process. Gives whether it stood still. */
  step = (): Promise<boolean> => {
    this.operations += 1;
    if (this.operations >= this.#diesAt) {
      this.kill();
    }
    if (this.operations >= this.#pausesAt) {
      this.#pausesAt = Number.POSITIVE_INFINITY;
      this.#pausedUntilMs = this.#time.now() + this.#pauseMs;
    }
    return this.goOn();
  };

  /** As soon as the process runs. */
  goOn(): Promise<boolean> {
    if (!this.alive) {
      return never;
    }
    if (!this.paused) {
      return Promise.resolve(false);
    }
    return new Promise((resolve) => {
      this.#time.at(this.#pausedUntilMs, () => void this.goOn().then(() => resolve(true)));
    });
  }

  /** Runs something in this process as soon as it runs; not at all in a dead one. */
  deliver(act: () => void): void {
    if (!this.alive) {
      return;
    }
    if (this.paused) {
      this.#time.at(this.#pausedUntilMs, () => this.deliver(act));
      return;
    }
    act();
  }

  /** Its monotonic clock. */
  now = (): number => 1_000 + this.#time.now() - this.#startedAtMs;

  sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const abort = (): void => this.deliver(() => reject(signal?.reason as Error));
      signal?.addEventListener('abort', abort, { once: true });
      this.#time.after(ms, () =>
        this.deliver(() => {
          signal?.removeEventListener('abort', abort);
          resolve();
        }),
      );
    });
}
