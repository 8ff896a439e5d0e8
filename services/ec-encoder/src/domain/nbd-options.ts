/** The messages of the negotiation. */
import {
  allocationContext,
  greetingMagic,
  handshakeFlag,
  info,
  type OptionError,
  option,
  optionError,
  optionHeaderBytes,
  optionMagic,
  optionReply,
  optionReplyMagic,
  stringBytesMax,
  transmissionFlag,
} from './nbd-protocol.ts';

export function encodeGreeting(): Buffer {
  const bytes = Buffer.alloc(18);
  bytes.writeBigUInt64BE(greetingMagic, 0);
  bytes.writeBigUInt64BE(optionMagic, 8);
  bytes.writeUInt16BE(handshakeFlag.fixedNewstyle | handshakeFlag.noZeroes, 16);
  return bytes;
}

export interface ClientFlags {
  readonly hasNoZeroes: boolean;
}

/** Undefined where the client wants what nobody has told it of. */
export function decodeClientFlags(bytes: Buffer): ClientFlags | undefined {
  const flags = bytes.readUInt32BE(0);
  const known = handshakeFlag.fixedNewstyle | handshakeFlag.noZeroes;
  return (flags & ~known) === 0 ? { hasNoZeroes: (flags & handshakeFlag.noZeroes) !== 0 } : undefined;
}

export interface OptionHeader {
  readonly option: number;
  readonly lengthBytes: number;
}

/** Undefined where the magic is wrong. */
export function decodeOptionHeader(bytes: Buffer): OptionHeader | undefined {
  return bytes.length === optionHeaderBytes && bytes.readBigUInt64BE(0) === optionMagic
    ? { option: bytes.readUInt32BE(8), lengthBytes: bytes.readUInt32BE(12) }
    : undefined;
}

/** What an option's data say, or what is wrong with them. */
export type Decoded<T> = { readonly value: T } | { readonly error: OptionError; readonly message: string };

const malformed = { error: 'invalid', message: 'the data of the option are malformed' } as const;
const tooBig = { error: 'tooBig', message: `a name is longer than ${stringBytesMax} bytes` } as const;
const notText = { error: 'invalid', message: 'a name is not UTF-8' } as const;

export function decodeText(bytes: Buffer): Decoded<string> {
  if (bytes.length > stringBytesMax) {
    return tooBig;
  }
  const value = bytes.toString('utf8');
  return Buffer.from(value, 'utf8').equals(bytes) ? { value } : notText;
}

/** A text with its length before it. */
function decodeSizedText(bytes: Buffer, at: number): { readonly text: Decoded<string>; readonly end: number } | undefined {
  if (at + 4 > bytes.length) {
    return undefined;
  }
  const end = at + 4 + bytes.readUInt32BE(at);
  return end > bytes.length ? undefined : { text: decodeText(bytes.subarray(at + 4, end)), end };
}

export interface InfoQuery {
  readonly name: string;
  readonly wanted: ReadonlySet<number>;
}

/** Of INFO and GO. */
export function decodeInfoQuery(bytes: Buffer): Decoded<InfoQuery> {
  const name = decodeSizedText(bytes, 0);
  if (name === undefined) {
    return malformed;
  }
  if ('error' in name.text) {
    return name.text;
  }
  const count = bytes.length >= name.end + 2 ? bytes.readUInt16BE(name.end) : -1;
  if (count < 0 || bytes.length !== name.end + 2 + count * 2) {
    return malformed;
  }
  const wanted = Array.from({ length: count }, (_, index) => bytes.readUInt16BE(name.end + 2 + index * 2));
  return { value: { name: name.text.value, wanted: new Set(wanted) } };
}

export interface ContextQuery {
  readonly name: string;
  readonly queries: readonly string[];
}

/** Of LIST_META_CONTEXT and SET_META_CONTEXT. */
export function decodeContextQuery(bytes: Buffer): Decoded<ContextQuery> {
  const name = decodeSizedText(bytes, 0);
  if (name === undefined || name.end + 4 > bytes.length) {
    return malformed;
  }
  if ('error' in name.text) {
    return name.text;
  }
  const count = bytes.readUInt32BE(name.end);
  const queries: string[] = [];
  let at = name.end + 4;
  while (queries.length < count) {
    const query = decodeSizedText(bytes, at);
    if (query === undefined) {
      return malformed;
    }
    if ('error' in query.text) {
      return query.text;
    }
    queries.push(query.text.value);
    at = query.end;
  }
  return at === bytes.length ? { value: { name: name.text.value, queries } } : malformed;
}

