/** The lock's reckoning of time, by a clock that is moved by hand. What it does on a real broker stands in lock.int.test.ts. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Bucket, BucketEntry, Bus } from './bus/connect.ts';
import { BusError } from './bus/errors.ts';
import type { LockHold } from './lock.ts';
import { kvLock } from './lock-kv.ts';

const leaseMs = 600;
const answerMs = 150;
const stepMs = 5;
const epochMs = Date.parse('2026-01-01T12:00:00Z');

interface Stored {
  readonly value: unknown;
  readonly revision: number;
}

/** One record in memory. Every write is stored at once and answered late, or, once the broker is `mute`, not at all. */
class Broker {
  record: Stored | undefined;
  storedAtMs = Number.NaN;
  mute = false;
  /** The holder whose writes do not arrive. */
  deafTo: string | undefined;
  /** By the clock that counts from the start of the test. */
  createdAtMs = -3_600_000;

  bus(): Pick<Bus, 'bucket'> {
    const bucket = {
      get: async () => this.#entry(),
      create: async (_key: string, value: unknown) => (this.record === undefined ? this.#put(value) : undefined),
      update: async (_key: string, value: unknown, revision: number) => (this.record?.revision === revision ? this.#put(value) : undefined),
      createdAt: async () => new Date(epochMs + this.createdAtMs),
    };
    return { bucket: <T>() => bucket as unknown as Bucket<T> };
  }

  async #put(value: unknown): Promise<BucketEntry<unknown> | undefined> {
    if (this.mute || (this.deafTo !== undefined && (value as { holder: string }).holder.startsWith(this.deafTo))) {
      throw new BusError('UNREACHABLE');
    }
    this.record = { value, revision: (this.record?.revision ?? 0) + 1 };
    this.storedAtMs = performance.now();
    const entry = this.#entry();
    await new Promise((resolve) => setTimeout(resolve, answerMs));
    return entry;
  }

  #entry(): BucketEntry<unknown> | undefined {
    return this.record && { key: 'gate', ...this.record, writtenAt: new Date(epochMs + performance.now()) };
  }
}

async function waitMs(condition: () => boolean): Promise<number> {
  const sinceMs = performance.now();
  while (!condition() && performance.now() - sinceMs < 100 * leaseMs) {
    await vi.advanceTimersByTimeAsync(stepMs);
  }
  return performance.now() - sinceMs;
}

async function acquire(bus: Pick<Bus, 'bucket'>): Promise<{ hold: LockHold; tookMs: number }> {
  let hold: LockHold | undefined;
  const acquiring = kvLock(bus, 'gate', { holder: 'test', leaseMs }).acquire({ signal: new AbortController().signal });
  void acquiring.then((got) => {
    hold = got;
  });
  const tookMs = await waitMs(() => hold !== undefined);
  return { hold: await acquiring, tookMs };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a hold', () => {
  it('is believed in from when the record was sent, and not from when the answer came', async () => {
    const { hold } = await acquire(new Broker().bus());
    expect(hold.surelyHeldFor(leaseMs - answerMs - stepMs - 1)).toBe(true);
    expect(hold.surelyHeldFor(leaseMs - answerMs + stepMs)).toBe(false);
    await release(hold);
  });

  it('is believed in for no longer than a lease after its last renewal was stored, however late that was answered', async () => {
    const broker = new Broker();
    const { hold } = await acquire(broker.bus());
    const first = broker.record?.revision ?? 0;
    await waitMs(() => (broker.record?.revision ?? 0) >= first + 3);
    broker.mute = true;
    const storedAtMs = broker.storedAtMs;
    await waitMs(() => !hold.surelyHeldFor(0));
    expect(performance.now() - storedAtMs).toBeGreaterThan(leaseMs / 2);
    // Whoever saw the record stored may take it over from here on.
    expect(performance.now() - storedAtMs).toBeLessThanOrEqual(leaseMs + stepMs);
    await release(hold);
  });

  async function release(hold: LockHold): Promise<void> {
    let released = false;
    void hold.release().then(() => {
      released = true;
    });
    await waitMs(() => released);
  }
});

describe('a lock that somebody holds', () => {
  it('is taken over once its record has stood still for a whole lease, and not before', async () => {
    const broker = new Broker();
    broker.record = { value: { holder: 'a dead one', leaseMs, renewals: 7, released: false }, revision: 8 };
    const { tookMs } = await acquire(broker.bus());
    expect(tookMs).toBeGreaterThanOrEqual(leaseMs + answerMs);
    expect(tookMs).toBeLessThan(2 * leaseMs);
  });

  it('is not taken over as long as its record changes', async () => {
    const broker = new Broker();
    const value = { holder: 'a living one', leaseMs, renewals: 7, released: false };
    broker.record = { value, revision: 8 };
    const renewing = setInterval(() => {
      broker.record = { value, revision: (broker.record?.revision ?? 0) + 1 };
    }, leaseMs / 2);
    let taken = false;
    void kvLock(broker.bus(), 'gate', { holder: 'test', leaseMs })
      .acquire({ signal: new AbortController().signal })
      .then(() => {
        taken = true;
      });
    await vi.advanceTimersByTimeAsync(10 * leaseMs);
    expect(taken).toBe(false);
    clearInterval(renewing);
    await waitMs(() => taken);
    expect(taken).toBe(true);
  });

  it('is waited for also where the broker has forgotten everything a moment ago', async () => {
    const broker = new Broker();
    broker.createdAtMs = performance.now();
    const { tookMs } = await acquire(broker.bus());
    expect(tookMs).toBeGreaterThanOrEqual(leaseMs - stepMs);
  });
});

describe('a leader with the lease of production', () => {
  const production = { leaseMs: 15_000, outlastForgottenHolder: false };
  const signal = new AbortController().signal;

  it('that dies is followed within 20 s, and not before it has stopped believing in its lock', async () => {
    const broker = new Broker();
    const first = await passing(kvLock(broker.bus(), 'brain', { holder: 'first', ...production }).acquire({ signal }));
    let second: LockHold | undefined;
    void kvLock(broker.bus(), 'brain', { holder: 'second', ...production })
      .acquire({ signal })
      .then((hold) => {
        second = hold;
      });
    // It renews for a while, and then its words reach nobody any more.
    await vi.advanceTimersByTimeAsync(60_000);
    expect(second).toBeUndefined();
    expect(first.surelyHeldFor(0)).toBe(true);
    const diedMs = performance.now();
    broker.deafTo = 'first';
    const lostMs = await waitMs(() => first.lost.aborted);
    expect(second).toBeUndefined();
    const tookMs = lostMs + (await waitMs(() => second !== undefined));
    expect(performance.now() - diedMs).toBe(tookMs);
    expect(tookMs).toBeLessThan(20_000);
    await passing(Promise.all([first.release(), second?.release()]));
  });

  it('that stops is followed within 3 s', async () => {
    const broker = new Broker();
    const first = await passing(kvLock(broker.bus(), 'brain', { holder: 'first', ...production }).acquire({ signal }));
    const following = kvLock(broker.bus(), 'brain', { holder: 'second', ...production }).acquire({ signal });
    await vi.advanceTimersByTimeAsync(60_000);
    const stoppedMs = performance.now();
    await passing(first.release());
    const second = await passing(following);
    expect(performance.now() - stoppedMs).toBeLessThan(3_000);
    await passing(second.release());
  });

  async function passing<T>(work: Promise<T>): Promise<T> {
    let done = false;
    void work.finally(() => {
      done = true;
    });
    await waitMs(() => done);
    return await work;
  }
});
