/** READ: the bytes are read to where the reply leaves from. What the device has at once costs neither a promise nor memory of its own. */
import { simpleReplyBytes } from '../../domain/nbd-protocol.ts';
import { offsetDataHeaderBytes, offsetHoleBytes, putOffsetData, putOffsetHole, putSimpleReply } from '../../domain/nbd-reply.ts';
import type { Answers } from './answers.ts';
import type { BlockDevice } from './block-device.ts';
import type { InHand } from './in-hand.ts';
import { type Slot, sharedReplyBytesMax } from './reply-writer.ts';

/** Below it, zeros cost no more than asking. */
const holeBytesMin = 32_768;

export function beginRead(inHand: InHand, o: { device: BlockDevice; answers: Answers }): void {
  const { device, answers } = o;
  const { offsetBytes, lengthBytes } = inHand.request;
  if (lengthBytes === 0) {
    answers.done(inHand);
    return;
  }
  let slot: Slot | undefined;
  try {
    if (answers.isStructured && lengthBytes >= holeBytesMin && device.isHole?.(offsetBytes, lengthBytes) === true) {
      answerHole(inHand, answers);
      return;
    }
    const { writer } = answers;
    const headerBytes = answers.isStructured ? offsetDataHeaderBytes : simpleReplyBytes;
    const replyBytes = headerBytes + lengthBytes;
    let at = 0;
    if (replyBytes > sharedReplyBytesMax) {
      slot = writer.slot(replyBytes);
    } else {
      at = writer.reserve(replyBytes);
    }
    const bytes = slot === undefined ? writer.bytes : slot.bytes;
    const pending = device.read(offsetBytes, new Uint8Array(bytes.buffer, bytes.byteOffset + at + headerBytes, lengthBytes));
    if (answers.isStructured) {
      putOffsetData(bytes, at, inHand.request, inHand.request);
    } else {
      putSimpleReply(bytes, at, inHand.request);
    }
    if (pending !== undefined) {
      sendWhenRead(inHand, answers, { pending, slot: slot ?? writer.detach(replyBytes) });
    } else if (slot !== undefined) {
      answers.send(inHand, slot);
    } else {
      answers.commit(inHand, replyBytes);
    }
  } catch (error) {
    if (slot !== undefined) {
      answers.writer.release(slot);
    }
    answers.failed(inHand, error);
  }
}

function answerHole(inHand: InHand, answers: Answers): void {
  const at = answers.writer.reserve(offsetHoleBytes);
  putOffsetHole(answers.writer.bytes, at, inHand.request, inHand.request);
  answers.commit(inHand, offsetHoleBytes);
}

function sendWhenRead(inHand: InHand, answers: Answers, o: { pending: Promise<void>; slot: Slot }): void {
  o.pending.then(
    () => {
      if (answers.isClosed) {
        answers.writer.release(o.slot);
        answers.drop(inHand);
      } else {
        answers.send(inHand, o.slot);
      }
    },
    (error: unknown) => {
      answers.writer.release(o.slot);
      answers.failed(inHand, error);
    },
  );
}
