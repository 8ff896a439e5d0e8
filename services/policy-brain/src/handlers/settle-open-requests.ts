/**
 * What becomes of the requests that are out, before a round decides anew: those that no longer stand are taken back, those that nobody
 * accepted in time are cleared, and an accepted move of which the migrator knows nothing any more is closed, lest it hold its slot for ever.
 */
import type { BucketEntry, Bus } from '@couchestor/shared/bus/connect';
import type { LedgerEntry } from '@couchestor/shared/contracts/brain';
import type { FinishedMove } from '@couchestor/shared/contracts/migration';
import { finishedMovesBucket, journalBucket } from '@couchestor/shared/contracts/migrator';
import type { Logger } from '@couchestor/shared/logger';
import type { PreparedRound } from '../domain/decide-round.ts';
import { decideVolume } from '../domain/decide-volume.ts';
import { withdraw } from '../domain/ledger.ts';
import { hasLapsed } from '../domain/move-request.ts';
import { standingOf } from '../domain/standing.ts';
import { type RecordFinishDeps, recordFinish } from './record-finish.ts';

/** Without news of an accepted move for this long, the migrator's journal is asked whether there still is one. */
const silenceMaxMs = 10 * 60_000;
/** Where nothing is known of the window any more. */
const defaultRoundIntervalMs = 60_000;

export interface SettleDeps extends RecordFinishDeps {
  readonly bus: Pick<Bus, 'bucket'>;
  readonly logger: Logger;
}

type Pending = NonNullable<LedgerEntry['pending']>;

export async function settleOpenRequests(deps: SettleDeps, prepared: PreparedRound): Promise<void> {
  for (const record of [...deps.ledger.entries()]) {
    const { pending } = record.value;
    if (pending === undefined) {
      continue;
    }
    if (pending.accepted) {
      await closeIfLost(deps, record, { pending, nowMs: prepared.facts.nowMs });
      continue;
    }
    const reason = reasonToTakeBack(deps, { record, pending, prepared });
    if (reason !== undefined) {
      const { moveId } = pending.request;
      // Accepted in this very moment: then it is no longer ours to take back.
      await deps.ledger.change(record.key, (entry) => (entry.pending?.accepted === true ? entry : withdraw(entry, moveId)));
      deps.logger.info({ moveId, volumeId: record.key, reason }, 'a request was taken back before a migrator accepted it');
    }
  }
}

function reasonToTakeBack(
  { brain }: SettleDeps,
  o: { record: BucketEntry<LedgerEntry>; pending: Pending; prepared: PreparedRound },
): string | undefined {
  const { request } = o.pending;
  const { facts, policies } = o.prepared;
  const policy = policies.find((active) => active.policy.uid === request.policy.uid);
  const intervalMs = brain.roundsOf(policy?.windowSeconds ?? 0).complete?.roundIntervalMs ?? defaultRoundIntervalMs;
  if (hasLapsed(request, facts.nowMs, intervalMs)) {
    return 'nobody accepted it before it expired';
  }
  if (!facts.readable) {
    return undefined;
  }
  const volume = brain.volume(o.record.key);
  if (volume?.catalogProblem !== undefined) {
    return undefined;
  }
  const { stands, reason } = standingOf(request, { policies, volume });
  if (!stands || volume === undefined) {
    return reason;
  }
  const { pending: _pending, ...without } = o.record.value;
  const { decision } = decideVolume(volume, without, facts);
  const other = decision.verb === 'stay' || (decision.verb === 'move' && decision.to !== request.to);
  return other ? `it is not wanted any more: ${decision.reason}` : undefined;
}

async function closeIfLost(deps: SettleDeps, record: BucketEntry<LedgerEntry>, o: { pending: Pending; nowMs: number }): Promise<void> {
  if (o.nowMs - record.writtenAt.getTime() < silenceMaxMs) {
    return;
  }
  const { request } = o.pending;
  const open = await deps.bus.bucket(journalBucket).get(record.key);
  if (open?.value.request.moveId === request.moveId) {
    return;
  }
  const ended = await deps.bus.bucket(finishedMovesBucket).get(request.moveId);
  const at = new Date(o.nowMs).toISOString();
  const move: FinishedMove = {
    moveId: request.moveId,
    volumeId: record.key,
    policy: request.policy.name,
    from: request.from,
    to: request.to,
    triggerIops: request.triggerIops,
    startedAt: ended?.value.startedAt ?? record.writtenAt.toISOString(),
    finishedAt: ended?.value.finishedAt ?? at,
    result: ended?.value.result ?? {
      outcome: 'aborted',
      code: 'BRAIN_MOVE_LOST',
      message:
        'The migrator has no record of this move any more. What it left in Mayastor is undone by its marks; `couchestor doctor` shows what remains.',
      replicasMoved: 0,
      bytesMoved: 0,
    },
  };
  await recordFinish(deps, move, o.nowMs);
  deps.logger.warn(
    { moveId: request.moveId, volumeId: record.key, outcome: move.result.outcome },
    'an accepted move was closed without its end being reported',
  );
}
