/**
 * The payload of a write, as it comes in: views of the socket's buffers, not copied.
 *
 * Only what comes in crumbs is copied together: each view costs some hundred bytes besides its own, which a client that sends single bytes
 * would make thousands of millions.
 */

const crumbBytes = 4_096;
const blockBytes = 65_536;

export class NbdPayload {
  readonly #chunks: Uint8Array[] = [];
  #missingBytes: number;
  /** Where crumbs go. */
  #block: Uint8Array | undefined;
  #blockUsedBytes = 0;
  /** The last chunk lies at the end of what is used of the block. */
  #endsInBlock = false;

  constructor(lengthBytes: number) {
    this.#missingBytes = lengthBytes;
  }

  get missingBytes(): number {
    return this.#missingBytes;
  }

  get chunks(): readonly Uint8Array[] {
    return this.#chunks;
  }

  /** At most as many as are missing. */
  add(view: Uint8Array): void {
    this.#missingBytes -= view.length;
    const isWhole = this.#chunks.length === 0 && this.#missingBytes === 0;
    if (isWhole || view.length >= crumbBytes) {
      this.#chunks.push(view);
      this.#endsInBlock = false;
    } else {
      this.#addCrumb(view);
    }
  }

  #addCrumb(crumb: Uint8Array): void {
    let block = this.#block;
    if (block === undefined || block.length - this.#blockUsedBytes < crumb.length) {
      block = new Uint8Array(Math.max(crumb.length, Math.min(blockBytes, crumb.length + this.#missingBytes)));
      this.#block = block;
      this.#blockUsedBytes = 0;
      this.#endsInBlock = false;
    }
    const from = this.#blockUsedBytes;
    this.#blockUsedBytes += crumb.length;
    block.set(crumb, from);
    const last = this.#endsInBlock ? this.#chunks.pop() : undefined;
    this.#chunks.push(block.subarray(from - (last?.length ?? 0), this.#blockUsedBytes));
    this.#endsInBlock = true;
  }
}
