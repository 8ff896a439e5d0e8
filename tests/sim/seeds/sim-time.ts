/** Virtual time of a whole world: what is due happens in its order, as soon as nobody has anything left to do. */

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly act: () => void;
}

export class SimTime {
  #nowMs = 0;
  #order = 0;
  /** A binary heap, the timer that is due first at its root. */
  readonly #heap: Timer[] = [];

  now = (): number => this.#nowMs;

  at(dueMs: number, act: () => void): void {
    this.#order += 1;
    const timer = { dueMs: Math.max(dueMs, this.#nowMs), order: this.#order, act };
    this.#heap.push(timer);
    let index = this.#heap.length - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#before(timer, parent)) {
        break;
      }
      this.#heap[index] = this.#heap[parent] as Timer;
      index = parent;
    }
    this.#heap[index] = timer;
  }

  after(ms: number, act: () => void): void {
    this.at(this.#nowMs + ms, act);
  }

  /** Lets time pass until `done` says so or `untilMs` has come. Gives whether it was done. */
  async run(untilMs: number, done: () => boolean = () => false): Promise<boolean> {
    for (;;) {
      // A turn of the event loop drains every promise that can go on without time passing.
      await new Promise((resolve) => setImmediate(resolve));
      if (done()) {
        return true;
      }
      const next = this.#heap[0];
      if (next === undefined || next.dueMs > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs);
        return false;
      }
      this.#pop();
      this.#nowMs = next.dueMs;
      next.act();
    }
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) {
      return;
    }
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= this.#heap.length) {
        break;
      }
      if (child + 1 < this.#heap.length && this.#before(this.#heap[child + 1] as Timer, child)) {
        child += 1;
      }
      if (this.#before(last, child)) {
        break;
      }
      this.#heap[index] = this.#heap[child] as Timer;
      index = child;
    }
    this.#heap[index] = last;
  }

  #before(timer: Timer, index: number): boolean {
    const other = this.#heap[index] as Timer;
    return timer.dueMs < other.dueMs || (timer.dueMs === other.dueMs && timer.order < other.order);
  }
}
