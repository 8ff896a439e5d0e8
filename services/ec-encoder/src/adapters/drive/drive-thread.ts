/**
 * The thread of a drive: all its file system calls, one after the other, synchronously. A drive that hangs stops this thread and nothing else.
 *
 * A round takes what has arrived: all front reads, then all front writes as one batch with one sync, then the rest. Back work (rebuild, scrub,
 * compaction) gets its turn where nobody waits in front, and in every eighth round all the same, in the order of its arrival.
 */
import { statfsSync } from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { blockBytes } from '../../domain/geometry.ts';
import type { DriveSpace } from './drive.ts';
import { DriveFolder, readIdentity } from './drive-folder.ts';
import {
  type DriveAnswer,
  type DriveReport,
  type DriveRequest,
  type OtherRequest,
  type ReadRequest,
  slotBegun,
  slotWaiting,
  type WriteRequest,
} from './drive-messages.ts';
import { SegmentFiles } from './segment-files.ts';
import { ThreadError, threadErrorOf } from './thread-error.ts';

/** In one turn, so that a front call does not wait for more than this. */
const backBytesMax = 4 * 1024 * 1024;
const roundsPerBackTurn = 8;
/** Kept between reads; a longer read takes memory of its own. */
const scratchBytes = 4 * 1024 * 1024;
const reservedShare = 0.07;
const reservedSegments = 4;

const port = parentPort;
if (port === null) {
  throw new Error('this file runs as a thread');
}
const answerTo = port;
const { slots } = workerData as { slots: Int32Array };

const frontReads: ReadRequest[] = [];
const frontWrites: WriteRequest[] = [];
const others: OtherRequest[] = [];
const back: DriveRequest[] = [];
const scratch = Buffer.allocUnsafeSlow(scratchBytes);

let path = '';
let drive: { folder: DriveFolder; files: SegmentFiles; segmentBytes: number; capacityBytes: number } | undefined;
let roundsSinceBack = 0;
let checkedAtMs = performance.now();
/** Why the folder is not the right one, as of the last look. */
let unfit: ThreadError | undefined;

port.on('message', (request: DriveRequest) => {
  sort(request);
  while (takeRound()) {
    lookNowAndThen();
  }
});
let looking: NodeJS.Timeout | undefined;
let checkIntervalMs = Number.POSITIVE_INFINITY;

function sort(request: DriveRequest): void {
  if (request.kind === 'read' || request.kind === 'write') {
    if (request.isBack) {
      back.push(request);
    } else if (request.kind === 'read') {
      frontReads.push(request);
    } else {
      frontWrites.push(request);
    }
  } else if (request.kind === 'remove' || request.kind === 'forget' || request.kind === 'close') {
    // Behind the reads that were queued before.
    back.push(request);
  } else {
    others.push(request);
  }
}

/** False when there was nothing to do. */
function takeRound(): boolean {
  for (let next = receiveMessageOnPort(answerTo); next !== undefined; next = receiveMessageOnPort(answerTo)) {
    sort(next.message as DriveRequest);
  }
  const hadFront = frontReads.length + frontWrites.length + others.length > 0;
  for (const read of frontReads.splice(0)) {
    report([serveRead(read)]);
  }
  if (frontWrites.length > 0) {
    report(serveWrites(frontWrites.splice(0)), { withSpace: true });
  }
  for (const other of others.splice(0)) {
    report([serveOther(other)], { withSpace: true });
  }
  roundsSinceBack += 1;
  if (back.length === 0 || (hadFront && roundsSinceBack < roundsPerBackTurn)) {
    return hadFront || back.length > 0;
  }
  roundsSinceBack = 0;
  takeBackTurn();
  return true;
}

function takeBackTurn(): void {
  const first = back.shift();
  if (first === undefined) {
    return;
  }
  if (first.kind === 'read') {
    report([serveRead(first)]);
    return;
  }
  if (first.kind !== 'write') {
    report([serveOther(first)], { withSpace: first.kind === 'remove' });
    return;
  }
  const writes = [first];
  let bytes = first.data.length;
  for (let next = back[0]; next?.kind === 'write' && bytes + next.data.length <= backBytesMax; next = back[0]) {
    writes.push(next);
    bytes += next.data.length;
    back.shift();
  }
  report(serveWrites(writes), { withSpace: true });
}

function serveRead(request: ReadRequest): DriveAnswer {
  return answer(request.id, () => {
    if (Atomics.load(slots, request.slot) !== slotWaiting) {
      return;
    }
    const { into, segment, offsetBytes } = request;
    // The kernel must not write into the caller's memory: where the call hangs, the caller has long given up and uses it for something else.
    const read = into.length <= scratch.length ? scratch.subarray(0, into.length) : Buffer.allocUnsafeSlow(into.length);
    if (unfit?.code === 'WRONG_DRIVE') {
      throw unfit;
    }
    started().files.read({ segment, offsetBytes, into: read });
    if (Atomics.compareExchange(slots, request.slot, slotWaiting, slotBegun) === slotWaiting) {
      into.set(read);
    }
  });
}

