/**
 * The segments of a drive, on its thread: files that records are appended to, in blocks, and that are only ever removed whole.
 *
 * On disk: a new segment is an empty file whose entry in the folder is synced before the first record is acknowledged. Records follow each other
 * without gaps; those of one batch are synced together. A crash leaves whole records, then perhaps any mixture of blocks of the batch that was
 * not synced: nobody was told of these, and their checksums show it. No segment is appended to after a restart, so nothing is ever written
 * behind such a tail; empty files are used for the new ones. Files are not preallocated: the sync has to commit the file's extents either way.
 */
import { closeSync, fdatasyncSync, ftruncateSync, openSync, readdirSync, readSync, statSync, unlinkSync, writevSync } from 'node:fs';
import { join } from 'node:path';
import { blockBytes } from '../../domain/geometry.ts';
import { stampShard } from '../../domain/shard-stamp.ts';
import type { DriveSegment } from './drive.ts';
import type { DriveFolder } from './drive-folder.ts';
import { ThreadError, threadErrorOf } from './thread-error.ts';

/** How many pieces one pwritev takes (IOV_MAX). */
const piecesMax = 1024;
const segmentPattern = /^(\d{8})\.seg$/;

export interface SegmentRecord {
  readonly header: Uint8Array;
  readonly data: Uint8Array;
}

export type Appended = { readonly segment: number; readonly offsetBlocks: number } | ThreadError;

interface OpenSegment {
  readonly segment: number;
  readonly fd: number;
  endBytes: number;
}

/** Records that go into one file, from `startBytes` on. */
interface Group {
  readonly to: OpenSegment;
  readonly startBytes: number;
  readonly members: { readonly index: number; readonly record: SegmentRecord; readonly offsetBytes: number; readonly endBytes: number }[];
}

export class SegmentFiles {
  readonly #folder: DriveFolder;
  readonly #driveId: string;
  readonly #segmentBytes: number;
  readonly #sizes = new Map<number, number>();
  readonly #fds = new Map<number, number>();
  readonly #empty: number[];
  #last = 0;
  #open: OpenSegment | undefined;
  #usedBytes = 0;
  #syncFailure: ThreadError | undefined;
  /** Since they were last taken. */
  #opened: { segment: number; fd: number }[] = [];

