/** Decides when a round is due: as soon as there is something new, and otherwise often enough that what is stale does not go on counting. */
import { describeError } from '@couchestor/shared/errors';
import type { Logger } from '@couchestor/shared/logger';
import { sleep } from '@couchestor/shared/time';

export interface RoundLoopDeps {
  readonly run: () => Promise<void>;
  /** Longest time between two rounds. */
  readonly idleMs: () => number;
  readonly onFailure: () => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export interface RoundLoop {
  /** Something is new. Any number of calls during a round make one more round. */
  wake(): void;
  readonly stopped: Promise<void>;
}

export function startRoundLoop({ run, idleMs, onFailure, logger, signal }: RoundLoopDeps): RoundLoop {
  let due = true;
  let interrupt = new AbortController();
  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      if (!due) {
        interrupt = new AbortController();
        await sleep(idleMs(), AbortSignal.any([signal, interrupt.signal])).catch(() => undefined);
        if (signal.aborted) {
          return;
        }
      }
      due = false;
      try {
        await run();
      } catch (error) {
        if (signal.aborted) {
          return;
        }
        // The edge of the brain's work: what failed is stored nowhere half-way, and the next round begins from the ledger again.
        onFailure();
        logger.error({ error: describeError(error) }, 'a round failed and will be run again');
      }
    }
  };
  return {
    wake: () => {
      due = true;
      interrupt.abort();
    },
    stopped: loop(),
  };
}
