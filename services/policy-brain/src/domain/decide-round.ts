/** One round: a decision on every volume, and the moves that may be requested now. Pure. */
import type { Decision, LedgerEntry } from '@couchestor/shared/contracts/brain';
import { isPoolOnline } from '@couchestor/shared/mayastor/read';
import type { StoragePolicy } from '@couchestor/shared/storage-policy';
import type { Tier } from '@couchestor/shared/tiers';
import { type ActivePolicy, activatePolicy, assignPools, type OperatorLimits, type PoolTiers } from './active-policy.ts';
import { decideVolume, type PolicyInRound, type RoundFacts, type VolumeDecision, type WantedMove } from './decide-volume.ts';
import type { Cluster, KnownVolume } from './known-volume.ts';
import { rules } from './rules.ts';
import type { CompleteRound } from './samples.ts';
import { takeSlots } from './slots.ts';

/** Since when each volume has wanted to go where. */
export type Wishes = ReadonlyMap<string, Wished>;

interface Wished {
  readonly to: Tier;
  readonly sinceMs: number;
}

export interface RoundInput {
  readonly policies: readonly StoragePolicy[];
  /** Sampling windows that are measured, in seconds. */
  readonly windows: ReadonlySet<number>;
  readonly rounds: ReadonlyMap<number, CompleteRound>;
  /** As last read; undefined before the first reading. */
  readonly cluster: Cluster | undefined;
  /** False where Mayastor could not be read in this round: then `cluster` is an old reading, and nothing moves. */
  readonly readable: boolean;
  /** Why policies and labels may not be decided on; undefined where they may. Then nothing moves either. */
  readonly catalogProblem?: string | undefined;
  readonly limits: OperatorLimits;
  readonly looks: RoundFacts['looks'];
  readonly nowMs: number;
}

/** What is the same for all volumes of a round. */
export interface PreparedRound {
  readonly facts: RoundFacts;
  readonly policies: readonly ActivePolicy[];
  readonly poolTiers: ReadonlyMap<string, PoolTiers>;
  readonly limits: OperatorLimits;
}

export interface RoundMemory {
  readonly ledger: { get(volumeId: string): LedgerEntry | undefined };
  /** Policy of every request that is out. */
  readonly open: readonly { readonly policy: string }[];
  readonly wishes: Wishes;
}

export interface PolicyCounts {
  volumes: number;
  readonly byTier: Record<Tier, number>;
  unknown: number;
  /** Volumes that still hold the old replica of an earlier move. */
  kept: number;
  /** Volumes that wait for a pool of a tier that has none online, by tier. */
  readonly withoutPool: Set<Tier>;
  /** Names of volumes that another policy selects too, the first few, and of those policies. */
  readonly conflicts: { volumes: number; readonly examples: string[]; readonly policies: Set<string> };
}

export interface RoundOutcome {
  readonly decisions: ReadonlyMap<string, Decision>;
  /** To be requested now, in this order. */
  readonly chosen: readonly WantedMove[];
  /** Moves that nothing but a free slot holds back, the chosen ones included. */
  readonly wanted: number;
  readonly wishes: Wishes;
  readonly counts: ReadonlyMap<string, PolicyCounts>;
}

const examplesMax = 3;

export function prepareRound(input: RoundInput): PreparedRound {
  const policies = input.policies.map((policy) => activatePolicy(policy, input));
  const pools = poolsOf(input.cluster);
  const poolTiers = new Map(policies.map(({ policy, selectors }) => [policy.name, assignPools(selectors, pools)]));
  const facts: RoundFacts = {
    cluster: input.cluster,
    readable: input.readable && input.catalogProblem === undefined,
    catalogProblem: input.catalogProblem,
    policiesByClass: groupByClass(policies, poolTiers, input.rounds),
    looks: input.looks,
    nowMs: input.nowMs,
    decidedAt: new Date(input.nowMs).toISOString(),
  };
  return { facts, policies, poolTiers, limits: input.limits };
}

