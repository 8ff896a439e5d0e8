/**
 * The ranges of a volume that are on their way into stripes past the journal.
 *
 * A write that overlaps one waits until it is in the map. So for each block the writes come into the map in the order of their lsn, which is
 * also the order by which an index made anew decides.
 */
interface DirectWrite {
  readonly firstBlock: number;
  readonly endBlock: number;
  readonly done: Promise<void>;
}

export class DirectWrites {
  readonly #open = new Set<DirectWrite>();

  /** Resolves once those that overlap now have ended: ask again then. Undefined where none does, which is the rule. */
  untilClear(firstBlock: number, blocks: number): Promise<void> | undefined {
    const ahead = [...this.#open].filter((write) => firstBlock < write.endBlock && firstBlock + blocks > write.firstBlock);
    return ahead.length === 0 ? undefined : Promise.all(ahead.map(({ done }) => done)).then(() => undefined);
  }

  /** To be called in the turn in which the range was found clear. The function given back ends it. */
  begin(firstBlock: number, blocks: number): () => void {
    let end: () => void = () => undefined;
    const done = new Promise<void>((resolve) => {
      end = resolve;
    });
    const write = { firstBlock, endBlock: firstBlock + blocks, done };
    this.#open.add(write);
    return () => {
      this.#open.delete(write);
      end();
    };
  }
}
