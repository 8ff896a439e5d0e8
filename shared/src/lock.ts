/**
 * A lock with a lease, held by one process at a time: a record in a bucket, changed by compare-and-set only.
 *
 * The holder renews the record three times in a lease. Others measure, each by its own monotonic clock, how long the record has stood still,
 * and take it over once that is a whole lease. No two clocks are ever compared. The holder counts its lease from before it sent the renewal
 * that was stored, so it stops believing in its lock before anybody else may take it.
 *
 * The lock says "surely held for so long", not "held": a call that leaves now may still arrive after the lease (docs/safety.md, fencing).
 */
import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import type { Bucket, BucketEntry, Bus } from './bus/connect.ts';
import { BusError } from './bus/errors.ts';
import { lockBucket } from './contracts/migrator.ts';
import { CodedError } from './errors.ts';
import { sleep } from './time.ts';

export interface Lock {
  /** Waits until the lock is ours. Rejects with the signal's reason when aborted before that. */
  acquire(o: { signal: AbortSignal }): Promise<LockHold>;
}

export interface LockHold {
  /** True only if the lease is surely held for another `marginMs`, by the local monotonic clock. */
  surelyHeldFor(marginMs: number): boolean;
  /** Gives the lock back at once. Where that cannot be stored, the lease runs out by itself. */
  release(): Promise<void>;
}

type LockRecord = z.infer<typeof lockBucket.value>;

/** How often a waiting process looks at the record: twenty times a lease, within these bounds. */
const pollMinMs = 20;
const pollMaxMs = 250;

