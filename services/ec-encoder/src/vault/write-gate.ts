/**
 * Lets writes of whole blocks go side by side, and a write that must first read what it leaves alone go by itself.
 *
 * A snapshot goes by itself too: while it does, no write of the volume is under way.
 */
export class WriteGate {
  #sharing = 0;
  #alone = false;
  #waiting: { readonly alone: boolean; readonly enter: () => void }[] = [];

  async shared<T>(work: () => Promise<T>): Promise<T> {
    if (this.#alone || this.#waiting.length > 0) {
      await new Promise<void>((enter) => this.#waiting.push({ alone: false, enter }));
    } else {
      this.#sharing += 1;
    }
    try {
      return await work();
    } finally {
      this.#sharing -= 1;
      this.#admit();
    }
  }

  async alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#alone || this.#sharing > 0) {
      await new Promise<void>((enter) => this.#waiting.push({ alone: true, enter }));
    } else {
      this.#alone = true;
    }
    try {
      return await work();
    } finally {
      this.#alone = false;
      this.#admit();
    }
  }

  /** In the order of their coming, so that nobody waits for ever. */
  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined && !this.#alone; next = this.#waiting[0]) {
      if (next.alone) {
        if (this.#sharing > 0) {
          return;
        }
        this.#alone = true;
      } else {
        this.#sharing += 1;
      }
      this.#waiting.shift();
      next.enter();
    }
  }
}