  constructor(o: { folder: DriveFolder; driveId: string; segmentBytes: number }) {
    this.#folder = o.folder;
    this.#driveId = o.driveId;
    this.#segmentBytes = o.segmentBytes;
    for (const name of readdirSync(o.folder.segmentsPath)) {
      const segment = Number(segmentPattern.exec(name)?.[1] ?? 0);
      if (segment > 0) {
        this.#setSize(segment, statSync(this.#pathOf(segment)).size);
        this.#last = Math.max(this.#last, segment);
      }
    }
    this.#empty = [...this.#sizes].flatMap(([segment, sizeBytes]) => (sizeBytes === 0 ? [segment] : [])).sort((a, b) => b - a);
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Why nothing may be written any more. */
  get syncFailure(): ThreadError | undefined {
    return this.#syncFailure;
  }

  list(): DriveSegment[] {
    return [...this.#sizes].map(([segment, sizeBytes]) => ({ segment, sizeBytes, isOpen: segment === this.#open?.segment }));
  }

  /** Durable when it returns; one answer for each record. */
  append(records: readonly SegmentRecord[]): Appended[] {
    const answers: Appended[] = records.map(() => new ThreadError('IO', 'it was not written'));
    const groups = this.#plan(records, answers);
    const written = groups.filter((group) => this.#write(group, answers));
    for (const group of written) {
      this.#sync(group, answers);
    }
    return answers;
  }

  read(o: { segment: number; offsetBytes: number; into: Uint8Array }): void {
    const fd = this.#fdOf(o.segment);
    for (let at = 0; at < o.into.length; ) {
      const read = readSync(fd, o.into, at, o.into.length - at, o.offsetBytes + at);
      if (read === 0) {
        throw new ThreadError('NO_SEGMENT', `segment ${o.segment} ends at ${o.offsetBytes + at}`);
      }
      at += read;
    }
  }

  /** Closes its descriptor, unless records are being appended by it. */
  forget(segment: number): void {
    const fd = this.#fds.get(segment);
    if (fd !== undefined && fd !== this.#open?.fd) {
      this.#fds.delete(segment);
      closeSync(fd);
    }
  }

  remove(segment: number): void {
    if (this.#open?.segment === segment) {
      this.#open = undefined;
    }
    this.forget(segment);
    try {
      unlinkSync(this.#pathOf(segment));
    } catch (error) {
      throw this.#missing(error, segment);
    }
    this.#setSize(segment, 0);
    this.#sizes.delete(segment);
  }

  takeOpened(): { segment: number; fd: number }[] {
    const opened = this.#opened;
    this.#opened = [];
    return opened;
  }

  close(): void {
    this.#open = undefined;
    for (const segment of [...this.#fds.keys()]) {
      this.forget(segment);
    }
  }

  #plan(records: readonly SegmentRecord[], answers: Appended[]): Group[] {
    const groups: Group[] = [];
    for (const [index, record] of records.entries()) {
      const lengthBytes = record.header.length + record.data.length;
      try {
        const to = this.#segmentFor(lengthBytes);
        const offsetBytes = to.endBytes;
        to.endBytes += lengthBytes;
        stampShard(record.header, { driveId: this.#driveId, segment: to.segment, offsetBlocks: offsetBytes / blockBytes });
        const member = { index, record, offsetBytes, endBytes: to.endBytes };
        const group = groups.at(-1);
        if (group?.to === to) {
          group.members.push(member);
        } else {
          groups.push({ to, startBytes: offsetBytes, members: [member] });
        }
      } catch (error) {
        answers[index] = threadErrorOf(error);
      }
    }
    return groups;
  }

  /** The open one, or a new one where it is full. A record that is longer than a segment gets one of its own. */
  #segmentFor(lengthBytes: number): OpenSegment {
    const open = this.#open;
    if (open !== undefined && (open.endBytes === 0 || open.endBytes + lengthBytes <= this.#segmentBytes)) {
      return open;
    }
    this.#folder.check();
    const reused = this.#empty.at(-1);
    const segment = reused ?? this.#last + 1;
    const fd = openSync(this.#pathOf(segment), reused === undefined ? 'wx+' : 'r+');
    this.#fds.set(segment, fd);
    this.#opened.push({ segment, fd });
    this.#last = Math.max(this.#last, segment);
    this.#setSize(segment, 0);
    if (reused === undefined) {
      // Until this returns the file is one of the empty ones.
      this.#empty.push(segment);
      this.#folder.syncSegments();
    }
    this.#empty.pop();
    this.#open = { segment, fd, endBytes: 0 };
    return this.#open;
  }

  /** False where nothing of it needs a sync. */
  #write(group: Group, answers: Appended[]): boolean {
    const { to, startBytes, members } = group;
    const pieces = members.flatMap(({ record }) => (record.data.length === 0 ? [record.header] : [record.header, record.data]));
    let writtenTo = startBytes;
    let failure: ThreadError | undefined;
    try {
      writeAll(to.fd, pieces, startBytes, (bytes) => {
        writtenTo = startBytes + bytes;
      });
    } catch (error) {
      failure = threadErrorOf(error);
    }
    let goodEnd = startBytes;
    for (const { index, offsetBytes, endBytes } of members) {
      if (failure !== undefined && endBytes > writtenTo) {
        answers[index] = failure;
      } else {
        answers[index] = { segment: to.segment, offsetBlocks: offsetBytes / blockBytes };
        goodEnd = endBytes;
      }
    }
    if (failure !== undefined) {
      this.#cut(to, goodEnd);
    }
    this.#setSize(to.segment, goodEnd);
    return goodEnd > startBytes;
  }

  /** Takes back a record that was written in part, which also frees its space. Where even that fails nothing is appended behind it. */
  #cut(to: OpenSegment, endBytes: number): void {
    to.endBytes = endBytes;
    try {
      ftruncateSync(to.fd, endBytes);
    } catch {
      // The reader tells a torn record by its checksums; the write's own error is the one that is told.
      this.#open = this.#open === to ? undefined : this.#open;
    }
  }

  /** After a failed sync the kernel may have dropped the pages and call the next sync a success: so there is none. */
  #sync(group: Group, answers: Appended[]): void {
    try {
      if (this.#syncFailure === undefined) {
        fdatasyncSync(group.to.fd);
      }
    } catch (error) {
      const { message, errno } = threadErrorOf(error);
      this.#syncFailure = new ThreadError('SYNC_FAILED', message, errno);
    }
    if (this.#syncFailure !== undefined) {
      for (const { index } of group.members) {
        answers[index] = answers[index] instanceof ThreadError ? answers[index] : this.#syncFailure;
      }
    }
  }

  #fdOf(segment: number): number {
    const known = this.#fds.get(segment);
    if (known !== undefined) {
      return known;
    }
    try {
      const fd = openSync(this.#pathOf(segment), 'r');
      this.#fds.set(segment, fd);
      this.#opened.push({ segment, fd });
      return fd;
    } catch (error) {
      throw this.#missing(error, segment);
    }
  }

  /** No file: either the segment is not there, or nothing is. */
  #missing(error: unknown, segment: number): ThreadError {
    const told = threadErrorOf(error);
    if (told.code !== 'GONE') {
      return told;
    }
    this.#folder.check();
    return new ThreadError('NO_SEGMENT', `segment ${segment} is not there`);
  }

  #setSize(segment: number, sizeBytes: number): void {
    this.#usedBytes += sizeBytes - (this.#sizes.get(segment) ?? 0);
    this.#sizes.set(segment, sizeBytes);
  }

  #pathOf(segment: number): string {
    return join(this.#folder.segmentsPath, `${String(segment).padStart(8, '0')}.seg`);
  }
}

/** Tells after each call how much is written by then. */
function writeAll(fd: number, pieces: readonly Uint8Array[], positionBytes: number, onProgress: (bytes: number) => void): void {
  const left = [...pieces];
  let done = 0;
  while (left.length > 0) {
    let written = writevSync(fd, left.slice(0, piecesMax), positionBytes + done);
    done += written;
    onProgress(done);
    let whole = 0;
    for (const piece of left) {
      if (written < piece.length) {
        break;
      }
      written -= piece.length;
      whole += 1;
    }
    left.splice(0, whole);
    const first = left[0];
    if (first !== undefined && written > 0) {
      left[0] = first.subarray(written);
    }
  }
}