/** Time as it passes: virtual in the simulation. */
export interface LockTimers {
  /** Monotonic, milliseconds. */
  now(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

const realTimers: LockTimers = { now: () => performance.now(), sleep };

/** @param o.holder who holds it, for people; made unique for each acquisition */
export function kvLock(bus: Pick<Bus, 'bucket'>, name: string, o: { holder: string; leaseMs: number; timers?: LockTimers }): Lock {
  const bucket = bus.bucket(lockBucket);
  const timers = o.timers ?? realTimers;
  return {
    async acquire({ signal }) {
      const record = { holder: `${o.holder} ${randomUUID()}`, leaseMs: o.leaseMs, renewals: 0, released: false };
      const taken = await take({ bucket, name, record, signal, timers });
      const hold = new KvLockHold({ bucket, name, record, timers, ...taken });
      try {
        await outlastForgottenHolder({ bucket, entry: taken.entry, leaseMs: o.leaseMs, signal, timers });
      } catch (error) {
        await hold.release();
        throw error;
      }
      return hold;
    },
  };
}

interface Taken {
  readonly entry: BucketEntry<LockRecord>;
  /** By the monotonic clock, before the write that took it was sent. */
  readonly sentAtMs: number;
}

async function take(o: {
  bucket: Bucket<LockRecord>;
  name: string;
  record: LockRecord;
  signal: AbortSignal;
  timers: LockTimers;
}): Promise<Taken> {
  const pollMs = Math.min(pollMaxMs, Math.max(pollMinMs, o.record.leaseMs / 20));
  let seen: { revision: number; sinceMs: number } | undefined;
  for (;;) {
    o.signal.throwIfAborted();
    try {
      const current = await o.bucket.get(o.name);
      const nowMs = o.timers.now();
      if (current === undefined || current.revision !== seen?.revision) {
        seen = current === undefined ? undefined : { revision: current.revision, sinceMs: nowMs };
      }
      const free = current === undefined || current.value.released || (seen !== undefined && nowMs - seen.sinceMs >= current.value.leaseMs);
      if (free || current?.value.holder === o.record.holder) {
        const entry =
          current === undefined ? await o.bucket.create(o.name, o.record) : await o.bucket.update(o.name, o.record, current.revision);
        if (entry !== undefined) {
          return { entry, sentAtMs: nowMs };
        }
      }
    } catch (error) {
      if (!(error instanceof CodedError && error.retry)) {
        throw error;
      }
    }
    await o.timers.sleep(pollMs, o.signal);
  }
}

/**
 * A broker that came back empty has forgotten who holds the lock, while the holder may believe in it for the rest of its lease. So the first
 * record in a bucket younger than a lease counts only when that lease is over. The bucket's age is told by the broker's clock alone.
 */
async function outlastForgottenHolder(o: {
  bucket: Bucket<LockRecord>;
  entry: BucketEntry<LockRecord>;
  leaseMs: number;
  signal: AbortSignal;
  timers: LockTimers;
}): Promise<void> {
  const bucketAgeMs = o.entry.writtenAt.getTime() - (await o.bucket.createdAt()).getTime();
  if (bucketAgeMs < o.leaseMs) {
    await o.timers.sleep(o.leaseMs - Math.max(0, bucketAgeMs), o.signal);
  }
}

class KvLockHold implements LockHold {
  readonly #bucket: Bucket<LockRecord>;
  readonly #name: string;
  readonly #timers: LockTimers;
  readonly #releasing = new AbortController();
  readonly #renewing: Promise<void>;
  #record: LockRecord;
  #revision: number;
  #heldUntilMs: number;

  constructor(o: Taken & { bucket: Bucket<LockRecord>; name: string; record: LockRecord; timers: LockTimers }) {
    this.#bucket = o.bucket;
    this.#name = o.name;
    this.#timers = o.timers;
    this.#record = o.record;
    this.#revision = o.entry.revision;
    this.#heldUntilMs = o.sentAtMs + o.record.leaseMs;
    this.#renewing = this.#renew();
  }

  surelyHeldFor(marginMs: number): boolean {
    return this.#timers.now() + marginMs < this.#heldUntilMs;
  }

  async release(): Promise<void> {
    this.#releasing.abort(new BusError('CLOSED'));
    await this.#renewing;
    if (this.#heldUntilMs === 0) {
      return;
    }
    this.#heldUntilMs = 0;
    try {
      await this.#bucket.update(this.#name, { ...this.#record, released: true }, this.#revision);
    } catch (error) {
      if (!(error instanceof CodedError)) {
        throw error;
      }
      // The lease runs out by itself: the next holder only waits longer.
    }
  }

  async #renew(): Promise<void> {
    const { signal } = this.#releasing;
    let pauseMs = this.#record.leaseMs / 3;
    while (!signal.aborted && this.#heldUntilMs !== 0) {
      await this.#timers.sleep(pauseMs, signal).catch(() => undefined);
      if (!signal.aborted) {
        const renewed = await this.#renewOnce();
        pauseMs = this.#record.leaseMs / (renewed ? 3 : 12);
      }
    }
  }

  async #renewOnce(): Promise<boolean> {
    const sentAtMs = this.#timers.now();
    const next = { ...this.#record, renewals: this.#record.renewals + 1 };
    try {
      const stored = await this.#bucket.update(this.#name, next, this.#revision);
      if (stored !== undefined) {
        this.#record = next;
        this.#revision = stored.revision;
        this.#heldUntilMs = sentAtMs + next.leaseMs;
        return true;
      }
      await this.#findOut();
    } catch (error) {
      if (!(error instanceof CodedError && error.retry)) {
        // The connection was closed, or the record is not ours to read: nobody will renew it.
        this.#heldUntilMs = 0;
      }
    }
    return false;
  }

  /**
   * The revision has moved on: somebody took the lock, or an earlier renewal of ours, given up for lost, was stored after all. When that was
   * nobody knows, so it is taken up but extends nothing; the next renewal does.
   */
  async #findOut(): Promise<void> {
    const found = await this.#bucket.get(this.#name);
    if (found?.value.holder !== this.#record.holder) {
      this.#heldUntilMs = 0;
      return;
    }
    this.#record = found.value;
    this.#revision = found.revision;
  }
}
