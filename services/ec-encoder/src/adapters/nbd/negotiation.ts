/** The negotiation with one client, from the greeting to the choice of an export. */
import type { Socket } from 'node:net';
import { describeError } from '@couchestor/shared/errors';
import type { Logger } from '@couchestor/shared/logger';
import { openRefusalOf } from '../../domain/nbd-errors.ts';
import {
  type Decoded,
  decodeClientFlags,
  decodeContextQuery,
  decodeInfoQuery,
  decodeOptionHeader,
  decodeText,
  type ExportFacts,
  encodeExportNameReply,
  encodeGreeting,
  encodeInfos,
  encodeMetaContext,
  encodeOptionError,
  encodeOptionReply,
  encodeServer,
  wantsAllocation,
} from '../../domain/nbd-options.ts';
import { type OptionError, option, optionHeaderBytes, optionReply } from '../../domain/nbd-protocol.ts';
import type { Negotiated } from '../../domain/nbd-request.ts';
import type { NbdExports, OpenExport } from './block-device.ts';
import type { NbdLimits } from './limits.ts';
import { OptionReader, writeAll } from './option-reader.ts';
import { beginTls, loadTls, type NbdTls } from './tls.ts';

export interface NegotiationDeps {
  readonly exports: NbdExports;
  readonly tls: NbdTls | undefined;
  readonly requireTls: boolean;
  readonly limits: NbdLimits;
  readonly logger: Logger;
}

export interface Agreement {
  /** Within TLS, another than the one it began with. */
  readonly socket: Socket;
  readonly open: OpenExport;
  readonly negotiated: Negotiated;
}

/** Undefined where there will be no transmission: the client gave up, went away, or must be cut off. */
export async function negotiate(socket: Socket, o: NegotiationDeps): Promise<Agreement | undefined> {
  const negotiation = new Negotiation(socket, o);
  const agreement = await negotiation.run();
  if (agreement === undefined) {
    negotiation.hangUp();
  }
  return agreement;
}

class Negotiation {
  readonly #o: NegotiationDeps;
  #socket: Socket;
  #reader: OptionReader;
  #isSecure = false;
  #hasNoZeroes = false;
  #hasStructuredReplies = false;
  /** The export for which base:allocation was agreed on. */
  #allocationOf: string | undefined;
  #leftBytes: number;

  constructor(socket: Socket, o: NegotiationDeps) {
    this.#socket = socket;
    this.#reader = new OptionReader(socket);
    this.#o = o;
    this.#leftBytes = o.limits.optionsBytesMax;
  }

  async run(): Promise<Agreement | undefined> {
    await writeAll(this.#socket, encodeGreeting());
    const flags = await this.#reader.read(4);
    const clientFlags = flags === undefined ? undefined : decodeClientFlags(flags);
    if (clientFlags === undefined) {
      return undefined;
    }
    this.#hasNoZeroes = clientFlags.hasNoZeroes;
    for (;;) {
      const step = await this.#step();
      if (step !== 'next') {
        return step === 'over' ? undefined : step;
      }
    }
  }

  /** After the last answer has been sent: that to an abort is still to be read by the client. */
  hangUp(): void {
    this.#socket.destroySoon();
  }

  async #step(): Promise<Agreement | 'next' | 'over'> {
    const bytes = await this.#reader.read(optionHeaderBytes);
    const header = bytes === undefined ? undefined : decodeOptionHeader(bytes);
    if (header === undefined) {
      return 'over';
    }
    this.#leftBytes -= optionHeaderBytes + header.lengthBytes;
    if (this.#leftBytes < 0) {
      this.#o.logger.debug('an NBD client sent more options than are taken');
      return 'over';
    }
    const data = await this.#reader.read(header.lengthBytes);
    if (data === undefined) {
      return 'over';
    }
    if (data.length > this.#o.limits.optionBytesMax) {
      return header.option === option.exportName ? 'over' : await this.#refuse(header.option, 'tooBig', 'the option is too long');
    }
    if (this.#o.requireTls && !this.#isSecure && header.option !== option.startTls && header.option !== option.abort) {
      return header.option === option.exportName ? 'over' : await this.#refuse(header.option, 'tlsRequired', 'this server speaks TLS only');
    }
    return await this.#answer(header.option, data);
  }

  async #answer(of: number, data: Buffer): Promise<Agreement | 'next' | 'over'> {
    switch (of) {
      case option.exportName:
        return await this.#onExportName(data);
      case option.abort:
        await writeAll(this.#socket, encodeOptionReply(of, optionReply.ack));
        return 'over';
      case option.list:
        return await this.#onList(data);
      case option.startTls:
        return await this.#onStartTls(data);
      case option.info:
      case option.go:
        return await this.#onInfo(of, data);
      case option.structuredReply:
        if (data.length > 0) {
          return await this.#refuse(of, 'invalid', 'this option has no data');
        }
        this.#hasStructuredReplies = true;
        return await this.#send(encodeOptionReply(of, optionReply.ack));
      case option.listMetaContext:
      case option.setMetaContext:
        return await this.#onContexts(of, data);
      default:
        return await this.#refuse(of, 'unsupported', 'this server does not know this option');
    }
  }

