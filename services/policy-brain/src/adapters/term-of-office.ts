/**
 * The brain's term of office: a number that a brain raises by compare-and-set when it begins to lead.
 *
 * It makes one brain's commands tell apart from those of the brain before it, and lets the earlier one notice that it was superseded. It is
 * no lock: that two brains do no harm together is the ledger's doing.
 */
import type { Bus } from '@couchestor/shared/bus/connect';
import { epochBucket, epochKey } from '@couchestor/shared/contracts/brain';
import { BrainError } from '../errors.ts';

const attemptsMax = 10;

/**
 * @param above an epoch that is known to have been, which JetStream may have lost
 * @returns the new epoch, and a timestamp of JetStream's present
 */
export async function raiseEpoch(bus: Pick<Bus, 'bucket'>, above = 0): Promise<{ epoch: number; raisedAt: Date }> {
  const bucket = bus.bucket(epochBucket);
  for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
    const before = await bucket.get(epochKey);
    const epoch = Math.max(before?.value.epoch ?? 0, above) + 1;
    const stored =
      before === undefined ? await bucket.create(epochKey, { epoch }) : await bucket.update(epochKey, { epoch }, before.revision);
    if (stored !== undefined) {
      // Read back, because only what was read surely carries JetStream's own timestamp.
      return { epoch, raisedAt: (await bucket.get(epochKey))?.writtenAt ?? stored.writtenAt };
    }
  }
  throw new BrainError('LEDGER_CONTENDED', { bucket: epochBucket.name, attempts: attemptsMax });
}

/** Calls `onSuperseded` once another brain has raised the epoch. Puts ours back where JetStream has lost it. */
export async function watchEpoch(
  bus: Pick<Bus, 'bucket'>,
  o: { epoch: number; onSuperseded: (by: number) => void; onError: (error: unknown) => void },
): Promise<{ stop(): Promise<void> }> {
  const bucket = bus.bucket(epochBucket);
  return await bucket.watch(({ key, entry }) => {
    if (key !== epochKey) {
      return;
    }
    if (entry === undefined) {
      bucket.create(epochKey, { epoch: o.epoch }).catch(o.onError);
    } else if (entry.value.epoch > o.epoch) {
      o.onSuperseded(entry.value.epoch);
    }
  });
}
