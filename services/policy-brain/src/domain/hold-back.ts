/** What holds a wanted move back: the first of these that applies. Free slots are asked for later, over all volumes. */
import type { LedgerEntry } from '@couchestor/shared/contracts/brain';
import { formatDuration } from '@couchestor/shared/duration';
import { refusals } from '@couchestor/shared/placement/refusals';
import type { Tier } from '@couchestor/shared/tiers';
import type { ActivePolicy } from './active-policy.ts';
import type { KnownVolume } from './known-volume.ts';
import { failuresMax } from './ledger.ts';
import type { RuleCode } from './rules.ts';
import { refusalHolds, type Sight } from './sight.ts';

export interface HoldBack {
  readonly rule: RuleCode;
  readonly words: string;
}

export interface WantedMove {
  readonly volume: KnownVolume;
  readonly policy: ActivePolicy;
  readonly entry: LedgerEntry | undefined;
  readonly to: Tier;
  /** A repair, or the rest of a move that stopped half-way: the cooldown does not hold it back. */
  readonly exemptFromCooldown: boolean;
  readonly tiersWithOnlinePool: ReadonlySet<Tier>;
  readonly nowMs: number;
  /** Asked only where a refusal is on record: it costs more than all else here. Undefined: it is not this volume's turn. */
  readonly look: () => Sight | undefined;
}

export function holdBack(wanted: WantedMove): HoldBack | undefined {
  return byVolume(wanted) ?? byHistory(wanted) ?? byCooldown(wanted) ?? byDryRun(wanted);
}

function byVolume({ volume, entry, to, tiersWithOnlinePool }: WantedMove): HoldBack | undefined {
  const kept = entry?.keptOld;
  if (kept !== undefined && volume.numReplicas > kept.numReplicas) {
    return {
      rule: 'KEPT_OLD',
      words: `${kept.message} Waiting for num_replicas to come back from ${volume.numReplicas} to ${kept.numReplicas}.`,
    };
  }
  if (!volume.published) {
    return { rule: 'NOT_PUBLISHED', words: refusals.UNPUBLISHED };
  }
  if (volume.status !== 'Online') {
    return { rule: 'NOT_ONLINE', words: `Mayastor says that the volume is ${volume.status}; it can move once it is Online.` };
  }
  if (!tiersWithOnlinePool.has(to)) {
    return { rule: 'NO_POOL', words: `Tier ${to} has no pool that is online. Label a pool for it, or bring one back.` };
  }
  return undefined;
}

function byHistory({ entry, to, nowMs, look }: WantedMove): HoldBack | undefined {
  if (entry === undefined) {
    return undefined;
  }
  if (entry.failures >= failuresMax) {
    const last = entry.history[0]?.result.message ?? '';
    return {
      rule: 'FAILED_TOO_OFTEN',
      words: `${entry.failures} attempts failed, and it waits for \`couchestor migrations retry\`. The last one: ${last}`,
    };
  }
  if (entry.retryAt !== undefined && nowMs < Date.parse(entry.retryAt)) {
    const last = entry.history[0]?.result.message ?? '';
    return { rule: 'BACK_OFF', words: `Tried again in ${formatDuration(Date.parse(entry.retryAt) - nowMs)}, after: ${last}` };
  }
  if (entry.refusal !== undefined && entry.refusal.to === to) {
    const seen = look();
    if (seen === undefined || refusalHolds(entry.refusal, seen)) {
      return { rule: 'REFUSED', words: entry.refusal.message };
    }
  }
  return undefined;
}

function byCooldown({ entry, policy, exemptFromCooldown, nowMs }: WantedMove): HoldBack | undefined {
  if (exemptFromCooldown || entry?.lastMovedAt === undefined) {
    return undefined;
  }
  const leftMs = Date.parse(entry.lastMovedAt) + policy.cooldownMs - nowMs;
  return leftMs <= 0
    ? undefined
    : {
        rule: 'COOLDOWN',
        words: `It was moved ${formatDuration(Math.max(0, policy.cooldownMs - leftMs))} ago; the cooldown of ${formatDuration(policy.cooldownMs)} ends in ${formatDuration(leftMs)}.`,
      };
}

function byDryRun({ policy, to }: WantedMove): HoldBack | undefined {
  return policy.dryRun ? { rule: 'DRY_RUN', words: `dry run: would move to ${to}.` } : undefined;
}
