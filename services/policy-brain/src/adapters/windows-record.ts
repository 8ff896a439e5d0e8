/** The sampling windows in use, as stored for the watcher. */
import type { Bucket, BucketEntry, Bus } from '@couchestor/shared/bus/connect';
import { windowsBucket, windowsKey } from '@couchestor/shared/contracts/brain';
import type { z } from 'zod';

type Windows = z.infer<typeof windowsBucket.value>;

export class WindowsRecord {
  readonly #bucket: Bucket<Windows>;
  #stored: BucketEntry<Windows> | undefined;
  #watch: { stop(): Promise<void> } | undefined;

  constructor(bus: Pick<Bus, 'bucket'>) {
    this.#bucket = bus.bucket(windowsBucket);
  }

  async open(): Promise<void> {
    this.#watch = await this.#bucket.watch(({ key, entry }) => {
      if (key === windowsKey) {
        this.#stored = entry;
      }
    });
  }

  async close(): Promise<void> {
    await this.#watch?.stop();
  }

  inUse(): readonly number[] {
    return this.#stored?.value.windowSeconds ?? [];
  }

  /** Stores the windows where others are stored. False where somebody else wrote meanwhile: the next round tries again. */
  async set(windowSeconds: readonly number[]): Promise<boolean> {
    const known = this.#stored;
    if (known !== undefined && known.value.windowSeconds.join() === windowSeconds.join()) {
      return true;
    }
    const value = { windowSeconds: [...windowSeconds] };
    const stored =
      known === undefined ? await this.#bucket.create(windowsKey, value) : await this.#bucket.update(windowsKey, value, known.revision);
    this.#stored = stored ?? (await this.#bucket.get(windowsKey));
    return stored !== undefined;
  }
}
