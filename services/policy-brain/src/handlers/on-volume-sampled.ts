/** A batch of samples arrived. Idempotent: a batch that is known already changes nothing. */
import type { Received } from '@couchestor/shared/bus/connect';
import type { VolumeSampledPayload } from '@couchestor/shared/contracts/volume-sampled';
import type { BusClock } from '../adapters/bus-clock.ts';
import type { Brain } from '../brain.ts';
import { addBatch } from '../domain/samples.ts';

export interface OnVolumeSampledDeps {
  readonly brain: Brain;
  readonly clock: BusClock;
  /** A round is complete: time to decide. */
  readonly onRound: () => void;
}

export function onVolumeSampled({
  brain,
  clock,
  onRound,
}: OnVolumeSampledDeps): (message: Received<VolumeSampledPayload>) => Promise<void> {
  return async ({ payload, publishedAt }) => {
    clock.observe(publishedAt);
    const before = brain.roundsOf(payload.windowSeconds);
    const after = addBatch(before, payload, publishedAt.getTime());
    brain.setRounds(payload.windowSeconds, after);
    if (after.complete !== before.complete) {
      onRound();
    }
  };
}
