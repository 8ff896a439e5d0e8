/** What every lock must do, whatever it is made of. Run against each implementation by a test file that gives it a world. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { LockPlace } from './lock.fixture.ts';
import type { Lock, LockHold } from './lock.ts';
import { waitUntil } from './testing/wait-until.ts';

/** Processes that contend for locks, each with a connection of its own. */
export interface LockWorld {
  process(name: string): Promise<{
    lock(name: string, o: { leaseMs: number }): Lock;
    /** Cuts the process off as its death would: it says nothing more to anybody. */
    die(): Promise<void>;
  }>;
  /** For a process that is one: lock.fixture.ts. */
  place(name: string, o: { leaseMs: number }): LockPlace;
}

const soon = () => ({ signal: AbortSignal.timeout(25_000) });

/** @param o.leaseMs the shortest lease that the implementation can have */
export function describeLock(implementation: string, { leaseMs }: { leaseMs: number }, world: () => LockWorld): void {
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
      expect(hold.lost.aborted).toBe(false);
      await hold.release();
      expect(hold.lost.aborted).toBe(true);
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
      let lostMs = Number.NaN;
      hold.lost.addEventListener('abort', () => {
        lostMs = performance.now();
      });
      const inheriting = heir.lock('orphaned', { leaseMs }).acquire(soon());
      await holder.die();
      const next = await inheriting;
      const takenMs = performance.now();
      expect(next.surelyHeldFor(0)).toBe(true);
      expect(hold.surelyHeldFor(0)).toBe(false);
      expect(believed.stop()).toBeLessThan(takenMs);
      expect(lostMs).toBeLessThan(takenMs);
      expect(hold.lost.reason).toMatchObject({ code: 'LOCK_LOST' });
      // What the dead one may still do takes nothing from its heir.
      await hold.release();
      expect(next.surelyHeldFor(0)).toBe(true);
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

    it('of a killed process is taken over after its lease', async () => {
      const holder = await spawnHolder(world().place('killed', { leaseMs }));
      const heir = await world().process('heir');
      const inheriting = heir.lock('killed', { leaseMs }).acquire(soon());
      holder.signal('SIGKILL');
      const next = await inheriting;
      expect(next.surelyHeldFor(0)).toBe(true);
      await next.release();
    });

    it('is lost to a process that stood still for longer than its lease, which knows it as soon as it goes on', async () => {
      const holder = await spawnHolder(world().place('paused', { leaseMs }));
      const heir = await world().process('heir');
      holder.signal('SIGSTOP');
      const next = await heir.lock('paused', { leaseMs }).acquire(soon());
      const takenMs = Date.now();
      holder.signal('SIGCONT');
      await waitUntil(() => holder.lines().includes('lost'));
      expect(Math.max(...holder.beliefs())).toBeLessThan(takenMs);
      expect(next.surelyHeldFor(0)).toBe(true);
      await next.release();
    });

    it('stays with a process that stood still for less than its lease', async () => {
      const longMs = 5 * leaseMs;
      const holder = await spawnHolder(world().place('stopped-for-a-moment', { leaseMs: longMs }));
      const heir = await world().process('heir');
      const inheriting = heir.lock('stopped-for-a-moment', { leaseMs: longMs }).acquire(soon());
      holder.signal('SIGSTOP');
      const stoppedMs = Date.now();
      await waitUntil(() => Date.now() - stoppedMs > leaseMs);
      holder.signal('SIGCONT');
      const goesOnMs = Date.now();
      await waitUntil(() => holder.beliefs().some((atMs) => atMs > goesOnMs));
      expect(holder.lines()).not.toContain('lost');
      holder.signal('SIGTERM');
      await (await inheriting).release();
    });

    it('is given back by a process that is told to stop', async () => {
      const longMs = 5 * leaseMs;
      const holder = await spawnHolder(world().place('stopped', { leaseMs: longMs }));
      const heir = await world().process('heir');
      const inheriting = heir.lock('stopped', { leaseMs: longMs }).acquire(soon());
      const toldMs = performance.now();
      holder.signal('SIGTERM');
      const next = await inheriting;
      // Half a lease: only the release explains it.
      expect(performance.now() - toldMs).toBeLessThan(Math.min(3_000, longMs / 2));
      await next.release();
    });

    const holders: HolderProcess[] = [];
    afterEach(async () => {
      await Promise.all(holders.splice(0).map((holder) => holder.end()));
    });

    async function spawnHolder(place: LockPlace): Promise<HolderProcess> {
      const holder = startHolder(place);
      holders.push(holder);
      await waitUntil(() => holder.lines().includes('held'), { timeoutMs: 25_000, what: 'a process to hold the lock' });
      return holder;
    }
  });
}

interface HolderProcess {
  lines(): string[];
  /** When it believed in its lock, by the wall clock. */
  beliefs(): number[];
  signal(signal: NodeJS.Signals): void;
  end(): Promise<void>;
}

function startHolder(place: LockPlace): HolderProcess {
  const main = fileURLToPath(new URL('./lock.fixture.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', '--conditions=source', main, JSON.stringify(place)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const gone = once(child, 'exit');
  let output = '';
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString();
  });
  const lines = (): string[] => output.split('\n').slice(0, -1);
  return {
    lines,
    beliefs: () => lines().flatMap((line) => (line.startsWith('believes ') ? [Number(line.slice('believes '.length))] : [])),
    signal: (signal) => void child.kill(signal),
    end: async () => {
      child.kill('SIGKILL');
      await gone;
    },
  };
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
