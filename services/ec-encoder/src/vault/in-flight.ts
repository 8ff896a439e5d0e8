/** What is under way between its bytes being on the drives and the index pointing at them. */
import type { StripeRow } from '../domain/stripe.ts';

export class InFlight {
  readonly #work = new Set<Promise<unknown>>();
  readonly #held = new Map<string, number>();

  async track<T>(work: () => Promise<T>): Promise<T> {
    const running = work();
    this.#work.add(running);
    try {
      return await running;
    } finally {
      this.#work.delete(running);
    }
  }

  /** For what may take as long as a client likes: the segments of a stripe stay until the function given back is called. */
  hold(row: StripeRow): () => void {
    const keys = row.shards.flatMap((at) => (at === undefined ? [] : [keyOf(at.drive, at.segment)]));
    for (const key of keys) {
      this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
    }
    return () => {
      for (const key of keys) {
        const left = (this.#held.get(key) ?? 1) - 1;
        if (left === 0) {
          this.#held.delete(key);
        } else {
          this.#held.set(key, left);
        }
      }
    };
  }

  isHeld(drive: number, segment: number): boolean {
    return this.#held.has(keyOf(drive, segment));
  }

  /** Resolves once all that is under way now has ended, well or not. */
  async landed(): Promise<void> {
    await Promise.allSettled([...this.#work]);
  }
}

function keyOf(drive: number, segment: number): string {
  return `${drive}/${segment}`;
}
