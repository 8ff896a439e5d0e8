/** Memory that threads share, so that a message between them carries an address and no bytes. */

/** A view of memory of its own, zeroed. */
export function allocateShared(lengthBytes: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(lengthBytes));
}

/** What was given back, by length, up to a bound; the rest is left to the garbage collector. Clearing new memory costs more than most reads. */
export class SharedPool {
  readonly #keptBytesMax: number;
  readonly #free = new Map<number, Uint8Array[]>();
  #keptBytes = 0;

  constructor(keptBytesMax = 32 * 1024 * 1024) {
    this.#keptBytesMax = keptBytesMax;
  }

  /** Its content is what the last user left. */
  take(lengthBytes: number): Uint8Array {
    const buffer = this.#free.get(lengthBytes)?.pop();
    if (buffer === undefined) {
      return allocateShared(lengthBytes);
    }
    this.#keptBytes -= lengthBytes;
    return buffer;
  }

  /** Nobody may use the buffer after this. Only what `take` gave, and once. */
  give(buffer: Uint8Array): void {
    if (this.#keptBytes + buffer.length > this.#keptBytesMax) {
      return;
    }
    this.#keptBytes += buffer.length;
    const kept = this.#free.get(buffer.length);
    if (kept === undefined) {
      this.#free.set(buffer.length, [buffer]);
    } else {
      kept.push(buffer);
    }
  }
}
