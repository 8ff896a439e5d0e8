/** What every lock must do, whatever it is made of. Run against each implementation by a test file that gives it a world. */
import { describe, expect, it } from 'vitest';
import type { Lock, LockHold } from './lock.ts';
import { waitUntil } from './testing/wait-until.ts';

/** Processes that contend for locks, each with a connection of its own. */
export interface LockWorld {
  process(name: string): Promise<{
    lock(name: string, o: { leaseMs: number }): Lock;
    /** Cuts the process off as its death would: it says nothing more to anybody. */
    die(): Promise<void>;
  }>;
}

const leaseMs = 600;
const soon = () => ({ signal: AbortSignal.timeout(20_000) });

export function describeLock(implementation: string, world: () => LockWorld): void {
  describe(`a lock (${implementation})`, () => {
    it('is held by one process at a time', async () => {
      let inside = 0;
      let entries = 0;
      const overlaps: number[] = [];
      const contend = async (name: string): Promise<void> => {
        const process = await world().process(name);
        const lock = process.lock('exclusive', { leaseMs });
        for (let round = 0; round < 3; round += 1) {
          const hold = await lock.acquire(soon());
          inside += 1;
          entries += 1;
          overlaps.push(inside);
          const enteredMs = performance.now();
          await waitUntil(() => performance.now() - enteredMs > 30);
          inside -= 1;
          await hold.release();
        }
      };
      await Promise.all(['a', 'b', 'c'].map(contend));
      expect(entries).toBe(9);
      expect(Math.max(...overlaps)).toBe(1);
    });

    it('of another name is another lock', async () => {
      const process = await world().process('a');
      const one = await process.lock('one', { leaseMs }).acquire(soon());
      const two = await process.lock('two', { leaseMs }).acquire(soon());
      await one.release();
      await two.release();
    });

    it('stays with its holder for longer than a lease, as long as the holder lives', async () => {
      const holder = await world().process('holder');
      const waiter = await world().process('waiter');
      const hold = await holder.lock('renewed', { leaseMs }).acquire(soon());
      await expect(waiter.lock('renewed', { leaseMs }).acquire({ signal: AbortSignal.timeout(3 * leaseMs) })).rejects.toMatchObject({
        name: 'TimeoutError',
      });
      expect(hold.surelyHeldFor(leaseMs / 4)).toBe(true);
      await hold.release();
    });

    it('goes to the next at once when it is released', async () => {
      const holder = await world().process('holder');
      const waiter = await world().process('waiter');
      // Long enough that only the release can explain the hand-over.
      const hold = await holder.lock('handed-over', { leaseMs: 4_000 }).acquire(soon());
      const waiting = waiter.lock('handed-over', { leaseMs: 4_000 }).acquire(soon());
      const releasedMs = performance.now();
      await hold.release();
      expect(hold.surelyHeldFor(0)).toBe(false);
      const next = await waiting;
      expect(performance.now() - releasedMs).toBeLessThan(1_000);
      await next.release();
    });

    it('of a dead holder is taken over, and not before the holder would have stopped believing in it', async () => {
      const holder = await world().process('holder');
      const heir = await world().process('heir');
      const hold = await holder.lock('orphaned', { leaseMs }).acquire(soon());
      const believed = lastBelief(hold);
      const inheriting = heir.lock('orphaned', { leaseMs }).acquire(soon());
      await holder.die();
      const next = await inheriting;
      const takenMs = performance.now();
      expect(next.surelyHeldFor(0)).toBe(true);
      expect(hold.surelyHeldFor(0)).toBe(false);
      expect(believed.stop()).toBeLessThan(takenMs);
      await next.release();
    });

    it('is never surely held for longer than its lease', async () => {
      const process = await world().process('holder');
      const hold = await process.lock('margin', { leaseMs }).acquire(soon());
      expect(hold.surelyHeldFor(leaseMs)).toBe(false);
      await hold.release();
    });

    it('is not waited for any longer once the signal is aborted', async () => {
      const holder = await world().process('holder');
      const waiter = await world().process('waiter');
      const hold = await holder.lock('given-up', { leaseMs }).acquire(soon());
      const reason = new Error('enough');
      const giveUp = new AbortController();
      const waiting = waiter.lock('given-up', { leaseMs }).acquire({ signal: giveUp.signal });
      giveUp.abort(reason);
      await expect(waiting).rejects.toBe(reason);
      await hold.release();
      const again = await holder.lock('given-up', { leaseMs }).acquire(soon());
      await again.release();
    });
  });
}

/** Watches when a hold was last believed in. */
export function lastBelief(hold: LockHold): { stop(): number } {
  let lastMs = performance.now();
  const timer = setInterval(() => {
    if (hold.surelyHeldFor(0)) {
      lastMs = performance.now();
    }
  }, 5);
  return {
    stop: () => {
      clearInterval(timer);
      return lastMs;
    },
  };
}