/** To set one it must be named in full; to list, its namespace or nothing at all will do. */
export function wantsAllocation(queries: readonly string[], isSetting: boolean): boolean {
  return queries.includes(allocationContext.name) || (!isSetting && (queries.length === 0 || queries.includes('base:')));
}

export function encodeOptionReply(of: number, type: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(20 + data.length);
  bytes.writeBigUInt64BE(optionReplyMagic, 0);
  bytes.writeUInt32BE(of, 8);
  bytes.writeUInt32BE(type, 12);
  bytes.writeUInt32BE(data.length, 16);
  bytes.set(data, 20);
  return bytes;
}

export function encodeOptionError(of: number, error: OptionError, message: string): Buffer {
  return encodeOptionReply(of, optionError[error], Buffer.from(message));
}

/** One line of the list of exports; what follows the name is for people. */
export function encodeServer(o: { name: string; description: string }): Buffer {
  const name = Buffer.from(o.name);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(name.length, 0);
  return encodeOptionReply(option.list, optionReply.server, Buffer.concat([length, name, Buffer.from(o.description)]));
}

export function encodeMetaContext(of: number): Buffer {
  const data = Buffer.alloc(4 + allocationContext.name.length);
  data.writeUInt32BE(allocationContext.id, 0);
  data.write(allocationContext.name, 4, 'latin1');
  return encodeOptionReply(of, optionReply.metaContext, data);
}

export interface ExportFacts {
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  readonly name: string;
  readonly description: string;
  readonly requestBytesMax: number;
}

/** Several connections may be used, as every write is durable and seen by all when it is answered. */
export function transmissionFlags(o: { isReadOnly: boolean; hasStructuredReplies: boolean }): number {
  const { hasFlags, sendFlush, sendFua, canMultiConn, sendCache, sendDf, readOnly, sendTrim, sendWriteZeroes, sendFastZero } =
    transmissionFlag;
  const changing = o.isReadOnly ? readOnly : sendTrim | sendWriteZeroes | sendFastZero;
  return hasFlags | sendFlush | sendFua | canMultiConn | sendCache | changing | (o.hasStructuredReplies ? sendDf : 0);
}

/** The replies to INFO and GO but for the last, which is the acknowledgement. */
export function encodeInfos(of: number, facts: ExportFacts, o: { wanted: ReadonlySet<number>; hasStructuredReplies: boolean }): Buffer[] {
  const main = Buffer.alloc(12);
  main.writeUInt16BE(info.export, 0);
  main.writeBigUInt64BE(BigInt(facts.sizeBytes), 2);
  main.writeUInt16BE(transmissionFlags({ isReadOnly: facts.isReadOnly, hasStructuredReplies: o.hasStructuredReplies }), 10);
  const infos: Buffer[] = [main];
  if (o.wanted.has(info.name)) {
    infos.push(textInfo(info.name, facts.name));
  }
  if (o.wanted.has(info.description)) {
    infos.push(textInfo(info.description, facts.description));
  }
  if (o.wanted.has(info.blockSize)) {
    const sizes = Buffer.alloc(14);
    sizes.writeUInt16BE(info.blockSize, 0);
    sizes.writeUInt32BE(1, 2);
    sizes.writeUInt32BE(4_096, 6);
    sizes.writeUInt32BE(facts.requestBytesMax, 10);
    infos.push(sizes);
  }
  return infos.map((data) => encodeOptionReply(of, optionReply.info, data));
}

function textInfo(type: number, text: string): Buffer {
  const data = Buffer.alloc(2 + Buffer.byteLength(text));
  data.writeUInt16BE(type, 0);
  data.write(text, 2, 'utf8');
  return data;
}

/** The answer to EXPORT_NAME, which has no other form. */
export function encodeExportNameReply(facts: ExportFacts, o: { hasNoZeroes: boolean; hasStructuredReplies: boolean }): Buffer {
  const bytes = Buffer.alloc(o.hasNoZeroes ? 10 : 134);
  bytes.writeBigUInt64BE(BigInt(facts.sizeBytes), 0);
  bytes.writeUInt16BE(transmissionFlags({ isReadOnly: facts.isReadOnly, hasStructuredReplies: o.hasStructuredReplies }), 8);
  return bytes;
}
