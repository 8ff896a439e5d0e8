/** What people and broken disks do to the moves meanwhile: without them none would roll back, and what failed too often would rest. */
import type { Bus } from '@couchestor/shared/bus/connect';
import { ledgerBucket, retryVolume } from '@couchestor/shared/contracts/brain';
import { cancelMove, type MoveRecord } from '@couchestor/shared/contracts/migrator';
import { sleep } from '@couchestor/shared/time';
import type { ClusterCheck } from './cluster-check.ts';

const askTimeoutMs = 1_000;
const againMs = 100;
/** Failures after which a volume waits for a person. */
const failuresMax = 5;
/** Every so many moves that are sent back are so by a broken replica, the others by a person. */
const brokenEvery = 3;

export class People {
  readonly #bus: Bus;
  readonly #check: ClusterCheck;
  #sentBack = 0;

  constructor(o: { bus: Bus; check: ClusterCheck }) {
    this.#bus = o.bus;
    this.#check = o.check;
  }

  /** Makes the move roll back. Tries for as long as it waits for its new replica, for whoever is asked may be down. */
  async sendBack({ request, newReplica }: MoveRecord, isWaiting: () => boolean): Promise<void> {
    this.#sentBack += 1;
    const { volumeId, moveId } = request;
    const broken = this.#sentBack % brokenEvery === 0 ? newReplica?.uuid : undefined;
    while (isWaiting()) {
      const asked =
        broken === undefined
          ? this.#bus.call(cancelMove, { move: moveId }, { timeoutMs: askTimeoutMs })
          : this.#check.faultReplica(volumeId, broken);
      const done = await asked.then(
        () => true,
        () => false,
      );
      if (done) {
        return;
      }
      await sleep(againMs);
    }
  }

  async retryFailed(): Promise<void> {
    try {
      for (const { key, value } of await this.#bus.bucket(ledgerBucket).entries()) {
        if (value.failures >= failuresMax && value.pending === undefined) {
          await this.#bus.call(retryVolume, { volume: key }, { timeoutMs: askTimeoutMs });
        }
      }
    } catch {
      // NATS or the brain is down just now; the next look will do it.
    }
  }
}
