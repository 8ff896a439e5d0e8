/**
 * Any number of brains may run; one leads, the others stand by.
 *
 * Whoever has the lock serves a term: everything that decides, requests and answers is started when the term begins, and stopped when it
 * ends. It ends when the process is told to stop, when the lock is lost, or when another brain has raised the epoch. Then the brain stands by
 * again.
 *
 * The lock keeps two brains from deciding the same in vain; it is not what makes them safe. That is the ledger: what is requested stands
 * there first, by compare-and-set, whoever requests it. So the lock need not outlast a holder whom the store has forgotten, and a leader
 * that stood still without knowing it can at most be refused.
 */
import { CodedError, describeError } from '@couchestor/shared/errors';
import { Lifecycle } from '@couchestor/shared/lifecycle';
import type { Lock, LockHold } from '@couchestor/shared/lock';
import type { Logger } from '@couchestor/shared/logger';
import { sleep } from '@couchestor/shared/time';

/** A term, seen by what works in it. */
export interface Term {
  /** Stops in the reverse order of start; its signal tells loops that the term is over. */
  readonly lifecycle: Lifecycle;
  /** Asked at the last moment before anything that others see. */
  stillLeads(): boolean;
  /** Another brain has begun a later term. */
  superseded(byEpoch: number): void;
}

export interface LeadershipDeps {
  readonly lock: Lock;
  readonly leaseMs: number;
  /** Starts everything of one term. Resolves once the brain decides and answers. */
  readonly startTerm: (term: Term) => Promise<void>;
  /** It is over; what works in it is stopped next. */
  readonly onTermOver: () => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** A brain that is alone leads within this, so that it answers as soon as it is ready. */
const firstTermWaitMs = 1_000;
const failedTermPauseMs = 1_000;
/** Of a store that does not answer the lock is not worth waiting for: its lease runs out. */
const releaseBudgetMs = 2_000;

export class Leadership {
  readonly #deps: LeadershipDeps;
  readonly #signal: AbortSignal;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #term: Term | undefined;
  #firstTerm: () => void = () => undefined;
  #stepsLeftBehind = 0;

  /** Resolves once the brain leads, or has stood by for a moment. */
  static async begin(deps: LeadershipDeps): Promise<Leadership> {
    const leadership = new Leadership(deps);
    const first = new Promise<void>((resolve) => {
      leadership.#firstTerm = resolve;
    });
    const waited = sleep(firstTermWaitMs, leadership.#signal).catch(() => undefined);
    await Promise.race([first, waited, leadership.#running]);
    // From here on nobody waits for it: what it cannot go on from ends the process, as all that is uncaught does.
    void leadership.#running.then(() => undefined);
    return leadership;
  }

  private constructor(deps: LeadershipDeps) {
    this.#deps = deps;
    this.#signal = AbortSignal.any([deps.signal, this.#stopping.signal]);
    this.#running = this.#run();
  }

  get leads(): boolean {
    return this.#term?.stillLeads() === true;
  }

  /** Ends the term and gives the lock back. Rejects where something of a term could not be stopped in its time. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopping'));
    await this.#running;
    if (this.#stepsLeftBehind > 0) {
      throw new Error(`${this.#stepsLeftBehind} steps of the end of the term took too long or failed`);
    }
  }

  async #run(): Promise<void> {
    while (!this.#signal.aborted) {
      try {
        const hold = await this.#deps.lock.acquire({ signal: this.#signal });
        const { superseded } = await this.#serve(hold).finally(() => released(hold));
        if (superseded) {
          // Taking turns with the other one would be no better than both at once.
          await sleep(this.#deps.leaseMs, this.#signal).catch(() => undefined);
        }
      } catch (error) {
        if (this.#signal.aborted) {
          return;
        }
        if (!(error instanceof CodedError && error.retry)) {
          throw error;
        }
        this.#deps.logger.warn({ error: describeError(error) }, 'the term could not begin, and the brain stands by again');
        await sleep(failedTermPauseMs, this.#signal).catch(() => undefined);
      }
    }
  }

  async #serve(hold: LockHold): Promise<{ superseded: boolean }> {
    const { logger, onTermOver, startTerm } = this.#deps;
    const lifecycle = new Lifecycle({ logger: logger.child({ part: 'term' }) });
    const superseded = new AbortController();
    const over = AbortSignal.any([this.#signal, hold.lost, superseded.signal]);
    const term: Term = {
      lifecycle,
      stillLeads: () => !over.aborted && hold.surelyHeldFor(0),
      superseded: (epoch) => {
        if (!term.stillLeads()) {
          return;
        }
        logger.error({ epoch }, 'another policy-brain leads by another lock: give all of them the same --coordination and --namespace');
        superseded.abort(new Error('another brain has begun a later term'));
      },
    };
    const starting = startTerm(term);
    try {
      // What hangs while it starts must not keep a lost term from ending; what it makes later is undone at once.
      await Promise.race([starting, untilAborted(over)]);
      if (!over.aborted) {
        this.#term = term;
        this.#firstTerm();
        await untilAborted(over);
      }
    } finally {
      starting.catch(() => undefined);
      this.#term = undefined;
      onTermOver();
      await lifecycle.stop(over.aborted ? describeError(over.reason) : 'the term could not begin');
      this.#stepsLeftBehind = lifecycle.failures;
    }
    if (!this.#signal.aborted) {
      logger.warn({ reason: describeError(over.reason) }, 'the brain leads no longer, and stands by');
    }
    return { superseded: superseded.signal.aborted };
  }
}

async function released(hold: LockHold): Promise<void> {
  const done = new AbortController();
  const release = hold.release().finally(() => done.abort());
  await Promise.race([release, sleep(releaseBudgetMs, done.signal).catch(() => undefined)]);
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
    } else {
      signal.addEventListener('abort', () => resolve(), { once: true });
    }
  });
}
