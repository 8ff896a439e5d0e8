/**
 * Writes the end of a move into the ledger and into the record of its policy, in this order. Where the second fails the end is reported
 * again, finds itself in the ledger, and is counted then.
 */
import type { FinishedMove } from '@couchestor/shared/contracts/migration';
import { parseDurationMs } from '@couchestor/shared/duration';
import type { MayastorClient } from '@couchestor/shared/mayastor/client';
import { pvName } from '@couchestor/shared/mayastor/read';
import type { LedgerStore } from '../adapters/ledger-store.ts';
import type { PolicyRecordStore } from '../adapters/policy-record-store.ts';
import type { Brain } from '../brain.ts';
import { finish } from '../domain/ledger.ts';
import type { MoveNews } from '../domain/move-news.ts';
import { countFinish } from '../domain/policy-record.ts';

export interface RecordFinishDeps {
  readonly brain: Brain;
  readonly ledger: LedgerStore;
  readonly records: Pick<PolicyRecordStore, 'change' | 'get'>;
  readonly mayastor: Pick<MayastorClient, 'getVolume'>;
  /** Told of moves that began or ended. */
  readonly onMoveNews?: ((news: MoveNews) => void) | undefined;
}

/** Where the policy is gone: the default of its schema. */
const defaultCooldownMs = 24 * 3_600_000;

/** @returns whether it was news */
export async function recordFinish(deps: RecordFinishDeps, move: FinishedMove, atMs: number): Promise<boolean> {
  const { brain, ledger } = deps;
  const policy = brain.policySet?.policies.find((found) => found.policy.name === move.policy)?.policy;
  const facts = {
    atMs,
    cooldownMs: policy === undefined ? defaultCooldownMs : parseDurationMs(policy.spec.cooldownPeriod),
    numReplicas: await replicasBefore(deps, move),
  };
  const { changed } = await ledger.change(move.volumeId, (entry) => finish(entry, move, facts));
  const volumeName = brain.volume(move.volumeId)?.pvName ?? pvName(move.volumeId);
  await deps.records.change(move.policy, (record) => countFinish(record, move, volumeName));
  if (changed) {
    deps.onMoveNews?.({ kind: 'finished', move });
  }
  return changed;
}

/** num_replicas before the move. Asked of Mayastor only where the ledger does not know the move and one replica more was left behind. */
async function replicasBefore({ ledger, mayastor }: RecordFinishDeps, { moveId, volumeId, result }: FinishedMove): Promise<number> {
  const pending = ledger.get(volumeId)?.pending;
  if (pending?.request.moveId === moveId) {
    return pending.numReplicas;
  }
  if (result.outcome !== 'kept-old') {
    return 1;
  }
  const volume = await mayastor.getVolume(volumeId);
  return Math.max(1, (volume?.spec.num_replicas ?? 2) - 1);
}
