/** How far a rebuild has come, and how fast it goes. */

/** The rate is that of so long. */
const windowMs = 10_000;
const slices = 10;

export interface RebuildProgress {
  readonly isRunning: boolean;
  readonly stripesLeft: number;
  /** Since it last began. */
  readonly stripesDone: number;
  readonly bytesPerSecond: number;
  readonly etaSeconds?: number;
}

export class ProgressMeter {
  readonly #now: () => number;
  #slices: { readonly fromMs: number; bytes: number }[] = [];
  #begunAtMs: number | undefined;
  #done = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  begin(): void {
    if (this.#begunAtMs === undefined) {
      this.#begunAtMs = this.#now();
      this.#done = 0;
      this.#slices = [];
    }
  }

  end(): void {
    this.#begunAtMs = undefined;
  }

  stripeDone(bytes: number): void {
    this.#done += 1;
    const nowMs = this.#now();
    const last = this.#slices.at(-1);
    if (last !== undefined && nowMs - last.fromMs < windowMs / slices) {
      last.bytes += bytes;
      return;
    }
    this.#slices = [...this.#slices.filter(({ fromMs }) => nowMs - fromMs < windowMs), { fromMs: nowMs, bytes }];
  }

  progress(stripesLeft: number): RebuildProgress {
    const nowMs = this.#now();
    if (this.#begunAtMs === undefined) {
      return { isRunning: false, stripesLeft, stripesDone: this.#done, bytesPerSecond: 0 };
    }
    const elapsedMs = Math.max(1, nowMs - this.#begunAtMs);
    const bytes = this.#slices.filter(({ fromMs }) => nowMs - fromMs < windowMs).reduce((sum, slice) => sum + slice.bytes, 0);
    return {
      isRunning: true,
      stripesLeft,
      stripesDone: this.#done,
      bytesPerSecond: Math.round((bytes / Math.min(elapsedMs, windowMs)) * 1_000),
      ...(this.#done > 0 && { etaSeconds: Math.ceil(((elapsedMs / this.#done) * stripesLeft) / 1_000) }),
    };
  }
}
