/** Keeps background work to a rate, and out of the way while somebody waits for an answer. */
import { sleep as sleepFor } from '@couchestor/shared/time';

/** A look at the foreground every so often. */
const lookMs = 5;
/** Then the work goes on, however busy the foreground is: what is not rebuilt is lost with the next drives. */
const yieldMsMax = 200;
/** It is yielded for once every so many bytes, however small the pieces are. */
const yieldEveryBytes = 1024 * 1024;

export interface ThrottleDeps {
  /** 0: as fast as it goes. */
  readonly bytesPerSecond: number;
  /** Whether clients' requests take longer than they should, or queue. */
  readonly foregroundBusy?: () => boolean;
  readonly now?: () => number;
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

export class Throttle {
  readonly #foregroundBusy: () => boolean;
  readonly #now: () => number;
  readonly #sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  #bytesPerSecond: number;
  /** When what was taken so far is paid for. */
  #paidAtMs = 0;
  /** Enough for the first call to look. */
  #unyieldedBytes = yieldEveryBytes;

  constructor(deps: ThrottleDeps) {
    this.#bytesPerSecond = deps.bytesPerSecond;
    this.#foregroundBusy = deps.foregroundBusy ?? (() => false);
    this.#now = deps.now ?? (() => performance.now());
    this.#sleep = deps.sleep ?? sleepFor;
  }

  set bytesPerSecond(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#paidAtMs = Math.min(this.#paidAtMs, this.#now());
  }

  /** Waits until so many bytes may be moved. Several waiting share the rate. Rejects with the signal's reason. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const nowMs = this.#now();
    if (this.#bytesPerSecond > 0) {
      const fromMs = Math.max(nowMs, this.#paidAtMs);
      this.#paidAtMs = fromMs + (bytes / this.#bytesPerSecond) * 1_000;
      if (fromMs > nowMs) {
        await this.#sleep(fromMs - nowMs, signal);
      }
    }
    this.#unyieldedBytes += bytes;
    if (this.#unyieldedBytes < yieldEveryBytes) {
      return;
    }
    this.#unyieldedBytes = 0;
    for (let yieldedMs = 0; yieldedMs < yieldMsMax && this.#foregroundBusy(); yieldedMs += lookMs) {
      await this.#sleep(lookMs, signal);
    }
  }
}
