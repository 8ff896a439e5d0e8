/** The commands: what each may take of memory, and what it has the device do. All were found good before (domain/nbd-request.ts). */
import { command, commandFlag, simpleReplyBytes } from '../../domain/nbd-protocol.ts';
import { encodeBlockStatus, mergeExtents, offsetDataHeaderBytes } from '../../domain/nbd-reply.ts';
import type { NbdRequest } from '../../domain/nbd-request.ts';
import type { Answers } from './answers.ts';
import type { BlockDevice } from './block-device.ts';
import type { InHand } from './in-hand.ts';
import { beginRead } from './read-command.ts';

/** A view keeps the whole buffer of the socket alive that it is part of. */
const socketBufferBytes = 65_536;
/** What one BLOCK_STATUS looks at, and how many extents it answers with; clients ask again for the rest. */
const statusBytesMax = 268_435_456;
const extentsMax = 8_192;
/** What an extent costs while it is an object, and the least that there can be one for. */
const extentObjectBytes = 64;
const extentBytesMin = 4_096;
/** CACHE is advice: it is taken so far, in such steps. */
const cachedBytesMax = 33_554_432;
const cacheStepBytes = 262_144;

/** Of one connection. */
export interface CommandContext {
  readonly device: BlockDevice;
  readonly answers: Answers;
}

interface Command {
  /** What it may take of memory until it is answered and the answer sent. */
  chargeOf(request: NbdRequest): number;
  /** Answers it, now or later. `data`: the payload of a write. */
  begin(inHand: InHand, o: CommandContext, data: readonly Uint8Array[]): void;
}

const smallCharge = () => simpleReplyBytes;

/** NO_HOLE asks that later writes find room. Nothing here is ever written over in place, so no block that is written gives that either. */
const zero: Command = {
  chargeOf: smallCharge,
  begin: (inHand, o) => {
    const { offsetBytes, lengthBytes } = inHand.request;
    if (lengthBytes === 0) {
      o.answers.done(inHand);
    } else {
      answerWhenDone(inHand, o.answers, () => o.device.zero(offsetBytes, lengthBytes));
    }
  },
};

const table: Readonly<Record<number, Command>> = {
  [command.read]: {
    chargeOf: ({ lengthBytes }) => offsetDataHeaderBytes + lengthBytes,
    begin: beginRead,
  },
  [command.write]: {
    chargeOf: ({ lengthBytes }) => socketBufferBytes + lengthBytes,
    begin: (inHand, o, data) => {
      const { offsetBytes, lengthBytes } = inHand.request;
      if (lengthBytes === 0) {
        o.answers.done(inHand);
      } else {
        answerWhenDone(inHand, o.answers, () => o.device.write(offsetBytes, data));
      }
    },
  },
  [command.flush]: {
    chargeOf: smallCharge,
    begin: (inHand, o) => answerWhenDone(inHand, o.answers, () => o.device.flush()),
  },
  [command.trim]: zero,
  [command.writeZeroes]: zero,
  [command.cache]: {
    chargeOf: () => cacheStepBytes,
    begin: (inHand, o) => answerWhenDone(inHand, o.answers, () => readThrough(inHand.request, o)),
  },
  [command.blockStatus]: {
    chargeOf: ({ lengthBytes }) => Math.ceil(Math.min(lengthBytes, statusBytesMax) / extentBytesMin) * extentObjectBytes,
    begin: (inHand, o) => {
      answerStatus(inHand, o).catch((error: unknown) => o.answers.failed(inHand, error));
    },
  },
};

/** Of a request that was not refused and is no DISCONNECT. */
export function commandOf({ type }: NbdRequest): Command {
  const found = table[type];
  if (found === undefined) {
    throw new Error(`command ${type} is not one that is begun`);
  }
  return found;
}

function answerWhenDone(inHand: InHand, answers: Answers, work: () => Promise<void>): void {
  let pending: Promise<void>;
  try {
    pending = work();
  } catch (error) {
    answers.failed(inHand, error);
    return;
  }
  pending.then(
    () => answers.done(inHand),
    (error: unknown) => answers.failed(inHand, error),
  );
}

async function answerStatus(inHand: InHand, { device, answers }: CommandContext): Promise<void> {
  const { offsetBytes, flags } = inHand.request;
  const lengthBytes = Math.min(inHand.request.lengthBytes, statusBytesMax);
  const found = await device.status(offsetBytes, lengthBytes);
  const extents = mergeExtents(found, { lengthBytes, extentsMax: (flags & commandFlag.requestOne) === 0 ? extentsMax : 1 });
  if (extents.length === 0) {
    throw new Error('the device says nothing of its blocks');
  }
  if (answers.isClosed) {
    answers.drop(inHand);
  } else {
    answers.send(inHand, { bytes: encodeBlockStatus(inHand.request, extents), memory: undefined });
  }
}

async function readThrough({ offsetBytes, lengthBytes }: NbdRequest, { device, answers }: CommandContext): Promise<void> {
  const endBytes = offsetBytes + Math.min(lengthBytes, cachedBytesMax);
  const scratch = new Uint8Array(Math.min(endBytes - offsetBytes, cacheStepBytes));
  for (let at = offsetBytes; at < endBytes && !answers.isClosed; at += cacheStepBytes) {
    await device.read(at, scratch.subarray(0, Math.min(cacheStepBytes, endBytes - at)));
    // What comes from memory must not keep all others waiting.
    await new Promise(setImmediate);
  }
}
