/** What this Mayastor can do and how fast it rebuilds, as seen so far. */
import { describeError } from '@couchestor/shared/errors';
import type { Logger } from '@couchestor/shared/logger';
import type { MayastorClient } from '@couchestor/shared/mayastor/client';
import type { Capabilities } from '@couchestor/shared/placement/plan';
import { sleep } from '@couchestor/shared/time';
import type { FinishedMoveRecord } from './journal.ts';

/** A Mayastor may be upgraded while we run. */
const probeIntervalMs = 5 * 60_000;
const retryMs = 2_000;
/** Weight of the newest move in the mean rate. */
const newestWeight = 0.3;

export interface CapabilityWatch {
  /** Absent until the first probe was answered. */
  current(): Capabilities | undefined;
  learn(record: FinishedMoveRecord): void;
}

/** @param o.past ended moves, whose rate of rebuilding is known */
export function watchCapabilities(o: {
  mayastor: MayastorClient;
  past: readonly FinishedMoveRecord[];
  logger: Logger;
  signal: AbortSignal;
}): CapabilityWatch {
  let poolCordon: boolean | undefined;
  let rebuildBytesPerSecond: number | undefined;
  const learn = ({ bytesMoved, syncedMs }: FinishedMoveRecord): void => {
    if (bytesMoved > 0 && syncedMs > 0) {
      const rate = (bytesMoved / syncedMs) * 1_000;
      rebuildBytesPerSecond = rebuildBytesPerSecond === undefined ? rate : rebuildBytesPerSecond * (1 - newestWeight) + rate * newestWeight;
    }
  };
  const probe = async (): Promise<void> => {
    for (;;) {
      try {
        const answer = await o.mayastor.probeCapabilities();
        if (answer.poolCordon !== poolCordon) {
          o.logger.info(answer, answer.poolCordon ? 'Mayastor has pool cordon' : 'Mayastor has no pool cordon: moves are refused');
        }
        poolCordon = answer.poolCordon;
        return;
      } catch (error) {
        o.logger.warn({ error: describeError(error) }, 'Mayastor could not be asked for its capabilities; trying again');
        await sleep(retryMs, o.signal);
      }
    }
  };
  for (const record of o.past) {
    learn(record);
  }
  void keepProbing();
  return {
    current: () =>
      poolCordon === undefined ? undefined : { poolCordon, ...(rebuildBytesPerSecond === undefined ? {} : { rebuildBytesPerSecond }) },
    learn,
  };

  async function keepProbing(): Promise<void> {
    while (!o.signal.aborted) {
      await probe().catch(() => undefined);
      await sleep(probeIntervalMs, o.signal).catch(() => undefined);
    }
  }
}
