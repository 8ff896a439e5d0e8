/**
 * A bounded cache whose hits cost one look-up: what was not asked for while a whole generation filled up goes. Keeps at most two generations.
 */
export class TwoGenerationCache<Key, Value> {
  readonly #weightMax: number;
  readonly #weigh: (value: Value) => number;
  #young = new Map<Key, Value>();
  #old = new Map<Key, Value>();
  #weight = 0;

  /** `weightMax` is that of one generation. */
  constructor(o: { weightMax: number; weigh: (value: Value) => number }) {
    this.#weightMax = o.weightMax;
    this.#weigh = o.weigh;
  }

  get(key: Key): Value | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) {
      return young;
    }
    const old = this.#old.get(key);
    if (old !== undefined) {
      this.set(key, old);
    }
    return old;
  }

  set(key: Key, value: Value): void {
    this.delete(key);
    this.#young.set(key, value);
    this.#weight += this.#weigh(value);
    if (this.#weight > this.#weightMax) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#weight = 0;
    }
  }

  delete(key: Key): void {
    const young = this.#young.get(key);
    if (young !== undefined) {
      this.#weight -= this.#weigh(young);
      this.#young.delete(key);
    }
    this.#old.delete(key);
  }
}
