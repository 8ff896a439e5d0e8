/**
 * Keys to be worked on: each at most once in the queue and never twice at a time, however often it is added.
 *
 * What is added while it is worked on runs once more afterwards. What fails comes again after a back-off of its own, which a success ends;
 * a key that is added while it waits out a back-off goes on waiting, so that a busy object that cannot be handled is no hot loop.
 */
import type { Registry } from 'prom-client';
import type { Logger } from '../logger.ts';
import { type BackoffLimits, backoffMs } from './backoff.ts';
import { type KubernetesMetrics, kubernetesMetrics } from './metrics.ts';

// 100,000 keys are 10 MB. Keys come from what a reflector holds, so that more of them is a mistake.
const keysMaxDefault = 100_000;
const backoffLimits: BackoffLimits = { firstMs: 1_000, longestMs: 5 * 60_000 };

export class WorkQueue {
  readonly #name: string;
  readonly #handle: (key: string, signal: AbortSignal) => Promise<void>;
  readonly #logger: Logger;
  readonly #concurrency: number;
  readonly #keysMax: number;
  readonly #backoff: BackoffLimits;
  readonly #random: () => number;
  readonly #metrics: KubernetesMetrics | undefined;
  readonly #stopping = new AbortController();
  /** Due, in order of arrival. */
  readonly #due = new Set<string>();
  readonly #later = new Map<string, { readonly timer: NodeJS.Timeout; readonly atMs: number; readonly holds: boolean }>();
  readonly #inHand = new Map<string, Promise<void>>();
  /** In hand, and added again meanwhile. */
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  #saidFull = false;

  /**
   * @param o.handle given the key and a signal that stop() aborts; what it throws is logged, and the key comes again
   */
  constructor(o: {
    name: string;
    handle: (key: string, signal: AbortSignal) => Promise<void>;
    logger: Logger;
    registry?: Registry | undefined;
    concurrency?: number;
    keysMax?: number;
    backoff?: BackoffLimits;
    random?: () => number;
  }) {
    this.#name = o.name;
    this.#handle = o.handle;
    this.#logger = o.logger;
    this.#concurrency = o.concurrency ?? 1;
    this.#keysMax = o.keysMax ?? keysMaxDefault;
    this.#backoff = o.backoff ?? backoffLimits;
    this.#random = o.random ?? Math.random;
    this.#metrics = o.registry === undefined ? undefined : kubernetesMetrics(o.registry);
  }

  /** Keys that are due, in hand or waiting for their time. */
  get size(): number {
    return new Set([...this.#due, ...this.#later.keys(), ...this.#inHand.keys()]).size;
  }

  /** False where the queue is full or stopped and the key was not taken. */
  add(key: string): boolean {
    if (!this.#hasRoomFor(key)) {
      return false;
    }
    const waiting = this.#later.get(key);
    if (waiting?.holds === true) {
      return true;
    }
    this.#forgetTimer(key);
    if (this.#inHand.has(key)) {
      this.#again.add(key);
    } else {
      this.#due.add(key);
      this.#fill();
    }
    return true;
  }

  /** Due in `ms`, or earlier where it was to come earlier. */
  addAfter(key: string, ms: number): boolean {
    if (!this.#hasRoomFor(key)) {
      return false;
    }
    if (!this.#due.has(key)) {
      this.#addLater(key, ms, false);
    }
    return true;
  }

  /** Takes nothing more, aborts the signal of what is in hand, and waits for it. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error(`the queue ${this.#name} was stopped`));
    for (const { timer } of this.#later.values()) {
      clearTimeout(timer);
    }
    this.#later.clear();
    this.#due.clear();
    this.#again.clear();
    this.#showDepth();
    await Promise.all(this.#inHand.values());
  }

  #hasRoomFor(key: string): boolean {
    if (this.#stopping.signal.aborted) {
      return false;
    }
    const known = this.#due.has(key) || this.#later.has(key) || this.#inHand.has(key);
    const hasRoom = known || this.#due.size + this.#later.size + this.#inHand.size < this.#keysMax;
    if (!hasRoom && !this.#saidFull) {
      this.#logger.error({ queue: this.#name, keysMax: this.#keysMax }, 'the work queue is full; keys are refused until there is room');
    }
    this.#saidFull = !hasRoom;
    return hasRoom;
  }

  #addLater(key: string, ms: number, holds: boolean): void {
    const atMs = performance.now() + ms;
    const waiting = this.#later.get(key);
    if (waiting !== undefined && (waiting.holds || waiting.atMs <= atMs)) {
      return;
    }
    this.#forgetTimer(key);
    const timer = setTimeout(() => {
      this.#later.delete(key);
      this.add(key);
    }, ms);
    this.#later.set(key, { timer, atMs, holds });
  }

  #forgetTimer(key: string): void {
    clearTimeout(this.#later.get(key)?.timer);
    this.#later.delete(key);
  }

  #fill(): void {
    while (this.#inHand.size < this.#concurrency) {
      const [key] = this.#due;
      if (key === undefined) {
        break;
      }
      this.#due.delete(key);
      this.#inHand.set(key, this.#work(key));
    }
    this.#showDepth();
  }

  async #work(key: string): Promise<void> {
    // Not within add(): whoever adds a key is not to meet the work's first steps.
    await Promise.resolve();
    let failed = false;
    try {
      await this.#handle(key, this.#stopping.signal);
    } catch (err) {
      failed = true;
      this.#onFailure(key, err);
    }
    this.#inHand.delete(key);
    const again = this.#again.delete(key);
    if (this.#stopping.signal.aborted) {
      return;
    }
    this.#metrics?.reconciles.inc({ queue: this.#name, result: failed ? 'failed' : 'done' });
    if (failed) {
      this.#forgetTimer(key);
      this.#addLater(key, backoffMs(this.#failures.get(key) ?? 1, this.#backoff, this.#random()), true);
    } else {
      this.#failures.delete(key);
      if (again) {
        this.#due.add(key);
      }
    }
    this.#fill();
  }

  #onFailure(key: string, err: unknown): void {
    if (this.#stopping.signal.aborted) {
      return;
    }
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    // At the first, second, fourth, eighth ... failure: a key that can never be handled does not fill the log.
    const level = Number.isInteger(Math.log2(failures)) ? 'warn' : 'debug';
    this.#logger[level]({ err, queue: this.#name, key, failures }, 'a key could not be handled; it comes again');
  }

  #showDepth(): void {
    this.#metrics?.queued.set({ queue: this.#name }, this.#due.size);
  }
}
