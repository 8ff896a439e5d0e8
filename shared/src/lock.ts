/**
 * A lock with a lease, held by one process at a time: a record in a store, changed by compare-and-set only.
 *
 * The holder renews the record three times in a lease. Others measure, each by its own monotonic clock, how long the record has stood still,
 * and take it over once that is a whole lease. No two clocks are ever compared. The holder counts its lease from before it sent the renewal
 * that was stored, so it stops believing in its lock before anybody else may take it. A store that is away only lets the lease run out.
 *
 * The lock says "surely held for so long", not "held": a call that leaves now may still arrive after the lease (docs/safety.md, fencing).
 */
import { randomUUID } from 'node:crypto';
import { CodedError, defineErrors, describeError } from './errors.ts';
import type { Logger } from './logger.ts';
import { sleep } from './time.ts';

export const LockError = defineErrors('LOCK', {
  LOST: {
    retry: true,
    help: 'The lock is not surely ours any more: it could not be renewed in time, or somebody else has it. What it guarded was stopped.',
  },
  UNAVAILABLE: { retry: true, help: 'Where the lock is kept does not answer as it should. The cause says why.' },
});

export interface Lock {
  /** Waits until the lock is ours. Rejects with the signal's reason when aborted before that. */
  acquire(o: { signal: AbortSignal }): Promise<LockHold>;
}

export interface LockHold {
  /** True only if the lease is surely held for another `marginMs`, by the local monotonic clock. */
  surelyHeldFor(marginMs: number): boolean;
  /** Aborted once and for good: when the lease has run out, when somebody else is seen to have the lock, and when it is given back. */
  readonly lost: AbortSignal;
  /** Gives the lock back at once. Where that cannot be stored, the lease runs out by itself. */
  release(): Promise<void>;
}

