/** A recording as preload-recorder.c writes it, read back as events in their order. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';

/** Room for a recording. The file is sparse: it takes what is recorded. */
export const logCapacityBytes = 2 * 1024 ** 3;
const magic = 0x3130434552465346n;
const headerBytes = 4096;
const entryBytes = 32;
const alignment = 8;

export type FileEvent =
  | { readonly kind: 'open'; readonly handle: number; readonly path: string; readonly marks: OpenMarks }
  | {
      readonly kind: 'write';
      readonly handle: number;
      readonly offset: number;
      readonly data: Buffer;
      readonly isDurable: boolean;
      readonly end: number;
    }
  | { readonly kind: 'sync'; readonly handle: number; readonly isDataOnly: boolean; readonly end: number }
  | { readonly kind: 'sync-all'; readonly end: number }
  | { readonly kind: 'truncate'; readonly handle: number; readonly sizeBytes: number; readonly end: number }
  | {
      readonly kind: 'fallocate';
      readonly handle: number;
      readonly mode: number;
      readonly offset: number;
      readonly length: number;
      readonly end: number;
    }
  | { readonly kind: 'rename' | 'link' | 'symlink'; readonly path: string; readonly other: string }
  | { readonly kind: 'unlink' | 'mkdir' | 'rmdir'; readonly path: string }
  | { readonly kind: 'mapped'; readonly handle: number }
  | { readonly kind: 'ack'; readonly text: string }
  /** The end of an event, or one that failed and changed nothing. Here to have a place in the order. */
  | { readonly kind: 'nothing' };

interface OpenMarks {
  readonly isCreated: boolean;
  readonly isTruncated: boolean;
  readonly isDirectory: boolean;
}

export interface Recording {
  /** Their indices are the moments of a recording. `end` of an event is the index of its end, Infinity where the program was killed before. */
  readonly events: readonly FileEvent[];
  /** A copy of what was in the folder before, where there was anything. */
  readonly beforeDir: string | undefined;
}

const kinds = {
  end: 1,
  open: 2,
  write: 3,
  sync: 4,
  truncate: 5,
  fallocate: 6,
  rename: 7,
  unlink: 8,
  mkdir: 9,
  rmdir: 10,
  link: 11,
  symlink: 12,
  mapped: 13,
  ack: 14,
  syncAll: 15,
} as const;
const flag = { durable: 1, created: 2, dataOnly: 4, directory: 8, truncated: 16 } as const;

/** What a new log begins with. */
export function newLogHeader(): Buffer {
  const header = Buffer.alloc(entryBytes);
  header.writeBigUInt64LE(magic, 0);
  header.writeBigUInt64LE(BigInt(headerBytes), 8);
  header.writeBigUInt64LE(BigInt(logCapacityBytes), 16);
  return header;
}

/** Reads a whole recording into memory. Throws where the file is none. */
export function readRecording(path: string): Recording {
  const bytes = readLog(path);
  const places: number[] = [];
  const ends = new Map<number, { index: number; result: number; offset: number }>();
  for (const place of entriesOf(bytes)) {
    if (kindAt(bytes, place) === kinds.end) {
      ends.set(Number(bytes.readBigUInt64LE(place + 8)), {
        index: places.length,
        result: Number(bytes.readBigInt64LE(place + 16)),
        offset: Number(bytes.readBigInt64LE(place + 24)),
      });
    }
    places.push(place);
  }
  const events = places.map((place) => eventAt(bytes, place, ends.get(place)));
  const before = `${path}.before`;
  return { events, beforeDir: existsSync(before) ? before : undefined };
}

function readLog(path: string): Buffer {
  const fd = openSync(path, 'r');
  try {
    const header = Buffer.alloc(entryBytes);
    readSync(fd, header, 0, entryBytes, 0);
    if (header.readBigUInt64LE(0) !== magic) {
      throw new Error(`${path} is no recording`);
    }
    const bytes = Buffer.alloc(Number(header.readBigUInt64LE(8)));
    for (let at = 0; at < bytes.length; ) {
      const got = readSync(fd, bytes, at, Math.min(bytes.length - at, 2 ** 30), at);
      if (got === 0) {
        throw new Error(`${path} is cut short`);
      }
      at += got;
    }
    return bytes;
  } finally {
    closeSync(fd);
  }
}

/** Where entries begin. A killed program may leave room that it took but did not fill, which is all zeros. */
function* entriesOf(bytes: Buffer): Iterable<number> {
  for (let place = headerBytes; place + entryBytes <= bytes.length; ) {
    const length = bytes.readUInt32LE(place);
    if (length === 0) {
      place += alignment;
      continue;
    }
    if (kindAt(bytes, place) !== 0) {
      yield place;
    }
    place += Math.ceil(length / alignment) * alignment;
  }
}

function kindAt(bytes: Buffer, place: number): number {
  return bytes.readUInt16LE(place + 4);
}

function eventAt(bytes: Buffer, place: number, ended: { index: number; result: number; offset: number } | undefined): FileEvent {
  const flags = bytes.readUInt16LE(place + 6);
  const handle = Number(bytes.readBigUInt64LE(place + 8));
  const a = Number(bytes.readBigInt64LE(place + 16));
  const b = Number(bytes.readBigInt64LE(place + 24));
  const data = bytes.subarray(place + entryBytes, place + bytes.readUInt32LE(place));
  const end = ended?.index ?? Number.POSITIVE_INFINITY;
  const hasFailed = ended !== undefined && ended.result < 0;
  const [path = '', other = ''] = data.length < 16384 ? data.toString('utf8').split('\0') : [];
  switch (kindAt(bytes, place)) {
    case kinds.open:
      return {
        kind: 'open',
        handle,
        path,
        marks: {
          isCreated: (flags & flag.created) !== 0,
          isTruncated: (flags & flag.truncated) !== 0,
          isDirectory: (flags & flag.directory) !== 0,
        },
      };
    case kinds.write:
      return hasFailed
        ? { kind: 'nothing' }
        : {
            kind: 'write',
            handle,
            offset: ended?.offset ?? a,
            data: data.subarray(0, ended?.result ?? data.length),
            isDurable: (flags & flag.durable) !== 0,
            end,
          };
    case kinds.sync:
      return hasFailed ? { kind: 'nothing' } : { kind: 'sync', handle, isDataOnly: (flags & flag.dataOnly) !== 0, end };
    case kinds.syncAll:
      return hasFailed ? { kind: 'nothing' } : { kind: 'sync-all', end };
    case kinds.truncate:
      return hasFailed ? { kind: 'nothing' } : { kind: 'truncate', handle, sizeBytes: a, end };
    case kinds.fallocate:
      return hasFailed ? { kind: 'nothing' } : { kind: 'fallocate', handle, mode: flags >> 8, offset: a, length: b, end };
    case kinds.rename:
      return { kind: 'rename', path, other };
    case kinds.link:
      return { kind: 'link', path, other };
    case kinds.symlink:
      return { kind: 'symlink', path, other };
    case kinds.unlink:
      return { kind: 'unlink', path };
    case kinds.mkdir:
      return { kind: 'mkdir', path };
    case kinds.rmdir:
      return { kind: 'rmdir', path };
    case kinds.mapped:
      return { kind: 'mapped', handle };
    case kinds.ack:
      return { kind: 'ack', text: data.toString('utf8') };
    default:
      return { kind: 'nothing' };
  }
}
