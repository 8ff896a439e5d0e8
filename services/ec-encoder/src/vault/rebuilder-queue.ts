/** Stripes that wait to be healed, those that could lose the least first. Bounded: what falls out is found again by the next scan. */

/** About 10 MiB of memory. */
const stripesMaxDefault = 100_000;

export class RebuildQueue {
  readonly #stripesMax: number;
  readonly #spareOf = new Map<number, number>();
  /** By spare shards; ids that were moved to another bucket stay behind in their old one, and are passed over. */
  readonly #buckets = new Map<number, number[]>();
  #overflowed = false;

  constructor(stripesMax = stripesMaxDefault) {
    this.#stripesMax = stripesMax;
  }

  get size(): number {
    return this.#spareOf.size;
  }

  /** Whether stripes fell out since the last `clearOverflow`. */
  get overflowed(): boolean {
    return this.#overflowed;
  }

  clearOverflow(): void {
    this.#overflowed = false;
  }

  add(stripeId: number, spare: number): void {
    const known = this.#spareOf.get(stripeId);
    if (known !== undefined && known <= spare) {
      return;
    }
    if (known === undefined && this.size >= this.#stripesMax && !this.#dropSafer(spare)) {
      this.#overflowed = true;
      return;
    }
    this.#spareOf.set(stripeId, spare);
    const bucket = this.#buckets.get(spare);
    if (bucket === undefined) {
      this.#buckets.set(spare, [stripeId]);
    } else {
      bucket.push(stripeId);
    }
  }

  take(): number | undefined {
    const stripeId = this.#pop(Math.min(...this.#buckets.keys()), (bucket) => bucket.pop());
    if (stripeId !== undefined) {
      this.#spareOf.delete(stripeId);
    }
    return stripeId ?? (this.#buckets.size > 0 ? this.take() : undefined);
  }

  /** Drops one that could lose more than this. */
  #dropSafer(spare: number): boolean {
    for (let safest = Math.max(...this.#buckets.keys()); safest > spare; safest = Math.max(...this.#buckets.keys())) {
      const stripeId = this.#pop(safest, (bucket) => bucket.pop());
      if (stripeId !== undefined) {
        this.#spareOf.delete(stripeId);
        this.#overflowed = true;
        return true;
      }
    }
    return false;
  }

  /** The next of a bucket that is still of it; the bucket goes when it is empty. */
  #pop(spare: number, next: (bucket: number[]) => number | undefined): number | undefined {
    const bucket = this.#buckets.get(spare) ?? [];
    for (let stripeId = next(bucket); stripeId !== undefined; stripeId = next(bucket)) {
      if (this.#spareOf.get(stripeId) === spare) {
        return stripeId;
      }
    }
    this.#buckets.delete(spare);
    return undefined;
  }
}
