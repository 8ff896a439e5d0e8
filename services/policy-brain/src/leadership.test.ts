/** What a brain does with its lock, by a lock that is given and taken away by hand. */
import { BusError } from '@couchestor/shared/bus/errors';
import { LockError, type LockHold } from '@couchestor/shared/lock';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Leadership, type Term } from './leadership.ts';

const leaseMs = 15_000;

interface Held extends LockHold {
  lose(): void;
  released: boolean;
}

/** Everything that happened, in its order. */
let events: string[];
let holds: Held[];
let waiting: ((hold: Held) => void)[];
let terms: Term[];
let startTerm: (term: Term) => Promise<void>;
let stopping: AbortController;

const lock = {
  acquire: ({ signal }: { signal: AbortSignal }) =>
    new Promise<LockHold>((resolve, reject) => {
      waiting.push(resolve);
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    }),
};

function give(): Held {
  const lost = new AbortController();
  const hold: Held = {
    surelyHeldFor: () => !lost.signal.aborted,
    lost: lost.signal,
    lose: () => lost.abort(new LockError('LOST', { why: 'for the test' })),
    released: false,
    release: async () => {
      hold.released = true;
      events.push('released');
    },
  };
  holds.push(hold);
  waiting.shift()?.(hold);
  return hold;
}

async function begin(): Promise<Leadership> {
  const beginning = Leadership.begin({
    lock,
    leaseMs,
    startTerm: (term) => startTerm(term),
    onTermOver: () => events.push('over'),
    logger: quietLogger(),
    signal: stopping.signal,
  });
  await vi.advanceTimersByTimeAsync(1_000);
  return await beginning;
}

const turn = () => vi.advanceTimersByTimeAsync(1);

beforeEach(() => {
  vi.useFakeTimers();
  events = [];
  holds = [];
  waiting = [];
  terms = [];
  stopping = new AbortController();
  startTerm = async (term) => {
    terms.push(term);
    events.push('began');
    term.lifecycle.onStop({ name: 'work', budgetMs: 1_000, stop: async () => void events.push('stopped') });
  };
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a brain', () => {
  it('stands by as long as another one has the lock', async () => {
    const leadership = await begin();
    expect(leadership.leads).toBe(false);
    expect(events).toEqual([]);
    await leadership.stop();
    expect(events).toEqual([]);
  });

  it('leads with the lock, and gives it back only when everything of its term has stopped', async () => {
    const leadership = await begin();
    give();
    await turn();
    expect(leadership.leads).toBe(true);
    await leadership.stop();
    expect(events).toEqual(['began', 'over', 'stopped', 'released']);
    expect(leadership.leads).toBe(false);
  });

  it('that loses the lock does nothing more at that moment, ends its term, and leads again with the lock', async () => {
    const leadership = await begin();
    const hold = give();
    await turn();
    hold.lose();
    expect(leadership.leads).toBe(false);
    expect(terms[0]?.stillLeads()).toBe(false);
    expect(terms[0]?.lifecycle.signal.aborted).toBe(false);
    await turn();
    expect(terms[0]?.lifecycle.signal.aborted).toBe(true);
    expect(events).toEqual(['began', 'over', 'stopped', 'released']);
    give();
    await turn();
    expect(leadership.leads).toBe(true);
    expect(terms[0]?.stillLeads()).toBe(false);
    await leadership.stop();
  });

  it('that loses the lock while its term begins stands by again, and what begins later is stopped at once', async () => {
    let proceed: () => void = () => undefined;
    const quick = startTerm;
    startTerm = async (term) => {
      await new Promise<void>((resolve) => {
        proceed = resolve;
      });
      await quick(term);
    };
    const leadership = await begin();
    give().lose();
    await turn();
    expect(events).toEqual(['over', 'released']);
    proceed();
    await turn();
    expect(events).toEqual(['over', 'released', 'began', 'stopped']);
    expect(leadership.leads).toBe(false);
    await leadership.stop();
  });

  it('tries again after a term that could not begin, having given the lock back', async () => {
    const quick = startTerm;
    startTerm = () => Promise.reject(new BusError('NOT_READ'));
    const leadership = await begin();
    give();
    await turn();
    expect(events).toEqual(['over', 'released']);
    expect(waiting).toHaveLength(0);
    startTerm = quick;
    await vi.advanceTimersByTimeAsync(1_000);
    give();
    await turn();
    expect(leadership.leads).toBe(true);
    await leadership.stop();
  });

  it('that a later epoch supersedes gives the lock back, and does not ask for it again for a lease', async () => {
    const leadership = await begin();
    give();
    await turn();
    terms[0]?.superseded(9);
    expect(leadership.leads).toBe(false);
    await turn();
    expect(events).toEqual(['began', 'over', 'stopped', 'released']);
    await vi.advanceTimersByTimeAsync(leaseMs - 100);
    expect(waiting).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(200);
    expect(waiting).toHaveLength(1);
    await leadership.stop();
  });

  it('is not kept from stopping by a lock that cannot be given back', async () => {
    const leadership = await begin();
    const hold = give();
    hold.release = () => new Promise(() => undefined);
    await turn();
    let stopped = false;
    void leadership.stop().then(() => {
      stopped = true;
    });
    await vi.advanceTimersByTimeAsync(2_100);
    expect(stopped).toBe(true);
  });

  it('says so where something of its term could not be stopped', async () => {
    startTerm = async (term) => term.lifecycle.onStop({ name: 'stuck', budgetMs: 500, stop: () => new Promise(() => undefined) });
    const leadership = await begin();
    give();
    await turn();
    const stopped = expect(leadership.stop()).rejects.toThrow(/1 steps/);
    await vi.advanceTimersByTimeAsync(600);
    await stopped;
  });

  it('whose term fails in a way that will not pass ends with that', async () => {
    startTerm = () => Promise.reject(new BusError('STREAM_REFUSED'));
    const beginning = Leadership.begin({
      lock,
      leaseMs,
      startTerm: (term) => startTerm(term),
      onTermOver: () => undefined,
      logger: quietLogger(),
      signal: stopping.signal,
    });
    give();
    await expect(beginning).rejects.toMatchObject({ code: 'BUS_STREAM_REFUSED' });
  });
});