  async #onExportName(data: Buffer): Promise<Agreement | 'over'> {
    const name = decodeText(data);
    const found = 'error' in name ? undefined : await this.#open(name.value);
    // This option has no way to say no.
    if (found === undefined || 'error' in found) {
      return 'over';
    }
    const flags = { hasNoZeroes: this.#hasNoZeroes, hasStructuredReplies: this.#hasStructuredReplies };
    return await this.#agree(found, encodeExportNameReply(found.facts, flags));
  }

  async #onList(data: Buffer): Promise<'next' | 'over'> {
    if (data.length > 0) {
      return await this.#refuse(option.list, 'invalid', 'this option has no data');
    }
    for (const one of this.#o.exports.list()) {
      if (!(await writeAll(this.#socket, encodeServer(one)))) {
        return 'over';
      }
    }
    return await this.#send(encodeOptionReply(option.list, optionReply.ack));
  }

  async #onStartTls(data: Buffer): Promise<'next' | 'over'> {
    const of = option.startTls;
    const { tls, logger } = this.#o;
    if (data.length > 0 || this.#isSecure) {
      return await this.#refuse(of, 'invalid', this.#isSecure ? 'TLS has begun already' : 'this option has no data');
    }
    if (tls === undefined) {
      return await this.#refuse(of, 'policy', 'this server has no certificate');
    }
    // What was sent in the clear after the request would pass for something that came through TLS.
    if (this.#socket.readableLength > 0) {
      return 'over';
    }
    const options = await loadTls(tls);
    if (!(await writeAll(this.#socket, encodeOptionReply(of, optionReply.ack)))) {
      return 'over';
    }
    await this.#reader.release();
    const secured = await beginTls(this.#socket, options);
    if (secured === undefined) {
      logger.debug('an NBD client failed at TLS');
      return 'over';
    }
    secured.on('error', (error) => logger.debug({ err: error }, 'an NBD connection broke'));
    this.#socket = secured;
    this.#reader = new OptionReader(secured);
    this.#isSecure = true;
    // Nothing agreed in the clear counts.
    this.#hasStructuredReplies = false;
    this.#allocationOf = undefined;
    return 'next';
  }

  async #onInfo(of: number, data: Buffer): Promise<Agreement | 'next' | 'over'> {
    const query = decodeInfoQuery(data);
    if ('error' in query) {
      return await this.#refuse(of, query.error, query.message);
    }
    const found = await this.#open(query.value.name);
    if ('error' in found) {
      return await this.#refuse(of, found.error, found.message);
    }
    const infos = encodeInfos(of, found.facts, { wanted: query.value.wanted, hasStructuredReplies: this.#hasStructuredReplies });
    const reply = Buffer.concat([...infos, encodeOptionReply(of, optionReply.ack)]);
    if (of === option.go) {
      return await this.#agree(found, reply);
    }
    found.open.close();
    return await this.#send(reply);
  }

  async #onContexts(of: number, data: Buffer): Promise<'next' | 'over'> {
    const isSetting = of === option.setMetaContext;
    if (isSetting) {
      this.#allocationOf = undefined;
    }
    const query = this.#hasStructuredReplies
      ? decodeContextQuery(data)
      : ({ error: 'invalid', message: 'structured replies come first' } satisfies Decoded<unknown>);
    if ('error' in query) {
      return await this.#refuse(of, query.error, query.message);
    }
    const name = this.#fullName(query.value.name);
    if (!this.#o.exports.list().some((one) => one.name === name)) {
      return await this.#refuse(of, 'unknown', 'there is no such export');
    }
    const replies = [encodeOptionReply(of, optionReply.ack)];
    if (wantsAllocation(query.value.queries, isSetting)) {
      replies.unshift(encodeMetaContext(of));
      this.#allocationOf = isSetting ? name : this.#allocationOf;
    }
    return await this.#send(Buffer.concat(replies));
  }

  /** No name means the only export, where there is but one. */
  #fullName(name: string): string {
    const all = name === '' ? this.#o.exports.list() : [];
    return all.length === 1 ? (all[0]?.name ?? '') : name;
  }

  async #open(asked: string): Promise<{ open: OpenExport; facts: ExportFacts } | { error: OptionError; message: string }> {
    const name = this.#fullName(asked);
    try {
      const open = await this.#o.exports.open(name);
      if (open === undefined) {
        return { error: 'unknown', message: 'there is no such export' };
      }
      const { sizeBytes, isReadOnly } = open.device;
      const description = this.#o.exports.list().find((one) => one.name === name)?.description ?? '';
      return { open, facts: { sizeBytes, isReadOnly, name, description, requestBytesMax: this.#o.limits.requestBytesMax } };
    } catch (error) {
      this.#o.logger.debug({ name, because: describeError(error) }, 'an NBD export could not be opened');
      return openRefusalOf(error);
    }
  }

  async #agree(found: { open: OpenExport; facts: ExportFacts }, reply: Buffer): Promise<Agreement | 'over'> {
    if (!(await writeAll(this.#socket, reply))) {
      found.open.close();
      return 'over';
    }
    await this.#reader.release();
    const negotiated = { hasStructuredReplies: this.#hasStructuredReplies, hasAllocationContext: this.#allocationOf === found.facts.name };
    return { socket: this.#socket, open: found.open, negotiated };
  }

  async #refuse(of: number, error: OptionError, message: string): Promise<'next' | 'over'> {
    return await this.#send(encodeOptionError(of, error, message));
  }

  async #send(reply: Buffer): Promise<'next' | 'over'> {
    return (await writeAll(this.#socket, reply)) ? 'next' : 'over';
  }
}
