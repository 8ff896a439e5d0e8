/**
 * What the rows that a batch changes were before it. LMDB shows the batch as soon as it is committed; with these put over it, readers see what is
 * durable until it is flushed.
 */

/** A row as it is in LMDB, sealed. */
export interface SealedRow {
  readonly key: Buffer;
  readonly sealed: Buffer;
}

export interface RowRange {
  readonly start: Buffer;
  readonly end: Buffer;
  readonly limit: number;
}

export class RowsBefore {
  /** By key, in latin1: as such, keys compare like their bytes. Undefined where there was no row. */
  readonly #rows = new Map<string, Buffer | undefined>();
  #sorted: string[] | undefined;

  /** Takes `sealed` as its own. */
  add(key: Buffer, sealed: Buffer | undefined): void {
    this.#rows.set(key.toString('latin1'), sealed);
    this.#sorted = undefined;
  }

  has(key: Buffer): boolean {
    return this.#rows.has(key.toString('latin1'));
  }

  get(key: Buffer): Buffer | undefined {
    return this.#rows.get(key.toString('latin1'));
  }

  /** `read` gives the rows of LMDB, in order. Of these some go and others come in between, so it may be asked more than once. */
  range(range: RowRange, read: (range: RowRange) => SealedRow[]): SealedRow[] {
    const found: SealedRow[] = [];
    for (let { start } = range; ; ) {
      const now = read({ ...range, start });
      const last = now.at(-1);
      const isLast = last === undefined || now.length < range.limit;
      const end = isLast ? range.end : keyAfter(last.key);
      const kept = now.filter(({ key }) => !this.has(key));
      for (const row of [...kept, ...this.#between(start, end)].sort((a, b) => Buffer.compare(a.key, b.key))) {
        found.push(row);
      }
      if (isLast || found.length >= range.limit) {
        return found.slice(0, range.limit);
      }
      start = end;
    }
  }

  *#between(start: Buffer, end: Buffer): Generator<SealedRow> {
    this.#sorted ??= [...this.#rows.keys()].sort();
    const [from, to] = [start.toString('latin1'), end.toString('latin1')];
    for (let at = firstAtLeast(this.#sorted, from); at < this.#sorted.length; at += 1) {
      const key = this.#sorted[at];
      if (key === undefined || key >= to) {
        return;
      }
      const sealed = this.#rows.get(key);
      if (sealed !== undefined) {
        yield { key: Buffer.from(key, 'latin1'), sealed };
      }
    }
  }
}

/** The next key there can be. */
export function keyAfter(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.of(0)]);
}

function firstAtLeast(sorted: readonly string[], key: string): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? key) < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
