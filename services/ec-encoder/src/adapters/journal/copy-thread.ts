/**
 * The thread of one copy of the journal: writes what stands in the shared ring to segment files, and reads from them, by synchronous calls. A
 * disk that does not answer stops this thread and nothing else.
 *
 * One batch is all that arrived while the last one was synced: a writev for each file it lies in, then fdatasync, then word of how far it got. A
 * call that fails is never tried again, as the kernel may have dropped what it could not write: the thread says so and ends.
 */
import { closeSync, constants, fdatasyncSync, fstatSync, fsyncSync, openSync, readSync, renameSync, writeSync, writevSync } from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { recordUnitBytes } from '../../domain/journal-record.ts';
import { segmentPath } from './copy-files.ts';
import {
  type CopyCall,
  type CopyReport,
  type CopyThreadData,
  controlWords,
  type Forget,
  type Mark,
  threadStates,
} from './copy-protocol.ts';

/** Between two batches, so that writes do not wait for all reads that are asked for. */
const readsPerRound = 32;

const data = workerData as CopyThreadData;
const ring = new Uint8Array(data.ring);
const control = new Int32Array(data.control);
const port = parentPort;
const syncedAt = controlWords.firstCopy + data.copy * controlWords.perCopy;
const stateAt = syncedAt + 1;

/** A file that grows with every sync has its metadata synced each time; so it grows by steps of zeros. */
const growth = new Uint8Array(2 * 1024 * 1024);

const marks: Mark[] = [];
const reads: Extract<CopyCall, { kind: 'read' }>[] = [];
/** Of each segment that may be read: apart from the one that is written through. */
const readable = new Map<number, number>();
let forgottenUpTo = 0;
let tail = 0;
let file = -1;
let fileOffset = 0;
let fileBytes = 0;
let isDirty = false;

function run(): void {
  for (;;) {
    const wakes = Atomics.load(control, controlWords.wakes);
    const state = Atomics.load(control, stateAt);
    if (state === threadStates.abandoned) {
      return;
    }
    const head = tail + ((Atomics.load(control, controlWords.head) - tail / recordUnitBytes) | 0) * recordUnitBytes;
    // Marks are sent before the head moves over them.
    takeMessages();
    for (const call of reads.splice(0, readsPerRound)) {
      answer(call.id, () => read(call));
    }
    if (head !== tail) {
      writeUpTo(head);
      sync();
      Atomics.store(control, syncedAt, (tail / recordUnitBytes) | 0);
      report({ kind: 'synced' });
    } else if (reads.length === 0) {
      if (state === threadStates.closing) {
        return;
      }
      Atomics.wait(control, controlWords.wakes, wakes);
    }
  }
}

function report(what: CopyReport): void {
  port?.postMessage(what);
}

function takeMessages(): void {
  for (let next = port && receiveMessageOnPort(port); next; next = port && receiveMessageOnPort(port)) {
    const message = next.message as Mark | CopyCall | Forget;
    if (message.kind === 'read') {
      reads.push(message);
    } else if (message.kind === 'heal') {
      answer(message.id, () => heal(message));
    } else if (message.kind === 'forget') {
      forget(message.segment);
    } else {
      marks.push(message);
    }
  }
}

function answer(id: number, work: () => Uint8Array | undefined): void {
  try {
    const bytes = work();
    report({ kind: 'answer', id, ...(bytes === undefined ? {} : { bytes }) });
  } catch (error) {
    report({ kind: 'answer', id, problem: error instanceof Error ? error.message : String(error) });
  }
}

function read(call: { segment: number; offsetBytes: number; lengthBytes: number }): Uint8Array {
  const bytes = new Uint8Array(call.lengthBytes);
  const length = readSync(readableOf(call.segment), bytes, 0, bytes.length, call.offsetBytes);
  if (length < bytes.length) {
    throw new Error(`${length} bytes of ${bytes.length} are there`);
  }
  return bytes;
}

