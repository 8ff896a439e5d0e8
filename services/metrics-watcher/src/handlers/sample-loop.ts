/** Runs a round every sample interval, for the windows that the brain says are in use, until stopped. */

import type { Bus } from '@couchestor/shared/bus/connect';
import { windowsBucket, windowsKey } from '@couchestor/shared/contracts/brain';
import type { Logger } from '@couchestor/shared/logger';
import { sleep } from '@couchestor/shared/time';
import { type BackOff, type RunRoundDeps, runRound } from './run-round.ts';

export interface SampleLoopDeps extends RunRoundDeps {
  readonly bus: Pick<Bus, 'bucket'>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Resolves once the windows in use are known and rounds are running; `stopped` resolves after the signal's abort, with the last round over. */
export async function startSampleLoop(deps: SampleLoopDeps): Promise<{ stopped: Promise<void> }> {
  let windowSeconds: readonly number[] = [];
  let wake = new AbortController();
  const watch = await deps.bus.bucket(windowsBucket).watch(({ key, entry }) => {
    if (key === windowsKey) {
      windowSeconds = [...new Set(entry?.value.windowSeconds ?? [])].sort((a, b) => a - b);
      deps.logger.info(
        { windowSeconds },
        windowSeconds.length === 0 ? 'no sampling window is in use, nothing to measure' : 'sampling windows in use',
      );
      // A new policy need not wait for the next round.
      wake.abort();
    }
  });

  const run = async (): Promise<void> => {
    const backOffs = new Map<number, BackOff>();
    let number = 0;
    let lastRoundMs = 0;
    while (!deps.signal.aborted) {
      wake = new AbortController();
      const startedAtMs = deps.now();
      if (windowSeconds.length > 0) {
        // From the clock, so that a restarted watcher goes on above its last round.
        number = Math.max(number + 1, startedAtMs);
        forgetOthers(deps, windowSeconds, backOffs);
        const intervalMs = Math.ceil(Math.max(deps.sampleIntervalMs, lastRoundMs));
        await runRound(deps, { windowSeconds, number, intervalMs, backOffs, signal: deps.signal }).catch((err: unknown) => {
          if (!deps.signal.aborted) {
            // A fault of ours. The next round may do better; a loop that ends silently would not.
            deps.metrics.rounds.inc({ result: 'failed' });
            deps.logger.error({ err }, 'a round failed');
          }
        });
        lastRoundMs = deps.now() - startedAtMs;
      }
      const restMs = deps.sampleIntervalMs - (deps.now() - startedAtMs);
      await sleep(Math.min(deps.sampleIntervalMs, Math.max(0, restMs)), AbortSignal.any([deps.signal, wake.signal])).catch(() => undefined);
    }
    await watch.stop();
  };
  return { stopped: run() };
}

/** Windows that are no longer in use leave no back-off and no metric behind. */
function forgetOthers({ metrics }: SampleLoopDeps, windowSeconds: readonly number[], backOffs: Map<number, BackOff>): void {
  for (const gone of [...backOffs.keys(), ...metrics.measuredAtMs.keys()].filter((known) => !windowSeconds.includes(known))) {
    backOffs.delete(gone);
    metrics.measuredAtMs.delete(gone);
  }
  metrics.volumes.reset();
}
