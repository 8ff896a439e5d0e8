/**
 * The transmission phase of one connection.
 *
 * Requests are begun in the order in which they arrive and answered in the order in which they are done. A request that may not be begun yet
 * (too many, too much memory, a client that takes no replies) is parked: the socket is paused, so that what follows waits at the client.
 */
import type { Socket } from 'node:net';
import type { Logger } from '@couchestor/shared/logger';
import { command } from '../../domain/nbd-protocol.ts';
import { type NbdRefusal, type NbdRequest, type Negotiated, refusalOf } from '../../domain/nbd-request.ts';
import { Answers } from './answers.ts';
import type { BlockDevice } from './block-device.ts';
import { type CommandContext, commandOf } from './commands.ts';
import { type InHand, InHandAccount } from './in-hand.ts';
import type { NbdBudget, NbdLimits, Waiting } from './limits.ts';
import type { MemoryPool } from './memory-pool.ts';
import type { NbdMetrics } from './metrics.ts';
import { RequestReader } from './request-reader.ts';

const noData: readonly Uint8Array[] = [];

export interface TransmissionDeps {
  readonly socket: Socket;
  readonly device: BlockDevice;
  readonly negotiated: Negotiated;
  readonly limits: NbdLimits;
  readonly budget: NbdBudget;
  readonly pool: MemoryPool;
  readonly logger: Logger;
  readonly metrics: NbdMetrics | undefined;
  /** After the socket is closed and the last request settled. */
  readonly onEnd: () => void;
}

export class Transmission implements Waiting {
  readonly #o: TransmissionDeps;
  readonly #reader = new RequestReader();
  readonly #account: InHandAccount;
  readonly #answers: Answers;
  readonly #context: CommandContext;
  readonly #refusalInput: { negotiated: Negotiated; device: BlockDevice; requestBytesMax: number };
  /** Read, and waiting for room. */
  #parked: NbdRequest | undefined;
  /** Of the request whose payload is read over. */
  #refusal: NbdRefusal | undefined;
  /** A write whose payload arrives. */
  #arriving: InHand | undefined;
  #isPumping = false;
  /** Nothing more is read: what is in hand is finished. */
  #isFinishing = false;
  #hasInputEnded = false;
  #isClosed = false;
  #hasEnded = false;
  #inRequestSinceMs: number | undefined;

