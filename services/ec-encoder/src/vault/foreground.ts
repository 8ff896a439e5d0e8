/** How clients fare, for background work to keep out of their way. */

/** Requests that take longer than this on average are being held up. */
const slowMs = 10;
/** What is older says nothing of now. */
const recentMs = 200;
/** Of each new one in the average. */
const weight = 1 / 16;

export class Foreground {
  readonly #now: () => number;
  #averageMs = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  async timed<T>(work: () => Promise<T>): Promise<T> {
    const begunMs = this.#now();
    try {
      return await work();
    } finally {
      this.#lastMs = this.#now();
      this.#averageMs += (this.#lastMs - begunMs - this.#averageMs) * weight;
    }
  }

  isBusy(): boolean {
    return this.#averageMs > slowMs && this.#now() - this.#lastMs < recentMs;
  }
}
