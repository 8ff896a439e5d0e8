/** Shutdown in the reverse order of start, each step with a budget. */
import type { Logger } from './logger.ts';
import { sleep } from './time.ts';

export interface StopStep {
  readonly name: string;
  /** Past this the step is left behind and the next one begins. */
  readonly budgetMs: number;
  readonly stop: () => Promise<void>;
}

export class Lifecycle {
  readonly #logger: Logger;
  readonly #abort = new AbortController();
  readonly #steps: StopStep[] = [];
  #stopping: Promise<void> | undefined;
  #failures = 0;

  constructor(o: { logger: Logger }) {
    this.#logger = o.logger;
  }

  /** Aborted as the first act of stopping: every loop and wait takes it. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Steps of the shutdown that threw or overran their budget. */
  get failures(): number {
    return this.#failures;
  }

  /** Registers the undoing of something that was just started. Undone last in, first out. Too late once stopping: then it is undone at once. */
  onStop(step: StopStep): void {
    if (this.#abort.signal.aborted) {
      this.#stopping = Promise.all([this.#stopping, this.#run(step)]).then(() => undefined);
      return;
    }
    this.#steps.push(step);
  }

  /** Stops everything; the same promise however often it is called. Never rejects: failures are logged and counted. */
  stop(reason: string): Promise<void> {
    if (this.#stopping === undefined) {
      this.#logger.info({ reason }, 'stopping');
      this.#stopping = this.#runAll();
      this.#abort.abort(new Error(`stopping: ${reason}`));
    }
    return this.#stopping;
  }

  async #runAll(): Promise<void> {
    // After the abort that `stop` does next, so that loops are told before what they use is closed.
    await Promise.resolve();
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      await this.#run(step);
    }
  }

  async #run(step: StopStep): Promise<void> {
    const finished = new AbortController();
    try {
      const overrun = sleep(step.budgetMs, finished.signal).then(
        () => 'overrun' as const,
        () => 'finished' as const,
      );
      if ((await Promise.race([step.stop(), overrun])) === 'overrun') {
        this.#failures += 1;
        this.#logger.warn({ step: step.name, budgetMs: step.budgetMs }, 'a step of the shutdown took too long and was left behind');
      }
    } catch (err) {
      this.#failures += 1;
      this.#logger.error({ step: step.name, err }, 'a step of the shutdown failed');
    } finally {
      finished.abort();
    }
  }
}
