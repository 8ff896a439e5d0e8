/** Ids of stripes, of which there may be millions: a bit for each, in chunks, because ids are given out in order. */
const chunkBits = 4096;

export class StripeSet {
  readonly #chunks = new Map<number, Uint32Array>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(stripeId: number): boolean {
    const { chunk, word, mask } = placeOfBit(stripeId);
    return ((this.#chunks.get(chunk)?.[word] ?? 0) & mask) !== 0;
  }

  /** Whether it is new. */
  add(stripeId: number): boolean {
    if (this.has(stripeId)) {
      return false;
    }
    const { chunk, word, mask } = placeOfBit(stripeId);
    const bits = this.#chunks.get(chunk) ?? new Uint32Array(chunkBits / 32);
    bits[word] = (bits[word] ?? 0) | mask;
    this.#chunks.set(chunk, bits);
    this.#size += 1;
    return true;
  }

  /** Whether it was there. */
  delete(stripeId: number): boolean {
    const { chunk, word, mask } = placeOfBit(stripeId);
    const bits = this.#chunks.get(chunk);
    if (bits === undefined || !this.has(stripeId)) {
      return false;
    }
    bits[word] = (bits[word] ?? 0) & ~mask;
    this.#size -= 1;
    if (bits.every((value) => value === 0)) {
      this.#chunks.delete(chunk);
    }
    return true;
  }

  *[Symbol.iterator](): Iterator<number> {
    for (const chunk of [...this.#chunks.keys()].sort((a, b) => a - b)) {
      for (let bit = 0; bit < chunkBits; bit += 1) {
        if (this.has(chunk * chunkBits + bit)) {
          yield chunk * chunkBits + bit;
        }
      }
    }
  }
}

function placeOfBit(stripeId: number): { chunk: number; word: number; mask: number } {
  const bit = stripeId % chunkBits;
  return { chunk: Math.floor(stripeId / chunkBits), word: bit >>> 5, mask: 1 << (bit & 31) };
}