export function decideRound({ facts, policies, limits }: PreparedRound, memory: RoundMemory): RoundOutcome {
  const decisions = new Map<string, Decision>();
  const wishes = new Map<string, Wished>();
  const wanted: WantedMove[] = [];
  const counts = new Map(policies.map(({ policy }) => [policy.name, noCounts()]));
  for (const volume of facts.cluster?.volumes ?? []) {
    const result = decideVolume(volume, memory.ledger.get(volume.id), facts);
    decisions.set(volume.id, result.decision);
    count(counts, { volume, result, keptOld: memory.ledger.get(volume.id)?.keptOld });
    const move = result.wanted;
    if (move !== undefined) {
      const before = memory.wishes.get(volume.id);
      const wish = before?.to === move.to ? before : { to: move.to, sinceMs: facts.nowMs };
      wishes.set(volume.id, wish);
      move.sinceMs = wish.sinceMs;
      wanted.push(move);
    }
  }
  const chosen = takeSlots(wanted, { limits: slotLimits(policies, limits), taken: memory.open });
  waitForSlots(wanted, { chosen, decisions, open: memory.open.length, limits });
  return { decisions, chosen, wanted: wanted.length, wishes, counts };
}

/** A move that is wanted and got no slot waits, and says so. */
function waitForSlots(
  wanted: readonly WantedMove[],
  o: { chosen: readonly WantedMove[]; decisions: Map<string, Decision>; open: number; limits: OperatorLimits },
): void {
  const chosen = new Set(o.chosen.map(({ volumeId }) => volumeId));
  const words = `${o.open + o.chosen.length} moves are under way or requested, of ${o.limits.maxConcurrentMigrations} at a time in all`;
  for (const { volumeId, active } of wanted) {
    const decision = o.decisions.get(volumeId);
    if (decision !== undefined && !chosen.has(volumeId)) {
      decision.verb = rules.NO_SLOT.verb;
      decision.rule = 'NO_SLOT';
      decision.reason += `. It waits for a free slot: ${words}, ${active.maxConcurrentMigrations} of policy ${active.policy.name}`;
    }
  }
}

function count(
  all: ReadonlyMap<string, PolicyCounts>,
  { volume, result, keptOld }: { volume: KnownVolume; result: VolumeDecision; keptOld: LedgerEntry['keptOld'] },
): void {
  for (const name of result.conflict ?? []) {
    const conflicts = all.get(name)?.conflicts;
    if (conflicts !== undefined) {
      conflicts.volumes += 1;
      if (conflicts.examples.length < examplesMax) {
        conflicts.examples.push(volume.name);
      }
      result.conflict?.filter((other) => other !== name).forEach((other) => conflicts.policies.add(other));
    }
  }
  const counts = result.policy === undefined ? undefined : all.get(result.policy.policy.name);
  if (counts === undefined) {
    return;
  }
  counts.volumes += 1;
  if (result.tier !== undefined) {
    counts.byTier[result.tier] += 1;
  }
  if (result.decision.verb === 'unknown') {
    counts.unknown += 1;
  }
  if (keptOld !== undefined && volume.numReplicas > keptOld.numReplicas) {
    counts.kept += 1;
  }
  if (result.decision.rule === 'NO_POOL' && result.decision.to !== undefined) {
    counts.withoutPool.add(result.decision.to);
  }
}

function noCounts(): PolicyCounts {
  return {
    volumes: 0,
    byTier: { hot: 0, warm: 0, cold: 0 },
    unknown: 0,
    kept: 0,
    withoutPool: new Set(),
    conflicts: { volumes: 0, examples: [], policies: new Set() },
  };
}

function slotLimits(policies: readonly ActivePolicy[], limits: OperatorLimits) {
  return {
    total: limits.maxConcurrentMigrations,
    perPolicy: new Map(policies.map(({ policy, maxConcurrentMigrations }) => [policy.name, maxConcurrentMigrations])),
  };
}

function poolsOf(cluster: Cluster | undefined) {
  return (cluster?.pools ?? []).map((pool) => ({
    id: pool.id,
    labels: cluster?.poolLabels.get(pool.id) ?? {},
    online: isPoolOnline(pool),
  }));
}

function groupByClass(
  policies: readonly ActivePolicy[],
  poolTiers: ReadonlyMap<string, PoolTiers>,
  rounds: ReadonlyMap<number, CompleteRound>,
): ReadonlyMap<string, readonly PolicyInRound[]> {
  const groups = new Map<string, PolicyInRound[]>();
  for (const active of policies) {
    const { storageClassName } = active.policy.spec;
    const tiers = poolTiers.get(active.policy.name);
    if (tiers !== undefined) {
      const group = groups.get(storageClassName) ?? [];
      group.push({ active, poolTiers: tiers, round: rounds.get(active.windowSeconds) });
      groups.set(storageClassName, group);
    }
  }
  return groups;
}
