/** A block device in memory, thin in steps of 4 KiB, whose answers tests can delay and spoil. */
import { defineErrors } from '@couchestor/shared/errors';
import type { BlockDevice, BlockStatus, NbdExports } from './block-device.ts';

const blockBytes = 4_096;

/** Codes as the vault's. */
export const DeviceError = defineErrors('VAULT', {
  NO_SPACE: { retry: true, help: 'There is no room.' },
  READ_ONLY: { retry: false, help: 'It cannot be written.' },
  BAD_RANGE: { retry: false, help: 'This is beyond the end.' },
  STOPPING: { retry: true, help: 'The vault stops.' },
  LOST: { retry: false, help: 'Too many shards are lost.' },
});

export class MemoryDevice implements BlockDevice {
  sizeBytes: number;
  isReadOnly = false;
  /** Reads take a turn of the event loop. */
  isSlow = false;
  /** Thrown by whatever is called next, again and again until it is unset. */
  failure: Error | undefined;
  /** What every call waits for. */
  gate: Promise<void> | undefined;
  readonly calls = { read: 0, write: 0, flush: 0, zero: 0, status: 0 };
  /** Of the last write. */
  chunkLengths: number[] = [];
  readonly #bytes: Uint8Array;
  readonly #isData: Uint8Array;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.#bytes = new Uint8Array(sizeBytes);
    this.#isData = new Uint8Array(Math.ceil(sizeBytes / blockBytes));
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  read(offsetBytes: number, into: Uint8Array): Promise<void> | undefined {
    this.calls.read += 1;
    if (this.gate !== undefined || this.isSlow) {
      return this.#readLater(offsetBytes, into);
    }
    this.#readNow(offsetBytes, into);
    return undefined;
  }

  async write(offsetBytes: number, data: readonly Uint8Array[]): Promise<void> {
    this.calls.write += 1;
    await this.#pass();
    this.chunkLengths = data.map((chunk) => chunk.length);
    let at = offsetBytes;
    for (const chunk of data) {
      this.#bytes.set(chunk, at);
      at += chunk.length;
    }
    this.#isData.fill(1, Math.floor(offsetBytes / blockBytes), Math.ceil(at / blockBytes));
  }

  async flush(): Promise<void> {
    this.calls.flush += 1;
    await this.#pass();
  }

  async zero(offsetBytes: number, lengthBytes: number): Promise<void> {
    this.calls.zero += 1;
    await this.#pass();
    const end = offsetBytes + lengthBytes;
    this.#bytes.fill(0, offsetBytes, end);
    const firstWhole = Math.ceil(offsetBytes / blockBytes);
    const afterWhole = end === this.sizeBytes ? this.#isData.length : Math.floor(end / blockBytes);
    if (firstWhole < afterWhole) {
      this.#isData.fill(0, firstWhole, afterWhole);
    }
  }

  async status(offsetBytes: number, lengthBytes: number): Promise<readonly BlockStatus[]> {
    this.calls.status += 1;
    await this.#pass();
    const found: BlockStatus[] = [];
    const end = offsetBytes + lengthBytes;
    for (let at = offsetBytes; at < end; ) {
      const next = Math.min(end, (Math.floor(at / blockBytes) + 1) * blockBytes);
      found.push({ lengthBytes: next - at, isHole: this.#isData[Math.floor(at / blockBytes)] === 0 });
      at = next;
    }
    return found;
  }

  isHole(offsetBytes: number, lengthBytes: number): boolean {
    const blocks = this.#isData.subarray(Math.floor(offsetBytes / blockBytes), Math.ceil((offsetBytes + lengthBytes) / blockBytes));
    return !blocks.includes(1);
  }

  async #readLater(offsetBytes: number, into: Uint8Array): Promise<void> {
    await new Promise(setImmediate);
    await this.#pass();
    this.#readNow(offsetBytes, into);
  }

  #readNow(offsetBytes: number, into: Uint8Array): void {
    if (this.failure !== undefined) {
      throw this.failure;
    }
    into.set(this.#bytes.subarray(offsetBytes, offsetBytes + into.length));
  }

  async #pass(): Promise<void> {
    await this.gate;
    if (this.failure !== undefined) {
      throw this.failure;
    }
  }
}

/** Exports that count who uses them. */
export class MemoryExports implements NbdExports {
  readonly #devices: ReadonlyMap<string, MemoryDevice>;
  inUse = 0;
  openFailure: Error | undefined;

  constructor(devices: Readonly<Record<string, MemoryDevice>>) {
    this.#devices = new Map(Object.entries(devices));
  }

  list() {
    return [...this.#devices.keys()].map((name) => ({ name, description: `the volume ${name}` }));
  }

  async open(name: string) {
    if (this.openFailure !== undefined) {
      throw this.openFailure;
    }
    const device = this.#devices.get(name);
    if (device === undefined) {
      return undefined;
    }
    this.inUse += 1;
    return {
      device,
      close: () => {
        this.inUse -= 1;
      },
    };
  }
}
