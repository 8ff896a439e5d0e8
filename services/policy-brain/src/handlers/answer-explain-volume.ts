/** Answers `brain.explain-volume`: the decision with its numbers, the ledger, and in words whatever else bears on it (S5). */
import type { explainVolume, LedgerEntry } from '@couchestor/shared/contracts/brain';
import { formatDuration } from '@couchestor/shared/duration';
import { formatSelector } from '@couchestor/shared/label-selector';
import { tiersFastestFirst } from '@couchestor/shared/tiers';
import type { z } from 'zod';
import type { BusClock } from '../adapters/bus-clock.ts';
import type { LedgerStore } from '../adapters/ledger-store.ts';
import type { Brain } from '../brain.ts';
import type { ActivePolicy } from '../domain/active-policy.ts';
import type { KnownVolume } from '../domain/known-volume.ts';
import { failuresMax } from '../domain/ledger.ts';
import { rules } from '../domain/rules.ts';
import { findVolume } from './find-volume.ts';
import { viewVolume } from './view-volume.ts';

export interface AnswerExplainDeps {
  readonly brain: Brain;
  readonly ledger: LedgerStore;
  readonly clock: BusClock;
}

export function answerExplainVolume(deps: AnswerExplainDeps) {
  return async (question: z.infer<typeof explainVolume.request>): Promise<z.infer<typeof explainVolume.response>> => {
    const volume = findVolume(deps.brain, question.volume);
    const ledger = deps.ledger.get(volume.id);
    return { volume: viewVolume(deps, volume), ...(ledger === undefined ? {} : { ledger }), facts: factsAbout(deps, volume, ledger) };
  };
}

function factsAbout({ brain, clock }: AnswerExplainDeps, volume: KnownVolume, ledger: LedgerEntry | undefined): string[] {
  const decision = brain.round?.outcome.decisions.get(volume.id);
  const policy = brain.round?.prepared.policies.find((active) => active.policy.name === decision?.policy);
  const rule = Object.entries(rules).find(([code]) => code === decision?.rule)?.[1];
  return [
    ...(brain.mayastorProblem === undefined
      ? []
      : [`Mayastor cannot be read now, and this is what it last said: ${brain.mayastorProblem}`]),
    ...(decision === undefined || rule === undefined ? [] : [`Rule ${decision.rule}: ${rule.says}`]),
    ...(policy === undefined ? [] : policyFacts(policy)),
    ...(policy === undefined ? [] : poolFacts(brain, policy, volume)),
    ...(ledger === undefined ? [] : ledgerFacts(ledger, { policy, nowMs: clock.now() })),
  ].map((fact) => fact.slice(0, 2_000));
}

function policyFacts({ policy, selectors, ...active }: ActivePolicy): string[] {
  const tiers = tiersFastestFirst.map(
    (tier) => `${tier}: ${selectors[tier] === undefined ? 'no selector, so no destination' : formatSelector(selectors[tier])}`,
  );
  return [
    `Policy ${policy.name} averages over ${policy.spec.samplingWindow}, waits ${policy.spec.cooldownPeriod} between moves, and moves at most ${active.maxConcurrentMigrations} volumes at a time.`,
    `Pools of its tiers: ${tiers.join('; ')}.`,
  ];
}

function poolFacts(brain: Brain, { policy }: ActivePolicy, volume: KnownVolume): string[] {
  const tiers = brain.round?.prepared.poolTiers.get(policy.name)?.tierOf;
  return volume.replicas.flatMap(({ pool }) => {
    switch (pool === undefined ? undefined : tiers?.get(pool)) {
      case 'ambiguous':
        return [`Pool ${pool} is selected by two tiers, so it counts for none.`];
      case 'none':
        return [`Pool ${pool} is selected by no tier of the policy.`];
      default:
        return [];
    }
  });
}

function ledgerFacts(ledger: LedgerEntry, o: { policy: ActivePolicy | undefined; nowMs: number }): string[] {
  const facts: string[] = [];
  const untilMs = (instant: string, plusMs = 0) => Date.parse(instant) + plusMs - o.nowMs;
  if (ledger.lastMovedAt !== undefined && o.policy !== undefined) {
    const leftMs = untilMs(ledger.lastMovedAt, o.policy.cooldownMs);
    facts.push(`Last moved at ${ledger.lastMovedAt}; the cooldown ${leftMs > 0 ? `ends in ${formatDuration(leftMs)}` : 'is over'}.`);
  }
  if (ledger.failures > 0) {
    facts.push(
      `${ledger.failures} attempts failed since the last success; at ${failuresMax} it waits for \`couchestor migrations retry\`.`,
    );
  }
  if (ledger.retryAt !== undefined && untilMs(ledger.retryAt) > 0) {
    facts.push(`No further attempt before ${ledger.retryAt}, in ${formatDuration(untilMs(ledger.retryAt))}.`);
  }
  if (ledger.refusal !== undefined) {
    facts.push(
      `Refused (${ledger.refusal.code}) on its way to ${ledger.refusal.to} at ${ledger.refusal.at}, and tried again once the cause has changed: ${ledger.refusal.message}`,
    );
  }
  if (ledger.keptOld !== undefined) {
    facts.push(
      `An old replica was kept: ${ledger.keptOld.message} It moves again once num_replicas is back at ${ledger.keptOld.numReplicas}.`,
    );
  }
  return facts;
}
