/** The header of a request of the transmission phase, and what is wrong with it. */
import { command, commandFlag, type NbdCommand, type NbdErrorName, requestMagic } from './nbd-protocol.ts';

export interface NbdRequest {
  readonly flags: number;
  readonly type: number;
  /** Given back with the reply. */
  readonly cookieHigh: number;
  readonly cookieLow: number;
  /** Infinity for what no number holds exactly: beyond the end of every device. */
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export interface NbdRefusal {
  readonly error: NbdErrorName;
  readonly message: string;
}

/** Of the requestBytes at `at`. Undefined where the magic is wrong: nothing after it can be understood. */
export function decodeRequest(bytes: Buffer, at: number): NbdRequest | undefined {
  if (bytes.readUInt32BE(at) !== requestMagic) {
    return undefined;
  }
  const offsetHigh = bytes.readUInt32BE(at + 16);
  return {
    flags: bytes.readUInt16BE(at + 4),
    type: bytes.readUInt16BE(at + 6),
    cookieHigh: bytes.readUInt32BE(at + 8),
    cookieLow: bytes.readUInt32BE(at + 12),
    offsetBytes: offsetHigh >= 0x20_0000 ? Number.POSITIVE_INFINITY : offsetHigh * 0x1_0000_0000 + bytes.readUInt32BE(at + 20),
    lengthBytes: bytes.readUInt32BE(at + 24),
  };
}

const commandNames: readonly NbdCommand[] = ['read', 'write', 'disconnect', 'flush', 'trim', 'cache', 'writeZeroes', 'blockStatus'];

export function commandName(type: number): NbdCommand | 'unknown' {
  return commandNames[type] ?? 'unknown';
}

/** Of what reads, or asks; everything else changes something. */
export function isReading(type: number): boolean {
  return type === command.read || type === command.blockStatus || type === command.cache;
}

/** By command; FUA is allowed with every one of them. */
const allowedFlags: readonly number[] = [
  commandFlag.fua | commandFlag.dontFragment,
  commandFlag.fua,
  commandFlag.fua,
  commandFlag.fua,
  commandFlag.fua,
  commandFlag.fua,
  commandFlag.fua | commandFlag.noHole | commandFlag.fastZero,
  commandFlag.fua | commandFlag.requestOne,
];

const badFlags: NbdRefusal = { error: 'EINVAL', message: 'this command does not have these flags' };
const badCommand: NbdRefusal = { error: 'EINVAL', message: 'there is no such command' };
const notNegotiated: NbdRefusal = { error: 'EINVAL', message: 'this was not negotiated' };
const readOnly: NbdRefusal = { error: 'EPERM', message: 'the export is read-only' };
const tooLong: NbdRefusal = { error: 'EINVAL', message: 'the request is longer than the server takes at once' };
const beyondEndToRead: NbdRefusal = { error: 'EINVAL', message: 'the range reaches beyond the end of the export' };
const beyondEndToWrite: NbdRefusal = { ...beyondEndToRead, error: 'ENOSPC' };
const notEmpty: NbdRefusal = { error: 'EINVAL', message: 'a flush has neither offset nor length' };
const empty: NbdRefusal = { error: 'EINVAL', message: 'the range is empty' };

export interface Negotiated {
  readonly hasStructuredReplies: boolean;
  readonly hasAllocationContext: boolean;
}

/** Why a request must not be begun; undefined for a good one. Called for every request: allocates nothing. */
export function refusalOf(
  request: NbdRequest,
  o: { negotiated: Negotiated; device: { readonly sizeBytes: number; readonly isReadOnly: boolean }; requestBytesMax: number },
): NbdRefusal | undefined {
  const { type, flags, offsetBytes, lengthBytes } = request;
  const allowed = allowedFlags[type];
  if (allowed === undefined) {
    return badCommand;
  }
  if ((flags & ~allowed) !== 0) {
    return badFlags;
  }
  const isBeyondEnd = offsetBytes + lengthBytes > o.device.sizeBytes;
  switch (type) {
    case command.read:
      if (lengthBytes > o.requestBytesMax) {
        return tooLong;
      }
      if ((flags & commandFlag.dontFragment) !== 0 && !o.negotiated.hasStructuredReplies) {
        return notNegotiated;
      }
      return isBeyondEnd ? beyondEndToRead : undefined;
    case command.write:
    case command.writeZeroes:
      if (o.device.isReadOnly) {
        return readOnly;
      }
      if (type === command.write && lengthBytes > o.requestBytesMax) {
        return tooLong;
      }
      return isBeyondEnd ? beyondEndToWrite : undefined;
    case command.trim:
      return o.device.isReadOnly ? readOnly : isBeyondEnd ? beyondEndToRead : undefined;
    case command.flush:
      return offsetBytes !== 0 || lengthBytes !== 0 ? notEmpty : undefined;
    case command.blockStatus:
      if (!o.negotiated.hasAllocationContext) {
        return notNegotiated;
      }
      return lengthBytes === 0 ? empty : isBeyondEnd ? beyondEndToRead : undefined;
    default:
      return isBeyondEnd ? beyondEndToRead : undefined;
  }
}