function serveWrites(requests: readonly WriteRequest[]): DriveAnswer[] {
  const answers: DriveAnswer[] = [];
  const taken: WriteRequest[] = [];
  let error: ThreadError | undefined;
  let space: DriveSpace | undefined;
  try {
    error = started().files.syncFailure ?? unfit;
    space = spaceNow();
  } catch (thrown) {
    error = threadErrorOf(thrown);
  }
  let freeBytes = space?.freeBytes ?? 0;
  for (const request of requests) {
    const lengthBytes = request.header.length + request.data.length;
    if (error !== undefined) {
      answers.push(refusal(request.id, error));
    } else if (freeBytes - lengthBytes < (request.useReserve ? 0 : (space?.reservedBytes ?? 0))) {
      answers.push(refusal(request.id, new ThreadError('NO_SPACE', `${freeBytes} bytes are free`)));
    } else if (Atomics.compareExchange(slots, request.slot, slotWaiting, slotBegun) !== slotWaiting) {
      answers.push(refusal(request.id, new ThreadError('LATE', 'it was given up before it was begun')));
    } else {
      freeBytes -= lengthBytes;
      taken.push(request);
    }
  }
  if (taken.length > 0) {
    const appended = started().files.append(taken);
    for (const [index, request] of taken.entries()) {
      const place = appended[index];
      answers.push(
        place === undefined || place instanceof ThreadError
          ? refusal(request.id, place ?? new ThreadError('IO', 'it was not written'))
          : { id: request.id, isOk: true, value: place },
      );
    }
  }
  return answers;
}

function serveOther(request: OtherRequest): DriveAnswer {
  return answer(request.id, () => {
    switch (request.kind) {
      case 'open':
        path = request.path;
        return readIdentity(path, request.identityToMake);
      case 'start': {
        const { identity, driveId, segmentBytes, capacityBytes } = request;
        const folder = new DriveFolder(path, identity);
        drive = { folder, files: new SegmentFiles({ folder, driveId, segmentBytes }), segmentBytes, capacityBytes };
        checkIntervalMs = request.checkIntervalMs;
        looking = setInterval(lookNowAndThen, checkIntervalMs);
        return folder.device;
      }
      case 'segments':
        return started().files.list();
      case 'probe':
        probe();
        return undefined;
      case 'remove':
        // What another drive has under this number must stay.
        started().folder.check();
        started().files.remove(request.segment);
        return undefined;
      case 'forget':
        drive?.files.forget(request.segment);
        return undefined;
      case 'close':
        clearInterval(looking);
        drive?.files.close();
        drive = undefined;
        // What was posted before is still delivered, and the thread ends.
        setImmediate(() => answerTo.close());
        return undefined;
    }
  });
}

function probe(): void {
  const { folder, files } = started();
  try {
    folder.probe();
    unfit = undefined;
  } catch (error) {
    const told = threadErrorOf(error);
    // A full drive answers well.
    if (told.code !== 'NO_SPACE') {
      unfit = told.code === 'IO' ? unfit : told;
      throw told;
    }
  }
  if (files.syncFailure !== undefined) {
    throw files.syncFailure;
  }
}

/** The right folder, and how much room is left, though nobody writes. */
function lookNowAndThen(): void {
  if (drive === undefined || performance.now() - checkedAtMs < checkIntervalMs - 1) {
    return;
  }
  checkedAtMs = performance.now();
  try {
    drive.folder.check();
    report([], { withSpace: true });
  } catch (error) {
    unfit = threadErrorOf(error);
    report([], { fault: { code: unfit.code, detail: unfit.message } });
  }
}

function report(answers: readonly DriveAnswer[], o: { withSpace?: boolean; fault?: DriveReport['fault'] } = {}): void {
  let space: DriveSpace | undefined;
  try {
    space = drive === undefined || !o.withSpace ? undefined : spaceNow();
  } catch {
    // It is told with the next call that needs the folder; the last figures stand.
  }
  const message: DriveReport = {
    answers,
    opened: drive?.files.takeOpened() ?? [],
    ...(space === undefined ? {} : { space }),
    ...(o.fault === undefined ? {} : { fault: o.fault }),
  };
  answerTo.postMessage(message);
}

function spaceNow(): DriveSpace {
  const { files, folder, segmentBytes, capacityBytes } = started();
  const { blocks, bavail, bsize } = statfsSync(folder.path);
  const totalBytes = Math.min(blocks * bsize, capacityBytes);
  const freeBytes = Math.max(0, Math.min(bavail * bsize, capacityBytes - files.usedBytes));
  const reservedBytes = Math.max(Math.ceil((totalBytes * reservedShare) / blockBytes) * blockBytes, reservedSegments * segmentBytes);
  return { totalBytes, freeBytes, reservedBytes };
}

function started(): { folder: DriveFolder; files: SegmentFiles; segmentBytes: number; capacityBytes: number } {
  if (drive === undefined) {
    throw new ThreadError('CLOSED', 'it is not open');
  }
  return drive;
}

function answer(id: number, work: () => unknown): DriveAnswer {
  try {
    return { id, isOk: true, value: work() };
  } catch (error) {
    return refusal(id, threadErrorOf(error));
  }
}

function refusal(id: number, error: ThreadError): DriveAnswer {
  return { id, isOk: false, code: error.code, detail: error.message, ...(error.errno === undefined ? {} : { errno: error.errno }) };
}
