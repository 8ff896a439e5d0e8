/** Memory for replies, used again and again: new memory costs more than what is done with it, as the kernel gives it page by page. */

const stepBytes = 262_144;
/** Of what lies idle. */
const keptBytesMax = 33_554_432;

export interface PooledMemory {
  readonly bytes: Buffer;
  /** Who still needs it: replies that are not sent, reads that are not done. */
  users: number;
}

export class MemoryPool {
  readonly #kept = new Map<number, PooledMemory[]>();
  #keptBytes = 0;

  take(lengthBytes: number): PooledMemory {
    const size = Math.ceil(lengthBytes / stepBytes) * stepBytes;
    const kept = this.#kept.get(size)?.pop();
    if (kept !== undefined) {
      this.#keptBytes -= size;
      return kept;
    }
    return { bytes: Buffer.allocUnsafeSlow(size), users: 0 };
  }

  give(memory: PooledMemory): void {
    const size = memory.bytes.length;
    if (this.#keptBytes + size > keptBytesMax) {
      return;
    }
    this.#keptBytes += size;
    const list = this.#kept.get(size);
    if (list === undefined) {
      this.#kept.set(size, [memory]);
    } else {
      list.push(memory);
    }
  }
}
