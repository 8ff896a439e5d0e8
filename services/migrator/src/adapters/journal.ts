/** The journal of open moves, one record a volume, and the archive of ended ones. */
import type { Bucket, BucketEntry, Bus } from '@couchestor/shared/bus/connect';
import { migrationAdvanced, migrationFinished } from '@couchestor/shared/contracts/migration';
import { cancelsBucket, finishedMovesBucket, journalBucket, type MoveRecord } from '@couchestor/shared/contracts/migrator';
import { MigratorError } from '../errors.ts';

export type FinishedMoveRecord = MoveRecord & { readonly finishedAt: string };

export class Journal {
  readonly open: Bucket<MoveRecord>;
  readonly finished: Bucket<FinishedMoveRecord>;
  readonly #cancels: Bucket<{ requestedAt: string }>;
  readonly #bus: Pick<Bus, 'publish'>;

  constructor(bus: Pick<Bus, 'publish' | 'bucket'>) {
    this.#bus = bus;
    this.open = bus.bucket(journalBucket);
    this.finished = bus.bucket(finishedMovesBucket);
    this.#cancels = bus.bucket(cancelsBucket);
  }

  /** Stores the record over the one that the caller has read; throws MOVE_TAKEN where another process was quicker. */
  async replace(entry: BucketEntry<MoveRecord>, record: MoveRecord): Promise<BucketEntry<MoveRecord>> {
    const stored = await this.replaceIfCurrent(entry, record);
    if (stored === undefined) {
      throw new MigratorError('MOVE_TAKEN', { moveId: record.request.moveId, step: record.step });
    }
    return stored;
  }

  /** Undefined where the record is not the one any more that the caller has read. */
  async replaceIfCurrent(entry: BucketEntry<MoveRecord>, record: MoveRecord): Promise<BucketEntry<MoveRecord> | undefined> {
    return (await this.#isCurrent(entry)) ? this.open.update(entry.key, record, entry.revision) : undefined;
  }

  /** Removes the record; false where it is not the one any more that the caller has read. */
  async letGo(entry: BucketEntry<MoveRecord>): Promise<boolean> {
    return (await this.#isCurrent(entry)) && this.open.delete(entry.key, entry.revision);
  }

  /** Throws MOVE_TAKEN where the record has moved on from the one that the caller has read. */
  async assertCurrent(entry: BucketEntry<MoveRecord>): Promise<void> {
    if (!(await this.#isCurrent(entry))) {
      throw new MigratorError('MOVE_TAKEN', { moveId: entry.value.request.moveId, step: entry.value.step });
    }
  }

  /**
   * A revision alone names no record: a bucket that was lost and made anew counts from the beginning, and the record of another move of the
   * volume may come to the number that a process from before the loss still has in hand. It must not write over that record.
   */
  async #isCurrent({ key, value, revision }: BucketEntry<MoveRecord>): Promise<boolean> {
    const current = await this.open.get(key);
    return (
      current?.revision === revision && current.value.request.moveId === value.request.moveId && current.value.startedAt === value.startedAt
    );
  }

  async tellAdvanced({ value: move, revision }: BucketEntry<MoveRecord>): Promise<void> {
    const { moveId, volumeId } = move.request;
    const replicas = Math.max(move.replicasPlanned, 1);
    await this.#bus.publish(
      migrationAdvanced,
      {
        moveId,
        volumeId,
        step: move.step,
        replica: Math.min(move.replicasMoved + 1, replicas),
        replicas,
        message: move.story.at(-1)?.text ?? 'Accepted.',
        ...(move.plan === undefined ? {} : { sourcePool: move.plan.source.pool, destinationPool: move.plan.destination.pool }),
        ...(move.syncPercent === undefined ? {} : { syncPercent: move.syncPercent }),
      },
      { id: `${moveId}-${revision}` },
    );
  }

  async isCancelled(moveId: string): Promise<boolean> {
    return (await this.#cancels.get(moveId)) !== undefined;
  }

  async cancel(moveId: string, requestedAt: string): Promise<void> {
    await this.#cancels.create(moveId, { requestedAt });
  }

  /** Archives, then tells, then lets go of the volume: after a crash in between, doing it all again does no harm. */
  async close(entry: BucketEntry<MoveRecord>, o: { nowMs: number; story: MoveRecord['story'] }): Promise<FinishedMoveRecord> {
    const { moveId } = entry.value.request;
    const record = { ...entry.value, story: o.story, finishedAt: new Date(o.nowMs).toISOString() };
    const archived = (await this.finished.create(moveId, record))?.value ?? (await this.finished.get(moveId))?.value ?? record;
    await this.tellFinished(archived);
    await this.#cancels.delete(moveId);
    if (!(await this.letGo(entry))) {
      throw new MigratorError('MOVE_TAKEN', { moveId, step: 'finish' });
    }
    return archived;
  }

  async tellFinished(record: FinishedMoveRecord): Promise<void> {
    const { request, result } = record;
    if (result === undefined) {
      throw new TypeError(`move ${request.moveId} was archived without a result`);
    }
    await this.#bus.publish(
      migrationFinished,
      {
        moveId: request.moveId,
        volumeId: request.volumeId,
        policy: request.policy.name,
        from: request.from,
        to: request.to,
        triggerIops: request.triggerIops,
        startedAt: record.startedAt,
        finishedAt: record.finishedAt,
        result,
      },
      { id: `${request.moveId}-finished` },
    );
  }
}
