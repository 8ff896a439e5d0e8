/** Reads and writes of the negotiation: few and small, so each is awaited. */
import type { Socket } from 'node:net';

export class OptionReader {
  readonly #socket: Socket;
  #wake: () => void = () => undefined;
  // One listener throughout: a socket that has some bytes calls each new one at once, which would be a loop without end.
  readonly #onEvent = () => this.#wake();

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('readable', this.#onEvent);
    socket.on('end', this.#onEvent);
    socket.on('close', this.#onEvent);
  }

  /** Undefined where the client is gone before so many bytes have come. What comes after them stays in the socket. */
  async read(lengthBytes: number): Promise<Buffer | undefined> {
    const socket = this.#socket;
    if (lengthBytes === 0) {
      return Buffer.alloc(0);
    }
    for (;;) {
      const bytes = socket.read(lengthBytes) as Buffer | null;
      if (bytes !== null) {
        return bytes.length === lengthBytes ? bytes : undefined;
      }
      if (socket.readableEnded || socket.destroyed) {
        return undefined;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The socket is another's to read then. */
  async release(): Promise<void> {
    this.#socket.removeListener('readable', this.#onEvent);
    this.#socket.removeListener('end', this.#onEvent);
    this.#socket.removeListener('close', this.#onEvent);
    // The socket takes note of it a little later.
    await new Promise(setImmediate);
  }
}

/** Resolves when the socket takes more; false where it never will. */
export async function writeAll(socket: Socket, bytes: Buffer): Promise<boolean> {
  if (socket.destroyed || socket.writableEnded) {
    return false;
  }
  if (!socket.write(bytes)) {
    await new Promise<void>((resolve) => {
      const done = () => {
        socket.removeListener('drain', done);
        socket.removeListener('close', done);
        resolve();
      };
      socket.on('drain', done);
      socket.on('close', done);
    });
  }
  return !socket.destroyed;
}