  constructor(o: TransmissionDeps) {
    this.#o = o;
    this.#refusalInput = { negotiated: o.negotiated, device: o.device, requestBytesMax: o.limits.requestBytesMax };
    this.#account = new InHandAccount(o);
    this.#answers = new Answers({
      ...o,
      account: this.#account,
      isStructured: o.negotiated.hasStructuredReplies,
      onProgress: () => this.#onProgress(),
    });
    this.#context = { device: o.device, answers: this.#answers };
  }

  start(): void {
    const { socket } = this.#o;
    socket.on('close', () => this.#onClose());
    if (socket.destroyed) {
      this.#onClose();
      return;
    }
    socket.on('data', (piece: Buffer) => {
      if (!this.#isFinishing) {
        this.#reader.add(piece);
        if (this.#parked === undefined) {
          this.#pump();
        }
      }
    });
    socket.on('end', () => {
      this.#hasInputEnded = true;
      this.#pump();
    });
    socket.resume();
  }

  /** Answers what is in hand, reads nothing more, closes. */
  finish(): void {
    if (this.#isFinishing) {
      return;
    }
    this.#stopReading();
    // What still comes is thrown away, as a socket closed over unread bytes takes back what it has sent.
    this.#o.socket.resume();
    this.#finishIfDone();
  }

  /** Cuts off a client that holds what others need. Called now and then. */
  check(nowMs: number): void {
    const { limits, budget } = this.#o;
    const stalledMs = this.#answers.stalledMs(nowMs);
    if (this.#inRequestSinceMs !== undefined && nowMs - this.#inRequestSinceMs > limits.requestTimeoutMs) {
      this.#cut('a request did not arrive in time');
    } else if (stalledMs > limits.stalledTimeoutMs && budget.isContended) {
      this.#cut('the client takes no replies, and others wait for the memory');
    }
  }

  wake(): void {
    this.#pump();
  }

  #cut(reason: string): void {
    this.#o.logger.info({ reason }, 'an NBD client was cut off');
    this.#o.socket.destroy();
  }

  #pump(): void {
    if (this.#isPumping || this.#isFinishing || this.#isClosed) {
      return;
    }
    this.#isPumping = true;
    this.#answers.hold();
    this.#read();
    this.#isPumping = false;
    this.#answers.letGo();
    if (this.#isFinishing || this.#isClosed) {
      this.#finishIfDone();
    } else if (this.#parked !== undefined) {
      this.#inRequestSinceMs = undefined;
      this.#o.socket.pause();
    } else if (this.#hasInputEnded) {
      this.finish();
    } else {
      this.#awaitMore();
    }
  }

  #awaitMore(): void {
    if (!this.#reader.isInRequest) {
      this.#inRequestSinceMs = undefined;
    } else if (this.#inRequestSinceMs === undefined) {
      this.#inRequestSinceMs = performance.now();
    }
    if (this.#o.socket.isPaused()) {
      this.#o.socket.resume();
    }
  }

  /** Until there is nothing more to read, or a request has to wait. */
  #read(): void {
    if (this.#parked !== undefined) {
      const request = this.#parked;
      this.#parked = undefined;
      if (!this.#onRequest(request)) {
        return;
      }
    }
    while (!this.#isFinishing) {
      switch (this.#reader.step()) {
        case 'need-more':
          return;
        case 'bad-magic':
          this.#o.logger.debug('an NBD client sent what is no request');
          this.#o.socket.destroy();
          return;
        case 'request':
          this.#inRequestSinceMs = undefined;
          if (!this.#onRequest(this.#reader.request)) {
            return;
          }
          break;
        case 'payload':
          this.#onPayload(this.#reader.takePayload());
          break;
        case 'skipped':
          this.#onSkipped();
          break;
      }
    }
  }

  /** False where nothing more may be read now. */
  #onRequest(request: NbdRequest): boolean {
    if (request.type === command.disconnect) {
      this.finish();
      return false;
    }
    // Refusals too are bytes that a client has to take.
    if (this.#answers.unsentBytes > this.#o.limits.unsentBytesMax) {
      return this.#parkForOwn(request);
    }
    const refusal = refusalOf(request, this.#refusalInput);
    if (refusal !== undefined) {
      return this.#onRefusal(request, refusal);
    }
    const wanted = commandOf(request);
    const chargeBytes = wanted.chargeOf(request);
    if (!this.#account.hasRoomFor(chargeBytes)) {
      return this.#parkForOwn(request);
    }
    if (!this.#account.take(this, chargeBytes)) {
      this.#parked = request;
      return false;
    }
    if (request.type === command.write) {
      this.#arriving = { request, chargeBytes, startedMs: 0 };
      this.#reader.expectPayload();
    } else {
      wanted.begin({ request, chargeBytes, startedMs: this.#nowMs() }, this.#context, noData);
    }
    return true;
  }

  /** Until its own replies are done or taken. Must not stand in the queue for the budget meanwhile: a client that takes nothing would hold up all others. */
  #parkForOwn(request: NbdRequest): false {
    this.#o.budget.forget(this);
    this.#parked = request;
    return false;
  }

  #onRefusal(request: NbdRequest, refusal: NbdRefusal): boolean {
    if (request.type === command.write && request.lengthBytes > 2 * this.#o.limits.requestBytesMax) {
      // Nobody who has read the limit sends this; to read it over would only keep the line busy.
      this.#o.logger.debug({ lengthBytes: request.lengthBytes }, 'an NBD client sent a write far above the limit');
      this.#o.socket.destroy();
      return false;
    }
    this.#refusal = refusal;
    this.#reader.skipPayload();
    return true;
  }

  #onSkipped(): void {
    if (this.#refusal !== undefined) {
      this.#answers.refused(this.#reader.request, this.#refusal);
      this.#refusal = undefined;
    }
  }

  #onPayload(data: readonly Uint8Array[]): void {
    const arrived = this.#arriving;
    this.#arriving = undefined;
    if (arrived !== undefined) {
      commandOf(arrived.request).begin({ ...arrived, startedMs: this.#nowMs() }, this.#context, data);
    }
  }

  #nowMs(): number {
    return this.#o.metrics === undefined ? 0 : performance.now();
  }

  #onProgress(): void {
    if (this.#isClosed) {
      this.#endIfOver();
    } else if (this.#isFinishing) {
      this.#finishIfDone();
    } else if (this.#parked !== undefined) {
      this.#pump();
    }
  }

  #stopReading(): void {
    this.#isFinishing = true;
    this.#parked = undefined;
    this.#inRequestSinceMs = undefined;
    this.#o.budget.forget(this);
    this.#reader.clear();
    if (this.#arriving !== undefined) {
      this.#account.drop(this.#arriving);
      this.#arriving = undefined;
    }
  }

  #finishIfDone(): void {
    const { socket, limits } = this.#o;
    if (this.#isFinishing && this.#account.requests === 0 && !this.#isClosed && !socket.writableEnded && !this.#isPumping) {
      this.#answers.letGo();
      socket.end();
      // The client closes when it has read the end. One that does not is not waited for.
      const timer = setTimeout(() => socket.destroy(), limits.lingerMs);
      socket.once('close', () => clearTimeout(timer));
    }
  }

  #onClose(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#answers.close();
      this.#stopReading();
      this.#endIfOver();
    }
  }

  #endIfOver(): void {
    if (this.#isClosed && this.#account.requests === 0 && !this.#hasEnded) {
      this.#hasEnded = true;
      this.#account.giveUpUnsent();
      this.#o.onEnd();
    }
  }
}
