/** A volume of a vault and what it must hold: written through NBD, read back and compared block by block. */
import { randomFillSync, randomInt } from 'node:crypto';
import { NbdClient } from './nbd-client.ts';

const blockBytes = 4_096;
const mebibyte = 2 ** 20;
/** As many as a client keeps under way. */
const writesInFlight = 32;
const readsInFlight = 8;

interface Range {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

interface Transfer {
  readonly bytes: number;
  readonly bytesPerSecond: number;
}

export class CheckedVolume {
  /** What it must hold. */
  readonly #expected: Buffer;
  readonly #volume: NbdClient;
  readonly #signal: AbortSignal;
  #bytesWritten = 0;

  private constructor(o: { volume: NbdClient; expected: Buffer; signal: AbortSignal }) {
    this.#volume = o.volume;
    this.#expected = o.expected;
    this.#signal = o.signal;
  }

  /** @param expected what it holds. Default: zeros. Its size is a multiple of 1 MiB. */
  static async open(o: { unixPath: string; name: string; expected?: Buffer; signal: AbortSignal }): Promise<CheckedVolume> {
    const volume = await NbdClient.connect(o);
    return new CheckedVolume({ volume, expected: o.expected ?? Buffer.alloc(volume.sizeBytes), signal: o.signal });
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  copyOfExpected(): Buffer {
    return Buffer.from(this.#expected);
  }

  /** Random bytes everywhere, in whole MiB. */
  async fill(): Promise<Transfer> {
    randomFillSync(this.#expected);
    return this.#timed(() => this.#each(this.#wholeMebibytes(), writesInFlight, (range) => this.#write(range)));
  }

  /** New bytes for blocks here and there. No block twice, for writes of one block that are under way at once may land in any order. */
  async writeBlocks(count: number): Promise<void> {
    const blocks = new Set<number>();
    while (blocks.size < count) {
      blocks.add(randomInt(this.#expected.length / blockBytes));
    }
    const ranges = [...blocks].map((block) => ({ offsetBytes: block * blockBytes, lengthBytes: blockBytes }));
    for (const { offsetBytes, lengthBytes } of ranges) {
      randomFillSync(this.#expected, offsetBytes, lengthBytes);
    }
    await this.#each(ranges, writesInFlight, (range) => this.#write(range));
    await this.#volume.flush();
  }

  /** Reads all of it. */
  async verify(): Promise<Transfer & { readonly wrongBlocks: number }> {
    let wrongBlocks = 0;
    const transfer = await this.#timed(() =>
      this.#each(this.#wholeMebibytes(), readsInFlight, async ({ offsetBytes, lengthBytes }) => {
        const found = await this.#volume.read(offsetBytes, lengthBytes);
        const wanted = this.#expected.subarray(offsetBytes, offsetBytes + lengthBytes);
        for (let at = 0; at < lengthBytes; at += blockBytes) {
          wrongBlocks += wanted.compare(found, at, at + blockBytes, at, at + blockBytes) === 0 ? 0 : 1;
        }
      }),
    );
    return { ...transfer, wrongBlocks };
  }

  close(): Promise<void> {
    return this.#volume.close();
  }

  async #write({ offsetBytes, lengthBytes }: Range): Promise<void> {
    await this.#volume.write(offsetBytes, this.#expected.subarray(offsetBytes, offsetBytes + lengthBytes));
    this.#bytesWritten += lengthBytes;
  }

  async #timed(run: () => Promise<void>): Promise<Transfer> {
    const beganMs = performance.now();
    await run();
    const bytes = this.#expected.length;
    return { bytes, bytesPerSecond: Math.round((bytes / Math.max(1, performance.now() - beganMs)) * 1_000) };
  }

  #wholeMebibytes(): Range[] {
    return Array.from({ length: this.#expected.length / mebibyte }, (_, index) => ({
      offsetBytes: index * mebibyte,
      lengthBytes: mebibyte,
    }));
  }

  /** So many at a time. Stops at the first that fails, or at Ctrl-C. */
  async #each(ranges: readonly Range[], atATime: number, run: (range: Range) => Promise<void>): Promise<void> {
    const left = ranges.values();
    const worker = async (): Promise<void> => {
      for (const range of left) {
        this.#signal.throwIfAborted();
        await run(range);
      }
    };
    await Promise.all(Array.from({ length: atATime }, worker));
  }
}
