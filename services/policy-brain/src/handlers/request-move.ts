/**
 * Requests one move: stored in the ledger first, published second. A crash in between leaves a stored request, which the next round
 * publishes; a crash before leaves nothing. The id of the message is the same for the same round, so that JetStream keeps one.
 */
import type { Bus } from '@couchestor/shared/bus/connect';
import { type MoveRequest, migrationRequested } from '@couchestor/shared/contracts/migration';
import type { Logger } from '@couchestor/shared/logger';
import type { BusClock } from '../adapters/bus-clock.ts';
import type { LedgerStore } from '../adapters/ledger-store.ts';
import type { Brain } from '../brain.ts';
import { decideVolume, type RoundFacts, type WantedMove } from '../domain/decide-volume.ts';
import { request, restamp } from '../domain/ledger.ts';
import { hasExpired, requestOf } from '../domain/move-request.ts';
import { look } from '../domain/sight.ts';

export interface RequestMoveDeps {
  readonly brain: Brain;
  readonly bus: Pick<Bus, 'publish'>;
  readonly ledger: LedgerStore;
  readonly clock: BusClock;
  readonly logger: Logger;
}

export async function requestMove(deps: RequestMoveDeps, wanted: WantedMove, facts: RoundFacts): Promise<void> {
  const { brain, ledger, clock, logger } = deps;
  const { cluster } = facts;
  const round = brain.roundsOf(wanted.active.windowSeconds).complete;
  if (cluster === undefined || round === undefined) {
    return;
  }
  const sight = look({ volume: wanted.volume, to: wanted.to, policy: wanted.active, poolTiers: wanted.poolTiers, cluster }).key;
  const { entry, changed } = await ledger.change(wanted.volumeId, (before) => {
    // Decided again on the record as it is now: it may have changed since the round read it.
    const fresh = decideVolume(wanted.volume, before, facts);
    if (fresh.wanted?.to !== wanted.to) {
      return undefined;
    }
    const o = {
      entry: before,
      epoch: brain.epoch,
      reason: fresh.decision.reason,
      nowMs: clock.now(),
      roundIntervalMs: round.roundIntervalMs,
      cluster,
    };
    return request(before, { request: requestOf(fresh.wanted, o), numReplicas: wanted.volume.numReplicas, sight });
  });
  if (changed && entry.pending !== undefined) {
    const { moveId, volumeId, from, to, reason } = entry.pending.request;
    logger.info({ moveId, volumeId, from, to, reason }, 'requesting a move');
    await publish(deps, entry.pending.request, round.round);
  }
}

/** Publishes every request that is neither accepted nor expired, once for each round of its window. At most one for each slot. */
export async function repeatRequests(deps: RequestMoveDeps, facts: RoundFacts): Promise<void> {
  const repeats: Promise<void>[] = [];
  for (const { key, value } of deps.ledger.entries()) {
    const { pending } = value;
    if (pending !== undefined && !pending.accepted && !hasExpired(pending.request, facts.nowMs)) {
      repeats.push(repeatRequest(deps, key, pending.request));
    }
  }
  await Promise.all(repeats);
}

async function repeatRequest(deps: RequestMoveDeps, volumeId: string, { policy }: MoveRequest): Promise<void> {
  const { brain, ledger } = deps;
  const active = brain.round?.prepared.policies.find((one) => one.policy.uid === policy.uid);
  const round = active === undefined ? undefined : brain.roundsOf(active.windowSeconds).complete;
  if (round === undefined) {
    return;
  }
  const { entry } = await ledger.change(volumeId, (before) => restamp(before, brain.epoch));
  if (entry.pending !== undefined && !entry.pending.accepted) {
    await publish(deps, entry.pending.request, round.round);
  }
}

async function publish({ bus, brain }: RequestMoveDeps, move: MoveRequest, round: number): Promise<void> {
  brain.assertLeads();
  await bus.publish(migrationRequested, move, { id: `${move.moveId}.${brain.epoch}.${round}` });
}