/** Time as it passes: virtual in the simulation. */
export interface LockTimers {
  /** Monotonic, milliseconds. */
  now(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface LockOptions {
  /** Who holds it, for people; made unique for each acquisition. */
  readonly holder: string;
  readonly leaseMs: number;
  /**
   * True, the default: where the store may have forgotten who holds the lock, the lock counts only when such a holder has stopped believing
   * in it. False is for locks that only avoid idle competition.
   */
  readonly outlastForgottenHolder?: boolean;
  /** Told when the store cannot be asked for the lock, once for each time that this begins. */
  readonly logger?: Pick<Logger, 'info' | 'warn'>;
  readonly timers?: LockTimers;
}

export interface LockRecord {
  readonly holder: string;
  readonly leaseMs: number;
  readonly released: boolean;
}

export interface StoredLock extends LockRecord {
  /** Another one after every write. */
  readonly revision: string;
}

/** Where a lock is kept. An error that is coded and may pass leaves open whether the write was stored. */
export interface LockStore<S extends StoredLock> {
  read(): Promise<S | undefined>;
  /** Undefined where there is a record already. */
  create(record: LockRecord): Promise<S | undefined>;
  /** Undefined where the record has changed since `before`. */
  update(record: LockRecord, before: S): Promise<S | undefined>;
  /** For how long before `stored` was written the store has surely forgotten nothing. */
  memoryMs(stored: S): Promise<number>;
}

/** How often a waiting process looks at the record: twenty times a lease, within these bounds. */
const pollMinMs = 20;

const realTimers: LockTimers = { now: () => performance.now(), sleep };

/** @param pollMaxMs the longest between two looks of a waiting process */
export function lockIn<S extends StoredLock>(store: LockStore<S>, o: LockOptions & { pollMaxMs: number }): Lock {
  const timers = o.timers ?? realTimers;
  const pollMs = Math.min(o.pollMaxMs, Math.max(pollMinMs, o.leaseMs / 20));
  /** Holders of this process that have given the lock back, of which the store could not be told. */
  const leftBehind = new Set<string>();
  return {
    async acquire({ signal }) {
      for (;;) {
        const record = { holder: `${o.holder} ${randomUUID()}`, leaseMs: o.leaseMs, released: false };
        const taken = await take({ store, record, signal, timers, pollMs, leftBehind, logger: o.logger });
        leftBehind.clear();
        const hold = new StoredLockHold({ store, timers, record, leftBehind, ...taken });
        if (o.outlastForgottenHolder === false || (await outlastForgottenHolder({ store, hold, signal, timers, ...taken }))) {
          return hold;
        }
      }
    },
  };
}

interface Taken<S> {
  readonly stored: S;
  /** By the monotonic clock, before the write that took it was sent. */
  readonly sentAtMs: number;
}

interface TakeInput<S extends StoredLock> {
  readonly store: LockStore<S>;
  readonly record: LockRecord;
  readonly signal: AbortSignal;
  readonly timers: LockTimers;
  readonly pollMs: number;
  readonly leftBehind: ReadonlySet<string>;
  readonly logger: Pick<Logger, 'info' | 'warn'> | undefined;
}

async function take<S extends StoredLock>(o: TakeInput<S>): Promise<Taken<S>> {
  let seen: { identity: string; sinceMs: number } | undefined;
  let inTrouble = false;
  for (;;) {
    o.signal.throwIfAborted();
    try {
      const current = await o.store.read();
      const nowMs = o.timers.now();
      // Revisions may begin again in a store that has lost its data; holders never come back.
      const identity = current === undefined ? undefined : `${current.revision} ${current.holder}`;
      if (identity !== seen?.identity) {
        seen = identity === undefined ? undefined : { identity, sinceMs: nowMs };
      }
      const ours = current !== undefined && (current.holder === o.record.holder || o.leftBehind.has(current.holder));
      const free = current === undefined || current.released || (seen !== undefined && nowMs - seen.sinceMs >= current.leaseMs);
      if (free || ours) {
        const stored = current === undefined ? await o.store.create(o.record) : await o.store.update(o.record, current);
        if (stored !== undefined) {
          return { stored, sentAtMs: nowMs };
        }
      }
      if (inTrouble) {
        inTrouble = false;
        o.logger?.info('the lock can be asked for again');
      }
    } catch (error) {
      if (!(error instanceof CodedError && error.retry)) {
        throw error;
      }
      if (!inTrouble) {
        inTrouble = true;
        o.logger?.warn({ error: describeError(error) }, 'the lock cannot be asked for now');
      }
    }
    await o.timers.sleep(o.pollMs, o.signal);
  }
}

/**
 * A store that came back empty has forgotten who holds the lock, while the holder may believe in it for the rest of its lease. So a record
 * written into a store without memory counts only when a lease has passed since the store was made.
 * @returns false where the lock was lost meanwhile
 */
async function outlastForgottenHolder<S extends StoredLock>(
  o: Taken<S> & { store: LockStore<S>; hold: StoredLockHold<S>; signal: AbortSignal; timers: LockTimers },
): Promise<boolean> {
  try {
    const memoryMs = await o.store.memoryMs(o.stored);
    if (memoryMs < o.stored.leaseMs) {
      await o.timers.sleep(o.stored.leaseMs - Math.max(0, memoryMs), AbortSignal.any([o.signal, o.hold.lost]));
    }
    return true;
  } catch (error) {
    // Not given back: whoever takes it next has to wait as well, and does so by waiting for this lease to run out.
    await o.hold.abandon();
    if (LockError.is(error, 'LOST') && !o.signal.aborted) {
      return false;
    }
    throw error;
  }
}

class StoredLockHold<S extends StoredLock> implements LockHold {
  readonly #store: LockStore<S>;
  readonly #timers: LockTimers;
  readonly #record: LockRecord;
  readonly #leftBehind: Set<string>;
  readonly #over = new AbortController();
  readonly #renewing: Promise<void>;
  #stored: S | undefined;
  #heldUntilMs: number;

  constructor(o: Taken<S> & { store: LockStore<S>; timers: LockTimers; record: LockRecord; leftBehind: Set<string> }) {
    this.#store = o.store;
    this.#timers = o.timers;
    this.#record = o.record;
    this.#leftBehind = o.leftBehind;
    this.#stored = o.stored;
    this.#heldUntilMs = o.sentAtMs + o.record.leaseMs;
    this.#renewing = this.#renew();
    void this.#watchLease();
  }

  get lost(): AbortSignal {
    return this.#over.signal;
  }

  surelyHeldFor(marginMs: number): boolean {
    return this.#timers.now() + marginMs < this.#heldUntilMs;
  }

  async release(): Promise<void> {
    await this.abandon();
    // Twice, because a renewal that was given up for lost may have been stored after all.
    for (let attempt = 1; attempt <= 2 && this.#stored !== undefined; attempt += 1) {
      try {
        if ((await this.#store.update({ ...this.#record, released: true }, this.#stored)) !== undefined) {
          this.#stored = undefined;
          return;
        }
        await this.#findOut();
      } catch (error) {
        if (!(error instanceof CodedError)) {
          throw error;
        }
        // The lease runs out by itself: the next holder only waits longer, unless it is this process.
        this.#leftBehind.add(this.#record.holder);
        return;
      }
    }
  }

  /** Ends the hold without a word: the record stays as it is. */
  async abandon(): Promise<void> {
    this.#end('it was given back');
    await this.#renewing;
  }

  #end(why: string): void {
    this.#heldUntilMs = Number.NEGATIVE_INFINITY;
    this.#over.abort(new LockError('LOST', { holder: this.#record.holder, why }));
  }

  /** Every renewal moves the end of the lease on; one that is not moved on in time ends the hold. */
  async #watchLease(): Promise<void> {
    while (!this.lost.aborted) {
      const leftMs = this.#heldUntilMs - this.#timers.now();
      if (leftMs <= 0) {
        this.#end('it could not be renewed in time');
        return;
      }
      await this.#timers.sleep(leftMs, this.lost).catch(() => undefined);
    }
  }

  async #renew(): Promise<void> {
    const { leaseMs } = this.#record;
    let pauseMs = leaseMs / 3;
    while (!this.lost.aborted) {
      await this.#timers.sleep(pauseMs, this.lost).catch(() => undefined);
      if (!this.lost.aborted) {
        const renewed = await this.#renewOnce();
        pauseMs = leaseMs / (renewed ? 3 : 12);
      }
    }
  }

  async #renewOnce(): Promise<boolean> {
    const { leaseMs } = this.#record;
    const sentAtMs = this.#timers.now();
    try {
      const stored = this.#stored === undefined ? undefined : await this.#store.update(this.#record, this.#stored);
      if (stored === undefined) {
        await this.#findOut();
        return false;
      }
      this.#stored = stored;
      if (!this.lost.aborted) {
        this.#heldUntilMs = sentAtMs + leaseMs;
      }
      return true;
    } catch (error) {
      if (!(error instanceof CodedError && error.retry)) {
        // The connection was closed, or the record is not ours to read: nobody will renew it.
        this.#end(`it cannot be renewed: ${describeError(error)}`);
      }
      return false;
    }
  }

  /**
   * The revision has moved on: somebody took the lock, or an earlier renewal of ours, given up for lost, was stored after all. When that was
   * nobody knows, so it is taken up but extends nothing; the next renewal does.
   */
  async #findOut(): Promise<void> {
    const found = await this.#store.read();
    if (found?.holder === this.#record.holder) {
      this.#stored = found;
    } else {
      this.#stored = undefined;
      this.#end(found === undefined ? 'its record is gone' : `it is held by ${found.holder === '' ? 'nobody' : found.holder}`);
    }
  }
}
