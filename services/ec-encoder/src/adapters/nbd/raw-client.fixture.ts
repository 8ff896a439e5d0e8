/** An NBD client that says exactly what a test tells it to, good or bad. Written from the protocol, not from the server's own tables. */
import { connect, type Socket } from 'node:net';
import type { NbdServer } from './server.ts';

export interface OptionReply {
  readonly option: number;
  readonly type: number;
  readonly data: Buffer;
}

export interface Reply {
  readonly isStructured: boolean;
  readonly cookie: bigint;
  readonly error: number;
  /** Of a structured reply. */
  readonly type: number;
  readonly flags: number;
  readonly data: Buffer;
}

export interface RequestInput {
  readonly type: number;
  readonly flags?: number;
  readonly cookie?: bigint;
  readonly offset?: bigint | number;
  readonly length?: number;
  readonly payload?: Buffer;
  readonly magic?: number;
}

export function request(o: RequestInput): Buffer {
  const header = Buffer.alloc(28);
  header.writeUInt32BE(o.magic ?? 0x25609513, 0);
  header.writeUInt16BE(o.flags ?? 0, 4);
  header.writeUInt16BE(o.type, 6);
  header.writeBigUInt64BE(o.cookie ?? 0n, 8);
  header.writeBigUInt64BE(BigInt(o.offset ?? 0), 16);
  header.writeUInt32BE(o.length ?? o.payload?.length ?? 0, 24);
  return Buffer.concat([header, o.payload ?? Buffer.alloc(0)]);
}

export function optionBytes(option: number, data: Buffer = Buffer.alloc(0), lengthBytes = data.length): Buffer {
  const header = Buffer.alloc(16);
  header.write('IHAVEOPT', 0, 'latin1');
  header.writeUInt32BE(option, 8);
  header.writeUInt32BE(lengthBytes, 12);
  return Buffer.concat([header, data]);
}

export function sized(text: string | Buffer, lengthBytes = text.length): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(lengthBytes, 0);
  return Buffer.concat([length, Buffer.from(text)]);
}

/** The data of INFO and GO. */
export function infoData(name: string, wanted: readonly number[] = []): Buffer {
  const rest = Buffer.alloc(2 + wanted.length * 2);
  rest.writeUInt16BE(wanted.length, 0);
  for (const [index, one] of wanted.entries()) {
    rest.writeUInt16BE(one, 2 + index * 2);
  }
  return Buffer.concat([sized(name), rest]);
}

/** The data of LIST_META_CONTEXT and SET_META_CONTEXT. */
export function contextData(name: string, queries: readonly string[]): Buffer {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(queries.length, 0);
  return Buffer.concat([sized(name), count, ...queries.map((query) => sized(query))]);
}

export class RawClient {
  readonly socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  #isOver = false;
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (piece: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, piece]);
      this.#wake();
    });
    const over = () => {
      this.#isOver = true;
      this.#wake();
    };
    socket.on('end', over);
    socket.on('close', over);
    socket.on('error', over);
  }

  static async connect(server: Pick<NbdServer, 'address'>): Promise<RawClient> {
    const { address } = server;
    const socket = typeof address === 'string' ? connect(address) : connect({ host: address.address, port: address.port });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawClient(socket);
  }

  /** Past the greeting. */
  static async greeted(server: Pick<NbdServer, 'address'>, flags = 3): Promise<RawClient> {
    const client = await RawClient.connect(server);
    await client.receive(18);
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(flags, 0);
    client.send(bytes);
    return client;
  }

  /** In the transmission phase. */
  static async ready(
    server: Pick<NbdServer, 'address'>,
    o: { name?: string; isStructured?: boolean; hasContext?: boolean } = {},
  ): Promise<RawClient> {
    const { name = 'vol', isStructured = true, hasContext = isStructured } = o;
    const client = await RawClient.greeted(server);
    if (isStructured) {
      client.send(optionBytes(8));
      await client.optionReply();
    }
    if (hasContext) {
      client.send(optionBytes(10, contextData(name, ['base:allocation'])));
      await client.optionReplies();
    }
    client.send(optionBytes(7, infoData(name)));
    await client.optionReplies();
    return client;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  send(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  /** Rejects where the server closes first. */
  async receive(lengthBytes: number): Promise<Buffer> {
    while (this.#bytes.length < lengthBytes) {
      if (this.#isOver) {
        throw new Error(`the server closed after ${this.#bytes.length} of ${lengthBytes} bytes`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#bytes.subarray(0, lengthBytes);
    this.#bytes = this.#bytes.subarray(lengthBytes);
    return taken;
  }

  /** Resolves with whatever came before the server closed. */
  async over(): Promise<Buffer> {
    while (!this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#bytes;
  }

  async optionReply(): Promise<OptionReply> {
    const header = await this.receive(20);
    if (header.readBigUInt64BE(0) !== 0x3e889045565a9n) {
      throw new Error('this is no reply to an option');
    }
    return { option: header.readUInt32BE(8), type: header.readUInt32BE(12), data: await this.receive(header.readUInt32BE(16)) };
  }

  /** To the acknowledgement or error that ends them. */
  async optionReplies(): Promise<OptionReply[]> {
    const replies: OptionReply[] = [];
    for (;;) {
      const reply = await this.optionReply();
      replies.push(reply);
      if (reply.type === 1 || reply.type >= 0x8000_0000) {
        return replies;
      }
    }
  }

  /** `dataBytes`: of a simple reply, which does not tell. */
  async reply(dataBytes = 0): Promise<Reply> {
    const start = await this.receive(16);
    if (start.readUInt32BE(0) === 0x67446698) {
      const error = start.readUInt32BE(4);
      const data = await this.receive(error === 0 ? dataBytes : 0);
      return { isStructured: false, cookie: start.readBigUInt64BE(8), error, type: -1, flags: 0, data };
    }
    if (start.readUInt32BE(0) !== 0x668e33ef) {
      throw new Error('this is no reply');
    }
    const data = await this.receive((await this.receive(4)).readUInt32BE(0));
    const type = start.readUInt16BE(6);
    const error = type >= 0x8000 ? data.readUInt32BE(0) : 0;
    return { isStructured: true, cookie: start.readBigUInt64BE(8), error, type, flags: start.readUInt16BE(4), data };
  }

  /** Sends and awaits the reply to it alone. */
  async ask(o: RequestInput, dataBytes = 0): Promise<Reply> {
    this.send(request(o));
    return await this.reply(dataBytes);
  }

  close(): void {
    this.socket.destroy();
  }
}
