/**
 * What was written and zeroed, in the order of the lsn: where a step of destage begins and how far it gets. 20 bytes for each record that is not
 * released yet, dropped in chunks. Most of an old record may have been overwritten since; the map knows that, not this.
 */
export interface Run {
  readonly isZero: boolean;
  readonly layer: number;
  readonly first: number;
  /** Inclusive. */
  readonly last: number;
  readonly lsn: number;
}

/** On the word of the layer, which has 21 bits. */
const zeroFlag = 2 ** 31;

interface Chunk {
  readonly layers: Uint32Array;
  readonly firsts: Uint32Array;
  readonly lasts: Uint32Array;
  readonly lsns: Float64Array;
  count: number;
}

export class RunLog {
  readonly #perChunk: number;
  readonly #chunks: Chunk[] = [];
  /** Of the first chunk. */
  #released = 0;

  constructor(perChunk: number) {
    this.#perChunk = perChunk;
  }

  /** Never a lower lsn than before. A block that continues the last run, of the same record, makes it longer. */
  addBlock(layer: number, block: number, lsn: number): void {
    const chunk = this.#chunks.at(-1);
    const at = (chunk?.count ?? 0) - 1;
    if (chunk?.lsns[at] === lsn && chunk.layers[at] === layer && (chunk.lasts[at] ?? 0) + 1 === block) {
      chunk.lasts[at] = block;
    } else {
      this.add({ isZero: false, layer, first: block, last: block, lsn });
    }
  }

  add(run: Run): void {
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || chunk.count === this.#perChunk) {
      chunk = emptyChunk(this.#perChunk);
      this.#chunks.push(chunk);
    }
    chunk.layers[chunk.count] = run.isZero ? run.layer + zeroFlag : run.layer;
    chunk.firsts[chunk.count] = run.first;
    chunk.lasts[chunk.count] = run.last;
    chunk.lsns[chunk.count] = run.lsn;
    chunk.count += 1;
  }

  /** From the oldest that is not dropped. */
  *upTo(lsn: number): Iterable<Run> {
    let at = this.#released;
    for (const chunk of this.#chunks) {
      for (; at < chunk.count; at += 1) {
        const lsnHere = chunk.lsns[at] ?? 0;
        if (lsnHere > lsn) {
          return;
        }
        const layer = chunk.layers[at] ?? 0;
        const isZero = layer >= zeroFlag;
        const [first, last] = [chunk.firsts[at] ?? 0, chunk.lasts[at] ?? 0];
        yield { isZero, layer: isZero ? layer - zeroFlag : layer, first, last, lsn: lsnHere };
      }
      at = 0;
    }
  }

  dropThrough(lsn: number): void {
    for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
      if ((chunk.lsns[chunk.count - 1] ?? 0) > lsn) {
        while ((chunk.lsns[this.#released] ?? 0) <= lsn) {
          this.#released += 1;
        }
        return;
      }
      this.#chunks.shift();
      this.#released = 0;
    }
  }
}

function emptyChunk(length: number): Chunk {
  return {
    layers: new Uint32Array(length),
    firsts: new Uint32Array(length),
    lasts: new Uint32Array(length),
    lsns: new Float64Array(length),
    count: 0,
  };
}
