/**
 * Rounds of samples, put together from their batches.
 *
 * Only a round of which all batches are there is ever decided on. Which of two rounds is newer is told by JetStream's timestamps, not by
 * the round numbers: a redelivered batch of an old round and a watcher that counts from the beginning again must not be mixed up.
 */
import type { VolumeSample, VolumeSampledPayload } from '@couchestor/shared/contracts/volume-sampled';

export interface CompleteRound {
  readonly windowSeconds: number;
  readonly round: number;
  readonly roundIntervalMs: number;
  readonly observedAt: string;
  /** JetStream's timestamp of the round's first batch: its age counts from here. */
  readonly publishedAtMs: number;
  readonly samples: ReadonlyMap<string, VolumeSample>;
}

/** A round of which batches are missing. */
interface PartialRound {
  readonly key: string;
  readonly oldestMs: number;
  readonly batches: ReadonlyMap<number, readonly VolumeSample[]>;
}

/** One window's rounds. Values are never changed in place. */
export interface WindowRounds {
  readonly complete: CompleteRound | undefined;
  readonly partial: PartialRound | undefined;
  /** When the newest batch of any round that was taken in was published. */
  readonly newestMs: number;
}

export const noRounds: WindowRounds = { complete: undefined, partial: undefined, newestMs: 0 };

/** A sample is stale when it is older than this many rounds. */
export const freshRounds = 2;

export function addBatch(rounds: WindowRounds, batch: VolumeSampledPayload, publishedAtMs: number): WindowRounds {
  const key = `${batch.round}/${batch.batches}/${batch.observedAt}`;
  const { partial } = rounds;
  if (partial?.key !== key && publishedAtMs <= rounds.newestMs) {
    return rounds;
  }
  const same = partial?.key === key ? partial : undefined;
  const grown: PartialRound = {
    key,
    oldestMs: Math.min(same?.oldestMs ?? publishedAtMs, publishedAtMs),
    batches: new Map(same?.batches).set(batch.batch, batch.samples),
  };
  const newestMs = Math.max(rounds.newestMs, publishedAtMs);
  for (let index = 0; index < batch.batches; index += 1) {
    if (!grown.batches.has(index)) {
      return { complete: rounds.complete, partial: grown, newestMs };
    }
  }
  return { complete: joinBatches(grown, batch), partial: undefined, newestMs };
}

export function isFresh(round: CompleteRound, nowMs: number): boolean {
  // A round from the future is older than it says: JetStream's clock was set back.
  return nowMs >= round.publishedAtMs && nowMs - round.publishedAtMs <= freshRounds * round.roundIntervalMs;
}

function joinBatches(partial: PartialRound, { windowSeconds, round, roundIntervalMs, observedAt }: VolumeSampledPayload): CompleteRound {
  const samples = new Map<string, VolumeSample>();
  for (const batch of partial.batches.values()) {
    for (const sample of batch) {
      samples.set(sample.volumeId, sample);
    }
  }
  return { windowSeconds, round, roundIntervalMs, observedAt, publishedAtMs: partial.oldestMs, samples };
}
