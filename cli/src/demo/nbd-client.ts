/** A small NBD client, so that the demonstration comes to a volume by the way of everybody else's clients. Simple replies, many requests at a time. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { CliError } from '../errors.ts';

/** Numbers of the protocol, taken from it and not from the server. */
const greetingMagic = 0x4e42_444d_4147_4943n;
const optionMagic = 0x4948_4156_454f_5054n;
const optionReplyMagic = 0x0003_e889_0455_65a9n;
const requestMagic = 0x2560_9513;
const simpleReplyMagic = 0x6744_6698;
const requestBytes = 28;
const simpleReplyBytes = 16;
const optionGo = 7;
const optionReply = { ack: 1, info: 3 } as const;
const infoExport = 0;
const command = { read: 0, write: 1, disconnect: 2, flush: 3 } as const;

interface Waiting {
  /** Of the data behind the reply. */
  readonly lengthBytes: number;
  readonly resolve: (data: Buffer) => void;
  readonly reject: (error: Error) => void;
}

export class NbdClient {
  readonly sizeBytes: number;
  readonly #socket: Socket;
  readonly #incoming: Incoming;
  readonly #waiting = new Map<bigint, Waiting>();
  #cookie = 0n;

  private constructor(socket: Socket, incoming: Incoming, sizeBytes: number) {
    this.#socket = socket;
    this.#incoming = incoming;
    this.sizeBytes = sizeBytes;
    this.#receive().catch((error: Error) => this.#fail(error));
  }

  static async connect(o: { unixPath: string; name: string }): Promise<NbdClient> {
    const socket = connect(o.unixPath);
    try {
      await once(socket, 'connect');
      const incoming = new Incoming(socket);
      return new NbdClient(socket, incoming, await negotiate(socket, incoming, o.name));
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  read(offsetBytes: number, lengthBytes: number): Promise<Buffer> {
    return this.#request({ type: command.read, offsetBytes, lengthBytes, replyBytes: lengthBytes });
  }

  async write(offsetBytes: number, data: Uint8Array): Promise<void> {
    await this.#request({ type: command.write, offsetBytes, lengthBytes: data.byteLength, payload: data });
  }

  /** What was written before is durable once it resolves. */
  async flush(): Promise<void> {
    await this.#request({ type: command.flush, offsetBytes: 0, lengthBytes: 0 });
  }

  async close(): Promise<void> {
    const closed = this.#socket.closed ? undefined : once(this.#socket, 'close');
    this.#socket.end(requestOf({ type: command.disconnect, cookie: 0n, offsetBytes: 0, lengthBytes: 0 }));
    await closed;
  }

  #request(o: { type: number; offsetBytes: number; lengthBytes: number; replyBytes?: number; payload?: Uint8Array }): Promise<Buffer> {
    this.#cookie += 1n;
    const cookie = this.#cookie;
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) {
        reject(broken('the connection is closed'));
        return;
      }
      this.#waiting.set(cookie, { lengthBytes: o.replyBytes ?? 0, resolve, reject });
      this.#socket.write(requestOf({ ...o, cookie }));
      if (o.payload !== undefined) {
        this.#socket.write(o.payload);
      }
    });
  }

  async #receive(): Promise<void> {
    for (;;) {
      const head = await this.#incoming.take(simpleReplyBytes);
      const cookie = head.readBigUInt64BE(8);
      const waiting = this.#waiting.get(cookie);
      if (head.readUInt32BE(0) !== simpleReplyMagic || waiting === undefined) {
        throw broken('a reply that belongs to no request');
      }
      const error = head.readUInt32BE(4);
      const data = error === 0 && waiting.lengthBytes > 0 ? await this.#incoming.take(waiting.lengthBytes) : Buffer.alloc(0);
      this.#waiting.delete(cookie);
      if (error === 0) {
        waiting.resolve(data);
      } else {
        waiting.reject(broken(`error ${error}`));
      }
    }
  }

  #fail(error: Error): void {
    this.#socket.destroy();
    for (const { reject } of this.#waiting.values()) {
      reject(error);
    }
    this.#waiting.clear();
  }
}

