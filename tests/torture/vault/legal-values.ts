/**
 * Which values each unit of a volume may have.
 *
 * A value is legal if nobody can say that it was overwritten: its operation was begun, and no other that touched the unit was begun after it
 * had been answered and has been answered itself. So of operations at one time any counts, and of those that were not answered any or none.
 * Once a unit was read after a restart, what was read is what it has.
 */

interface Candidate {
  readonly id: number;
  readonly value: number;
}

/** When operations were begun and answered, on one clock. */
export class Times {
  #now = 1;
  readonly #begun = new Map<number, number>();
  readonly #done = new Map<number, number>();

  begin(id: number): void {
    this.#begun.set(id, this.#now++);
  }

  end(id: number): void {
    this.#done.set(id, this.#now++);
  }

  isBefore(one: number, other: number): boolean {
    const done = one === settledId ? 0 : this.#done.get(one);
    return done !== undefined && done < (this.#begun.get(other) ?? 0);
  }
}

/** Of what was there before. */
const settledId = 0;

export class LegalValues {
  readonly units: number;
  readonly #times: Times;
  /** Where only one value is legal. */
  readonly #settled: Int32Array;
  readonly #open = new Map<number, Candidate[]>();
  /** Of operations that were begun and did not count in the end: an index that is made anew may find them. */
  readonly #ghosts = new Map<number, Set<number>>();

  constructor(units: number, times: Times, from?: LegalValues) {
    this.units = units;
    this.#times = times;
    this.#settled = from === undefined ? new Int32Array(units) : Int32Array.from(from.#settled);
    if (from !== undefined) {
      for (const [unit, candidates] of from.#open) {
        this.#open.set(unit, [...candidates]);
      }
      for (const [unit, values] of from.#ghosts) {
        this.#ghosts.set(unit, new Set(values));
      }
    }
  }

  copy(): LegalValues {
    return new LegalValues(this.units, this.#times, this);
  }

  begin(id: number, o: { firstUnit: number; units: number; value: number }): void {
    for (let unit = o.firstUnit; unit < o.firstUnit + o.units; unit += 1) {
      const candidates = this.#open.get(unit) ?? [{ id: settledId, value: this.#settled[unit] ?? 0 }];
      candidates.push({ id, value: o.value });
      this.#open.set(unit, candidates);
    }
  }

  end(id: number, o: { firstUnit: number; units: number }): void {
    for (let unit = o.firstUnit; unit < o.firstUnit + o.units; unit += 1) {
      const left = (this.#open.get(unit) ?? []).filter((one) => !this.#times.isBefore(one.id, id));
      this.#ghosts.delete(unit);
      const [only] = left;
      if (left.length === 1 && only !== undefined) {
        this.#settled[unit] = only.value;
        this.#open.delete(unit);
      } else {
        this.#open.set(unit, left);
      }
    }
  }

  valuesAt(unit: number): number[] {
    return this.#open.get(unit)?.map(({ value }) => value) ?? [this.#settled[unit] ?? 0];
  }

  isLegal(unit: number, value: number, o: { withGhosts?: boolean } = {}): boolean {
    const candidates = this.#open.get(unit);
    const isCandidate = candidates === undefined ? this.#settled[unit] === value : candidates.some((one) => one.value === value);
    return isCandidate || (o.withGhosts === true && (this.#ghosts.get(unit)?.has(value) ?? false));
  }

  /** It was read when nothing was under way. */
  settle(unit: number, value: number): void {
    const others = this.valuesAt(unit).filter((one) => one !== value);
    if (others.length > 0) {
      const ghosts = this.#ghosts.get(unit) ?? new Set();
      for (const other of others) {
        ghosts.add(other);
      }
      this.#ghosts.set(unit, ghosts);
    }
    this.#settled[unit] = value;
    this.#open.delete(unit);
  }
}
