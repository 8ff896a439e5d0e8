/**
 * JetStream's clock, as far as its timestamps tell: the brain's own clock decides nothing.
 *
 * A timestamp that has just arrived is never later than JetStream's present. So the latest present that any of the recent ones implies is
 * the best estimate, and time goes on from there by the monotonic clock. Estimates are forgotten after a while, so that a clock that was
 * set back is followed.
 */

/** An estimate counts for at least this long and at most twice as long. */
const periodMs = 5 * 60_000;

export class BusClock {
  readonly #monotonic: () => number;
  #periodStart: number;
  #current: number | undefined;
  #previous: number | undefined;

  /** @param o.monotonic milliseconds from anywhere, never set back */
  constructor(o: { monotonic: () => number } = { monotonic: () => performance.now() }) {
    this.#monotonic = o.monotonic;
    this.#periodStart = o.monotonic();
  }

  /** A timestamp that JetStream has given to something that was just read. */
  observe(stamp: Date): void {
    const nowMonotonic = this.#monotonic();
    const offset = stamp.getTime() - nowMonotonic;
    if (nowMonotonic - this.#periodStart >= periodMs) {
      this.#previous = this.#current;
      this.#current = undefined;
      this.#periodStart = nowMonotonic;
    }
    this.#current = Math.max(this.#current ?? offset, offset);
  }

  /** Epoch ms. Throws before the first timestamp. */
  now(): number {
    const offsets = [this.#current, this.#previous].filter((offset) => offset !== undefined);
    if (offsets.length === 0) {
      throw new TypeError('the bus clock was asked before any timestamp was seen');
    }
    return Math.round(Math.max(...offsets) + this.#monotonic());
  }
}
