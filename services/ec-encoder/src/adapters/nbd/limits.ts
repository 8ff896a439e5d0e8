/** How much of everything clients may have of this server, and who waits when it is used up. */

export interface NbdLimits {
  /** Further ones are closed at once. */
  readonly connectionsMax: number;
  /** From the connection to the end of the negotiation, TLS included. */
  readonly handshakeTimeoutMs: number;
  /** Of one option of the negotiation; a longer one is read over and refused. */
  readonly optionBytesMax: number;
  /** Of all options of one negotiation, headers included. */
  readonly optionsBytesMax: number;
  /** Of one READ or WRITE. */
  readonly requestBytesMax: number;
  /** Begun and not answered, of one connection and of all. */
  readonly connectionRequestsMax: number;
  readonly serverRequestsMax: number;
  /** Payloads and replies in memory, of one connection and of all. */
  readonly connectionBytesMax: number;
  readonly serverBytesMax: number;
  /** No further request is begun while the socket has so many bytes of replies to send. */
  readonly unsentBytesMax: number;
  /** A request that has begun to arrive must be here so much later. */
  readonly requestTimeoutMs: number;
  /** One who takes no reply for so long is cut off when others wait for the memory he holds. */
  readonly stalledTimeoutMs: number;
  /** How long a client may take to close after everything has been said. */
  readonly lingerMs: number;
}

const mebibyte = 2 ** 20;

export const defaultNbdLimits: NbdLimits = {
  connectionsMax: 256,
  handshakeTimeoutMs: 10_000,
  optionBytesMax: 16_384,
  optionsBytesMax: 131_072,
  requestBytesMax: 32 * mebibyte,
  connectionRequestsMax: 256,
  serverRequestsMax: 4_096,
  connectionBytesMax: 64 * mebibyte,
  serverBytesMax: 256 * mebibyte,
  unsentBytesMax: 8 * mebibyte,
  requestTimeoutMs: 60_000,
  stalledTimeoutMs: 60_000,
  lingerMs: 2_000,
};

/** One that cannot go on until others have given back. */
export interface Waiting {
  /** Tries again. */
  wake(): void;
}

/** Requests and bytes of all connections together. Who came first is served first, so that large requests do not starve. */
export class NbdBudget {
  readonly #limits: NbdLimits;
  readonly #waiting: Waiting[] = [];
  #requests = 0;
  #bytes = 0;
  #isWaking = false;

  constructor(limits: NbdLimits) {
    this.#limits = limits;
  }

  get isContended(): boolean {
    return this.#waiting.length > 0;
  }

  /** For one request. False where it has to wait; `who` is woken then. */
  take(who: Waiting, bytes: number): boolean {
    const first = this.#waiting[0];
    const isFull =
      this.#requests >= this.#limits.serverRequestsMax || (this.#bytes > 0 && this.#bytes + bytes > this.#limits.serverBytesMax);
    if (isFull || (first !== undefined && first !== who)) {
      if (!this.#waiting.includes(who)) {
        this.#waiting.push(who);
      }
      return false;
    }
    if (first === who) {
      this.#waiting.shift();
      this.#wakeSoon();
    }
    this.#requests += 1;
    this.#bytes += bytes;
    return true;
  }

  giveRequest(): void {
    this.#requests -= 1;
    this.#wakeSoon();
  }

  giveBytes(bytes: number): void {
    this.#bytes -= bytes;
    this.#wakeSoon();
  }

  /** Of one that is gone. */
  forget(who: Waiting): void {
    const at = this.#waiting.indexOf(who);
    if (at !== -1) {
      this.#waiting.splice(at, 1);
      this.#wakeSoon();
    }
  }

  #wakeSoon(): void {
    if (this.#waiting.length > 0 && !this.#isWaking) {
      this.#isWaking = true;
      setImmediate(() => {
        this.#isWaking = false;
        this.#waiting[0]?.wake();
      });
    }
  }
}