/** Resolves with the size of the export. */
async function negotiate(socket: Socket, incoming: Incoming, name: string): Promise<number> {
  const greeting = await incoming.take(18);
  if (greeting.readBigUInt64BE(0) !== greetingMagic || greeting.readBigUInt64BE(8) !== optionMagic) {
    throw broken('what answers is no NBD server');
  }
  const nameBytes = Buffer.from(name);
  const hello = Buffer.alloc(4 + 16 + 4 + nameBytes.length + 2);
  // Fixed newstyle, and none of the 124 zeros.
  hello.writeUInt32BE(3, 0);
  hello.writeBigUInt64BE(optionMagic, 4);
  hello.writeUInt32BE(optionGo, 12);
  hello.writeUInt32BE(4 + nameBytes.length + 2, 16);
  hello.writeUInt32BE(nameBytes.length, 20);
  nameBytes.copy(hello, 24);
  socket.write(hello);
  let sizeBytes: number | undefined;
  for (;;) {
    const head = await incoming.take(20);
    const type = head.readUInt32BE(12);
    const lengthBytes = head.readUInt32BE(16);
    const data = lengthBytes === 0 ? Buffer.alloc(0) : await incoming.take(lengthBytes);
    if (head.readBigUInt64BE(0) !== optionReplyMagic) {
      throw broken('no reply to an option');
    }
    if (type === optionReply.info && data.readUInt16BE(0) === infoExport) {
      sizeBytes = Number(data.readBigUInt64BE(2));
    } else if (type === optionReply.ack && sizeBytes !== undefined) {
      return sizeBytes;
    } else if (type !== optionReply.info) {
      throw broken(`${name} is refused: ${data.toString('utf8') || `reply ${type}`}`);
    }
  }
}

function requestOf(o: { type: number; cookie: bigint; offsetBytes: number; lengthBytes: number }): Buffer {
  const header = Buffer.alloc(requestBytes);
  header.writeUInt32BE(requestMagic, 0);
  header.writeUInt16BE(o.type, 6);
  header.writeBigUInt64BE(o.cookie, 8);
  header.writeBigUInt64BE(BigInt(o.offsetBytes), 16);
  header.writeUInt32BE(o.lengthBytes, 24);
  return header;
}

/** What the server has sent, taken in pieces of known lengths, one after the other. At most what was asked for is ever held. */
class Incoming {
  readonly #chunks: Buffer[] = [];
  #heldBytes = 0;
  #wanted: { readonly lengthBytes: number; readonly resolve: (data: Buffer) => void; readonly reject: (error: Error) => void } | undefined;
  #ended: Error | undefined;

  constructor(socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#heldBytes += chunk.length;
      this.#serve();
    });
    const onEnd = (cause?: Error): void => {
      this.#ended ??= cause ?? broken('the connection ended');
      this.#wanted?.reject(this.#ended);
      this.#wanted = undefined;
    };
    socket
      .on('error', onEnd)
      .on('end', () => onEnd())
      .on('close', () => onEnd());
  }

  take(lengthBytes: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#wanted = { lengthBytes, resolve, reject };
      this.#serve();
    });
  }

  #serve(): void {
    const wanted = this.#wanted;
    if (wanted === undefined) {
      return;
    }
    if (this.#heldBytes >= wanted.lengthBytes) {
      const held = Buffer.concat(this.#chunks.splice(0));
      const rest = held.subarray(wanted.lengthBytes);
      this.#heldBytes = rest.length;
      this.#chunks.push(rest);
      this.#wanted = undefined;
      wanted.resolve(held.subarray(0, wanted.lengthBytes));
    } else if (this.#ended !== undefined) {
      this.#wanted = undefined;
      wanted.reject(this.#ended);
    }
  }
}

function broken(problem: string): Error {
  return new CliError('NBD_FAILED', { problem });
}
