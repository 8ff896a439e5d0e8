/** Replies of the transmission phase, written to a place in a buffer that has the room. */
import {
  allocationContext,
  chunk,
  chunkDone,
  chunkHeaderBytes,
  errorNumber,
  type NbdErrorName,
  simpleReplyMagic,
  structuredReplyMagic,
} from './nbd-protocol.ts';

export interface Cookie {
  readonly cookieHigh: number;
  readonly cookieLow: number;
}

export const offsetDataHeaderBytes = chunkHeaderBytes + 8;
export const offsetHoleBytes = chunkHeaderBytes + 12;

/** simpleReplyBytes long; the data of a good read follows. */
export function putSimpleReply(into: Buffer, at: number, cookie: Cookie, error?: NbdErrorName): void {
  into.writeUInt32BE(simpleReplyMagic, at);
  into.writeUInt32BE(error === undefined ? 0 : errorNumber[error], at + 4);
  into.writeUInt32BE(cookie.cookieHigh, at + 8);
  into.writeUInt32BE(cookie.cookieLow, at + 12);
}

/** Every reply is one chunk here, the first and the last. */
function putChunkHeader(into: Buffer, at: number, cookie: Cookie, o: { type: number; lengthBytes: number }): void {
  into.writeUInt32BE(structuredReplyMagic, at);
  into.writeUInt16BE(chunkDone, at + 4);
  into.writeUInt16BE(o.type, at + 6);
  into.writeUInt32BE(cookie.cookieHigh, at + 8);
  into.writeUInt32BE(cookie.cookieLow, at + 12);
  into.writeUInt32BE(o.lengthBytes, at + 16);
}

function putOffset(into: Buffer, at: number, offsetBytes: number): void {
  into.writeUInt32BE(Math.floor(offsetBytes / 0x1_0000_0000), at);
  into.writeUInt32BE(offsetBytes % 0x1_0000_0000, at + 4);
}

/** chunkHeaderBytes long. */
export function putNone(into: Buffer, at: number, cookie: Cookie): void {
  putChunkHeader(into, at, cookie, { type: chunk.none, lengthBytes: 0 });
}

/** offsetDataHeaderBytes long; the data follows. */
export function putOffsetData(into: Buffer, at: number, cookie: Cookie, data: { offsetBytes: number; lengthBytes: number }): void {
  putChunkHeader(into, at, cookie, { type: chunk.offsetData, lengthBytes: 8 + data.lengthBytes });
  putOffset(into, at + chunkHeaderBytes, data.offsetBytes);
}

/** offsetHoleBytes long. */
export function putOffsetHole(into: Buffer, at: number, cookie: Cookie, hole: { offsetBytes: number; lengthBytes: number }): void {
  putChunkHeader(into, at, cookie, { type: chunk.offsetHole, lengthBytes: 12 });
  putOffset(into, at + chunkHeaderBytes, hole.offsetBytes);
  into.writeUInt32BE(hole.lengthBytes, at + chunkHeaderBytes + 8);
}

/** With `offsetBytes`, an error that says where. */
export function encodeErrorChunk(cookie: Cookie, o: { error: NbdErrorName; message: string; offsetBytes?: number }): Buffer {
  // Cut between characters, so that what is left is text.
  const message = Buffer.from([...o.message].slice(0, 1_000).join(''));
  const hasOffset = o.offsetBytes !== undefined;
  const lengthBytes = 6 + message.length + (hasOffset ? 8 : 0);
  const bytes = Buffer.alloc(chunkHeaderBytes + lengthBytes);
  putChunkHeader(bytes, 0, cookie, { type: hasOffset ? chunk.errorOffset : chunk.error, lengthBytes });
  bytes.writeUInt32BE(errorNumber[o.error], chunkHeaderBytes);
  bytes.writeUInt16BE(message.length, chunkHeaderBytes + 4);
  bytes.set(message, chunkHeaderBytes + 6);
  if (o.offsetBytes !== undefined) {
    putOffset(bytes, chunkHeaderBytes + 6 + message.length, o.offsetBytes);
  }
  return bytes;
}

export interface Extent {
  readonly lengthBytes: number;
  readonly isHole: boolean;
}

/** Neighbours of one kind made one, none beyond the range that was asked for, at most `extentsMax` of them. */
export function mergeExtents(extents: readonly Extent[], o: { lengthBytes: number; extentsMax: number }): Extent[] {
  const merged: { lengthBytes: number; isHole: boolean }[] = [];
  let left = o.lengthBytes;
  for (const { lengthBytes, isHole } of extents) {
    const taken = Math.min(left, lengthBytes);
    const last = merged.at(-1);
    if (taken <= 0) {
      continue;
    }
    if (last?.isHole === isHole) {
      last.lengthBytes += taken;
    } else if (merged.length === o.extentsMax) {
      break;
    } else {
      merged.push({ lengthBytes: taken, isHole });
    }
    left -= taken;
  }
  return merged;
}

export function encodeBlockStatus(cookie: Cookie, extents: readonly Extent[]): Buffer {
  const bytes = Buffer.alloc(chunkHeaderBytes + 4 + extents.length * 8);
  putChunkHeader(bytes, 0, cookie, { type: chunk.blockStatus, lengthBytes: bytes.length - chunkHeaderBytes });
  bytes.writeUInt32BE(allocationContext.id, chunkHeaderBytes);
  let at = chunkHeaderBytes + 4;
  for (const { lengthBytes, isHole } of extents) {
    bytes.writeUInt32BE(lengthBytes, at);
    bytes.writeUInt32BE(isHole ? allocationContext.hole : allocationContext.data, at + 4);
    at += 8;
  }
  return bytes;
}
