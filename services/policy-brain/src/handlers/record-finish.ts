/** Writes the end of a move into the ledger. */
import type { FinishedMove } from '@couchestor/shared/contracts/migration';
import { parseDurationMs } from '@couchestor/shared/duration';
import type { MayastorClient } from '@couchestor/shared/mayastor/client';
import type { LedgerStore } from '../adapters/ledger-store.ts';
import type { Brain } from '../brain.ts';
import { finish } from '../domain/ledger.ts';

export interface RecordFinishDeps {
  readonly brain: Brain;
  readonly ledger: LedgerStore;
  readonly mayastor: Pick<MayastorClient, 'getVolume'>;
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
