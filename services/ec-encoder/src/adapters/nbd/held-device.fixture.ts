/** A device whose reads are done when a test says so, in the order in which it says so. */
import { MemoryDevice } from './memory-device.fixture.ts';

export class HeldDevice extends MemoryDevice {
  /** Reads at these offsets are done at once, without a promise. */
  readonly atOnce = new Set<number>();
  readonly #held = new Map<number, { done: () => void; failed: (error: Error) => void }>();

  constructor(sizeBytes: number) {
    super(sizeBytes);
    for (let at = 0; at < sizeBytes; at += 1) {
      this.bytes[at] = (at * 31 + (at >>> 8)) & 0xff;
    }
  }

  /** Offsets of reads that are under way. */
  get heldOffsets(): number[] {
    return [...this.#held.keys()];
  }

  override read(offsetBytes: number, into: Uint8Array): Promise<void> | undefined {
    if (this.atOnce.has(offsetBytes)) {
      return super.read(offsetBytes, into);
    }
    return new Promise((resolve, reject) => {
      this.#held.set(offsetBytes, {
        done: () => {
          super.read(offsetBytes, into);
          resolve();
        },
        failed: reject,
      });
    });
  }

  override isHole(): boolean {
    return false;
  }

  release(offsetBytes: number, error?: Error): void {
    const held = this.#held.get(offsetBytes);
    this.#held.delete(offsetBytes);
    if (error === undefined) {
      held?.done();
    } else {
      held?.failed(error);
    }
  }
}
