/** A lock in a JetStream bucket. */
import type { z } from 'zod';
import type { BucketEntry, Bus } from './bus/connect.ts';
import { lockBucket } from './contracts/migrator.ts';
import { type Lock, type LockOptions, type LockStore, lockIn, type StoredLock } from './lock.ts';

interface StoredInBucket extends StoredLock {
  readonly entry: BucketEntry<z.infer<typeof lockBucket.value>>;
}

const pollMaxMs = 250;

export function kvLock(bus: Pick<Bus, 'bucket'>, name: string, o: LockOptions): Lock {
  const bucket = bus.bucket(lockBucket);
  const store: LockStore<StoredInBucket> = {
    read: async () => storedIn(await bucket.get(name)),
    create: async (record) => storedIn(await bucket.create(name, { ...record, renewals: 0 })),
    update: async (record, { entry }) => {
      // A bucket that was lost and made anew counts its revisions from the beginning: by its revision alone this could be another holder's record.
      if ((await bucket.get(name))?.value.holder !== entry.value.holder) {
        return undefined;
      }
      const renewals = entry.value.holder === record.holder ? entry.value.renewals + 1 : 0;
      return storedIn(await bucket.update(name, { ...record, renewals }, entry.revision));
    },
    // By the broker's clock alone.
    memoryMs: async ({ entry }) => entry.writtenAt.getTime() - (await bucket.createdAt()).getTime(),
  };
  return lockIn(store, { ...o, pollMaxMs });
}

function storedIn(entry: StoredInBucket['entry'] | undefined): StoredInBucket | undefined {
  if (entry === undefined) {
    return undefined;
  }
  const { holder, leaseMs, released } = entry.value;
  return { entry, revision: String(entry.revision), holder, leaseMs, released };
}
