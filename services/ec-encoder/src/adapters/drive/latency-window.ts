/** How long the last calls took. */

const samplesMax = 256;
/** Sorting is put off until so many are new. */
const staleAfter = 16;

export class LatencyWindow {
  readonly #samples = new Float64Array(samplesMax);
  #count = 0;
  #sortedAt = 0;
  #p50Ms = 0;
  #p99Ms = 0;

  add(ms: number): void {
    this.#samples[this.#count % samplesMax] = ms;
    this.#count += 1;
  }

  /** Zeros before the first. */
  percentiles(): { p50Ms: number; p99Ms: number } {
    const fresh = this.#count - this.#sortedAt;
    if (fresh >= staleAfter || (fresh > 0 && this.#count <= staleAfter)) {
      const sorted = this.#samples.slice(0, Math.min(this.#count, samplesMax)).sort();
      this.#p50Ms = sorted[Math.floor(sorted.length * 0.5)] ?? 0;
      this.#p99Ms = sorted[Math.floor(sorted.length * 0.99)] ?? 0;
      this.#sortedAt = this.#count;
    }
    return { p50Ms: this.#p50Ms, p99Ms: this.#p99Ms };
  }
}
