/**
 * The answers of one connection: what is told of each request, and when it leaves.
 *
 * All that is answered in one turn of the event loop leaves with one write. What is answered while nothing else is in hand leaves at once, as
 * nothing could leave with it: that is what a client sees who asks for one thing at a time.
 */
import type { Socket } from 'node:net';
import { CodedError, describeError } from '@couchestor/shared/errors';
import type { Logger } from '@couchestor/shared/logger';
import { failureOf, type NbdFailure } from '../../domain/nbd-errors.ts';
import { chunkHeaderBytes, command, type NbdErrorName, simpleReplyBytes } from '../../domain/nbd-protocol.ts';
import { encodeErrorChunk, putNone, putSimpleReply } from '../../domain/nbd-reply.ts';
import { commandName, isReading, type NbdRefusal, type NbdRequest } from '../../domain/nbd-request.ts';
import type { InHand, InHandAccount } from './in-hand.ts';
import type { MemoryPool } from './memory-pool.ts';
import type { NbdMetrics } from './metrics.ts';
import { ReplyWriter, type Slot } from './reply-writer.ts';

export interface AnswersDeps {
  readonly socket: Socket;
  readonly pool: MemoryPool;
  readonly account: InHandAccount;
  readonly isStructured: boolean;
  readonly logger: Logger;
  readonly metrics: NbdMetrics | undefined;
  /** Something has left, or was dropped: there may be room for what waits. */
  readonly onProgress: () => void;
}

export class Answers {
  readonly #o: AnswersDeps;
  /** For those who put their replies together themselves, and then `commit` or `send` them. */
  readonly writer: ReplyWriter;
  readonly #onTurn = () => this.#turn();
  #isHeld = false;
  #isTurnDue = false;
  #isClosed = false;
  #lastSentMs = performance.now();

  constructor(o: AnswersDeps) {
    this.#o = o;
    this.writer = new ReplyWriter({ socket: o.socket, pool: o.pool, onSent: (chargeBytes) => this.#onSent(chargeBytes) });
  }

  get isStructured(): boolean {
    return this.#o.isStructured;
  }

  get unsentBytes(): number {
    return this.writer.unsentBytes;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** For how long the client has taken nothing of what waits for it. */
  stalledMs(nowMs: number): number {
    if (this.writer.unsentBytes === 0) {
      this.#lastSentMs = nowMs;
    }
    return nowMs - this.#lastSentMs;
  }

  /** Until `letGo`, nothing leaves: more is about to be answered. */
  hold(): void {
    this.#isHeld = true;
  }

  letGo(): void {
    this.#isHeld = false;
    this.writer.flush();
  }

  /** There is nobody to answer any more. */
  close(): void {
    this.#isClosed = true;
  }

  /** A good answer that has no data. */
  done(inHand: InHand): void {
    if (this.#isClosed) {
      this.drop(inHand);
      return;
    }
    if (inHand.request.type === command.read && this.#o.isStructured) {
      const at = this.writer.reserve(chunkHeaderBytes);
      putNone(this.writer.bytes, at, inHand.request);
      this.commit(inHand, chunkHeaderBytes);
    } else {
      const at = this.writer.reserve(simpleReplyBytes);
      putSimpleReply(this.writer.bytes, at, inHand.request);
      this.commit(inHand, simpleReplyBytes);
    }
  }

  failed(inHand: InHand, error: unknown): void {
    const { request } = inHand;
    const failure = failureOf(error, isReading(request.type));
    const facts = { command: commandName(request.type), error: failure.error, because: describeError(error) };
    if (error instanceof CodedError) {
      this.#o.logger.debug(facts, 'an NBD request failed');
    } else {
      // A fault of ours, which nobody would hear of otherwise.
      this.#o.logger.error({ ...facts, err: error }, 'an NBD request failed unexpectedly');
    }
    if (this.#isClosed) {
      this.drop(inHand);
      return;
    }
    this.#putError(request, failure, inHand.chargeBytes);
    this.#answered(inHand, failure.error);
  }

  /** Of what was never begun. */
  refused(request: NbdRequest, refusal: NbdRefusal): void {
    this.#putError(request, refusal, 0);
    this.#o.metrics?.request(commandName(request.type), refusal.error, 0, 0);
  }

  /** What was put at the place that the writer reserved is the whole answer. */
  commit(inHand: InHand, replyBytes: number): void {
    this.writer.commit(replyBytes, inHand.chargeBytes);
    this.#answered(inHand, 'ok');
  }

  send(inHand: InHand, slot: Slot): void {
    this.writer.send(slot, inHand.chargeBytes);
    this.#answered(inHand, 'ok');
  }

  drop(inHand: InHand): void {
    this.#o.account.drop(inHand);
    this.#o.onProgress();
  }

  #putError(request: NbdRequest, failure: NbdFailure, chargeBytes: number): void {
    if (!this.#o.isStructured) {
      const at = this.writer.reserve(simpleReplyBytes);
      putSimpleReply(this.writer.bytes, at, request, failure.error);
      this.writer.commit(simpleReplyBytes, chargeBytes);
      return;
    }
    const { error, message, offsetBytes } = failure;
    const endBytes = request.offsetBytes + request.lengthBytes;
    const isWithin =
      offsetBytes !== undefined && request.type === command.read && offsetBytes >= request.offsetBytes && offsetBytes < endBytes;
    const bytes = encodeErrorChunk(request, { error, message, ...(isWithin ? { offsetBytes } : {}) });
    this.writer.send({ bytes, memory: undefined }, chargeBytes);
  }

  /** The reply is queued: its charge goes when it has been sent. */
  #answered(inHand: InHand, result: 'ok' | NbdErrorName): void {
    const { metrics, account } = this.#o;
    account.answered();
    if (metrics !== undefined) {
      const { type, lengthBytes } = inHand.request;
      metrics.request(commandName(type), result, lengthBytes, performance.now() - inHand.startedMs);
    }
    if (this.#isHeld) {
      return;
    }
    if (account.requests === 0) {
      this.#turn();
    } else if (!this.#isTurnDue) {
      this.#isTurnDue = true;
      setImmediate(this.#onTurn);
    }
  }

  #turn(): void {
    this.#isTurnDue = false;
    if (!this.#isHeld) {
      this.writer.flush();
      this.#o.onProgress();
    }
  }

  #onSent(chargeBytes: number): void {
    this.#lastSentMs = performance.now();
    // Of one that is closed, all that is left is given back at the end.
    if (!this.#isClosed) {
      this.#o.account.sent(chargeBytes);
      this.#o.onProgress();
    }
  }
}
