/** What one connection has in hand: requests that are begun and not answered, and the memory of all that these and their replies hold. */
import type { NbdRequest } from '../../domain/nbd-request.ts';
import type { NbdBudget, NbdLimits, Waiting } from './limits.ts';

export interface InHand {
  readonly request: NbdRequest;
  /** Held until its reply has been sent. */
  readonly chargeBytes: number;
  /** When it was here in whole; 0 where nobody measures. */
  readonly startedMs: number;
}

export class InHandAccount {
  readonly #limits: NbdLimits;
  readonly #budget: NbdBudget;
  #requests = 0;
  #chargedBytes = 0;

  constructor(o: { limits: NbdLimits; budget: NbdBudget }) {
    this.#limits = o.limits;
    this.#budget = o.budget;
  }

  get requests(): number {
    return this.#requests;
  }

  /** By this connection's own limits. One that has nothing in hand may always begin something. */
  hasRoomFor(chargeBytes: number): boolean {
    const { connectionRequestsMax, connectionBytesMax } = this.#limits;
    return this.#requests < connectionRequestsMax && (this.#chargedBytes === 0 || this.#chargedBytes + chargeBytes <= connectionBytesMax);
  }

  /** False where others have taken what there is: `who` is woken when there is room. */
  take(who: Waiting, chargeBytes: number): boolean {
    if (!this.#budget.take(who, chargeBytes)) {
      return false;
    }
    this.#requests += 1;
    this.#chargedBytes += chargeBytes;
    return true;
  }

  /** The reply waits to be sent, and holds the memory until then. */
  answered(): void {
    this.#requests -= 1;
    this.#budget.giveRequest();
  }

  sent(chargeBytes: number): void {
    this.#chargedBytes -= chargeBytes;
    this.#budget.giveBytes(chargeBytes);
  }

  /** There is nobody to answer. */
  drop(inHand: InHand): void {
    this.answered();
    this.sent(inHand.chargeBytes);
  }

  /** What was answered and never taken. */
  giveUpUnsent(): void {
    this.sent(this.#chargedBytes);
  }
}
