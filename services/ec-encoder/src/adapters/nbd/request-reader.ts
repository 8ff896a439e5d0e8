/** Requests cut out of what arrives, in whatever pieces it does. Keeps views of the pieces, and never more than one request that is not whole. */
import { NbdPayload } from '../../domain/nbd-payload.ts';
import { command, requestBytes } from '../../domain/nbd-protocol.ts';
import { decodeRequest, type NbdRequest } from '../../domain/nbd-request.ts';

export type ReadStep = 'request' | 'payload' | 'skipped' | 'need-more' | 'bad-magic';

export class RequestReader {
  readonly #header = Buffer.alloc(requestBytes);
  #headerBytes = 0;
  readonly #pieces: Buffer[] = [];
  #at = 0;
  #payload: NbdPayload | undefined;
  #skippedBytes = 0;
  #isSkipping = false;
  #request: NbdRequest | undefined;

  add(piece: Buffer): void {
    this.#pieces.push(piece);
  }

  /** The last that was read. */
  get request(): NbdRequest {
    if (this.#request === undefined) {
      throw new Error('no request was read');
    }
    return this.#request;
  }

  get hasPieces(): boolean {
    return this.#pieces.length > 0;
  }

  /** Some of a request is here, and some is not. */
  get isInRequest(): boolean {
    return this.#headerBytes > 0 || this.#payload !== undefined || this.#isSkipping;
  }

  /** `request`: there is one; a write's payload is to be taken or skipped next. `payload`: takePayload has it. `skipped`: it has been read over. */
  step(): ReadStep {
    if (this.#payload !== undefined) {
      return this.#readPayload(this.#payload);
    }
    return this.#isSkipping ? this.#skip() : this.#readHeader();
  }

  expectPayload(): void {
    this.#payload = new NbdPayload(this.request.lengthBytes);
  }

  skipPayload(): void {
    this.#skippedBytes = this.request.type === command.write ? this.request.lengthBytes : 0;
    this.#isSkipping = true;
  }

  takePayload(): readonly Uint8Array[] {
    const chunks = this.#payload?.chunks ?? [];
    this.#payload = undefined;
    return chunks;
  }

  clear(): void {
    this.#pieces.length = 0;
    this.#at = 0;
    this.#headerBytes = 0;
    this.#payload = undefined;
    this.#isSkipping = false;
  }

  #readHeader(): ReadStep {
    for (;;) {
      const piece = this.#pieces[0];
      if (piece === undefined) {
        return 'need-more';
      }
      if (this.#headerBytes === 0 && piece.length - this.#at >= requestBytes) {
        this.#request = decodeRequest(piece, this.#at);
        this.#advance(piece, requestBytes);
        return this.#request === undefined ? 'bad-magic' : 'request';
      }
      const taken = Math.min(requestBytes - this.#headerBytes, piece.length - this.#at);
      piece.copy(this.#header, this.#headerBytes, this.#at, this.#at + taken);
      this.#headerBytes += taken;
      this.#advance(piece, taken);
      if (this.#headerBytes === requestBytes) {
        this.#headerBytes = 0;
        this.#request = decodeRequest(this.#header, 0);
        return this.#request === undefined ? 'bad-magic' : 'request';
      }
    }
  }

  #readPayload(payload: NbdPayload): ReadStep {
    while (payload.missingBytes > 0) {
      const piece = this.#pieces[0];
      if (piece === undefined) {
        return 'need-more';
      }
      const taken = Math.min(payload.missingBytes, piece.length - this.#at);
      payload.add(piece.subarray(this.#at, this.#at + taken));
      this.#advance(piece, taken);
    }
    return 'payload';
  }

  #skip(): ReadStep {
    while (this.#skippedBytes > 0) {
      const piece = this.#pieces[0];
      if (piece === undefined) {
        return 'need-more';
      }
      const taken = Math.min(this.#skippedBytes, piece.length - this.#at);
      this.#skippedBytes -= taken;
      this.#advance(piece, taken);
    }
    this.#isSkipping = false;
    return 'skipped';
  }

  #advance(piece: Buffer, bytes: number): void {
    this.#at += bytes;
    if (this.#at === piece.length) {
      this.#pieces.shift();
      this.#at = 0;
    }
  }
}