function readableOf(segment: number): number {
  if (segment <= forgottenUpTo) {
    throw new Error(`segment ${segment} is released`);
  }
  const known = readable.get(segment);
  if (known !== undefined) {
    return known;
  }
  const descriptor = openSync(segmentPath(data.dir, segment), constants.O_RDONLY);
  readable.set(segment, descriptor);
  report({ kind: 'opened', segment, descriptor });
  return descriptor;
}

/** What fails here leaves the block as bad as it was. */
function heal(call: { segment: number; offsetBytes: number; bytes: Uint8Array }): undefined {
  const target = openSync(segmentPath(data.dir, call.segment), constants.O_WRONLY);
  try {
    writeSync(target, call.bytes, 0, call.bytes.length, call.offsetBytes);
    fdatasyncSync(target);
  } finally {
    closeSync(target);
  }
}

function forget(upTo: number): void {
  forgottenUpTo = Math.max(forgottenUpTo, upTo);
  for (const [segment, descriptor] of readable) {
    if (segment <= forgottenUpTo) {
      readable.delete(segment);
      closeSync(descriptor);
    }
  }
}

function writeUpTo(head: number): void {
  // Once given up, the ring is no longer kept for this copy.
  while (tail < head && Atomics.load(control, stateAt) !== threadStates.abandoned) {
    const mark = marks[0];
    if (mark?.at === tail) {
      marks.shift();
      obey(mark);
    } else {
      write(Math.min(head, mark?.at ?? head));
    }
  }
}

function obey(mark: Mark): void {
  if (mark.kind === 'skip') {
    tail += mark.bytes;
    return;
  }
  if (file >= 0) {
    sync();
    closeSync(file);
    file = -1;
  }
  const path = segmentPath(data.dir, mark.segment);
  if (mark.reuse !== undefined) {
    renameSync(segmentPath(data.dir, mark.reuse), path);
  }
  file = openSync(path, constants.O_CREAT | constants.O_WRONLY, 0o640);
  fileOffset = mark.offsetBytes;
  fileBytes = fstatSync(file).size;
  const dir = openSync(data.dir, constants.O_RDONLY);
  fsyncSync(dir);
  closeSync(dir);
  readableOf(mark.segment);
}

function write(end: number): void {
  const from = tail % ring.length;
  const length = end - tail;
  const pieces = [ring.subarray(from, Math.min(ring.length, from + length))];
  if (from + length > ring.length) {
    pieces.push(ring.subarray(0, from + length - ring.length));
  }
  grow(fileOffset + length);
  for (let left = length; left > 0; ) {
    const written = writevSync(file, pieces, fileOffset);
    left -= written;
    fileOffset += written;
    drop(pieces, written);
  }
  tail = end;
  isDirty = true;
}

function grow(neededBytes: number): void {
  while (fileBytes < neededBytes) {
    const step = Math.min(growth.length, Math.max(neededBytes, data.segmentBytes) - fileBytes);
    fileBytes += writeSync(file, growth, 0, step, fileBytes);
  }
}

function drop(pieces: Uint8Array[], written: number): void {
  let left = written;
  for (let first = pieces[0]; first !== undefined && left >= first.length; first = pieces[0]) {
    left -= first.length;
    pieces.shift();
  }
  if (pieces[0] !== undefined) {
    pieces[0] = pieces[0].subarray(left);
  }
}

function sync(): void {
  if (isDirty) {
    fdatasyncSync(file);
    isDirty = false;
  }
}

/** The main thread reads through the descriptors until it knows. */
function waitUntilTold(): void {
  for (;;) {
    const wakes = Atomics.load(control, controlWords.wakes);
    if (Atomics.load(control, stateAt) !== threadStates.running) {
      return;
    }
    Atomics.wait(control, controlWords.wakes, wakes);
  }
}

try {
  run();
} catch (error) {
  report({ kind: 'failed', reason: error instanceof Error ? error.message : String(error) });
  waitUntilTold();
}
if (file >= 0) {
  closeSync(file);
}
forget(Number.POSITIVE_INFINITY);
