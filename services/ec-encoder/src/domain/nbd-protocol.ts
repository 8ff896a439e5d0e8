/** The numbers of the NBD protocol: fixed newstyle negotiation, simple and structured replies. All integers on the wire are big-endian. */

/** The greeting: "NBDMAGIC", "IHAVEOPT". */
export const greetingMagic = 0x4e42_444d_4147_4943n;
export const optionMagic = 0x4948_4156_454f_5054n;
export const optionReplyMagic = 0x0003_e889_0455_65a9n;
export const requestMagic = 0x2560_9513;
export const simpleReplyMagic = 0x6744_6698;
export const structuredReplyMagic = 0x668e_33ef;

export const requestBytes = 28;
export const simpleReplyBytes = 16;
export const chunkHeaderBytes = 20;
export const optionHeaderBytes = 16;

export const handshakeFlag = { fixedNewstyle: 1, noZeroes: 2 } as const;

export const option = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
} as const;

export const optionReply = { ack: 1, server: 2, info: 3, metaContext: 4 } as const;

export const optionError = {
  unsupported: 0x8000_0001,
  policy: 0x8000_0002,
  invalid: 0x8000_0003,
  tlsRequired: 0x8000_0005,
  unknown: 0x8000_0006,
  shutdown: 0x8000_0007,
  tooBig: 0x8000_0009,
} as const;

export type OptionError = keyof typeof optionError;

export const info = { export: 0, name: 1, description: 2, blockSize: 3 } as const;

export const transmissionFlag = {
  hasFlags: 1 << 0,
  readOnly: 1 << 1,
  sendFlush: 1 << 2,
  sendFua: 1 << 3,
  sendTrim: 1 << 5,
  sendWriteZeroes: 1 << 6,
  sendDf: 1 << 7,
  canMultiConn: 1 << 8,
  sendCache: 1 << 10,
  sendFastZero: 1 << 11,
} as const;

export const command = { read: 0, write: 1, disconnect: 2, flush: 3, trim: 4, cache: 5, writeZeroes: 6, blockStatus: 7 } as const;

export type NbdCommand = keyof typeof command;

export const commandFlag = { fua: 1 << 0, noHole: 1 << 1, dontFragment: 1 << 2, requestOne: 1 << 3, fastZero: 1 << 4 } as const;

export const chunk = { none: 0, offsetData: 1, offsetHole: 2, blockStatus: 5, error: 0x8001, errorOffset: 0x8002 } as const;
export const chunkDone = 1;

/** What requests are refused with. The numbers are the protocol's, whatever this machine's are. */
export const errorNumber = { EPERM: 1, EIO: 5, ENOMEM: 12, EINVAL: 22, ENOSPC: 28, EOVERFLOW: 75, ENOTSUP: 95, ESHUTDOWN: 108 } as const;

export type NbdErrorName = keyof typeof errorNumber;

/** The only context that is offered: what is allocated, and what reads as zeros. */
export const allocationContext = { name: 'base:allocation', id: 1, hole: 1 | 2, data: 0 } as const;

/** Any export name, description or query of a context. */
export const stringBytesMax = 4_096;
