/**
 * One round, from reading Mayastor to requesting moves.
 *
 * Its order is its safety: read, take back what no longer stands, decide, store, publish. Nothing is requested in a round in which Mayastor
 * or, where policies and labels come from it, Kubernetes could not be read.
 */
import { describeError } from '@couchestor/shared/errors';
import { MayastorError } from '@couchestor/shared/mayastor/errors';
import type { ClusterReader } from '../adapters/cluster-reader.ts';
import type { WindowsRecord } from '../adapters/windows-record.ts';
import type { OperatorLimits } from '../domain/active-policy.ts';
import { windowSecondsOf } from '../domain/active-policy.ts';
import { decideRound, prepareRound } from '../domain/decide-round.ts';
import { chooseWindows } from '../domain/windows.ts';
import type { BrainMetrics } from '../metrics.ts';
import { forgetVanishedVolumes } from './forget-vanished-volumes.ts';
import { refreshPolicyViews } from './refresh-policy-views.ts';
import { type RequestMoveDeps, repeatRequests, requestMove } from './request-move.ts';
import { type SettleDeps, settleOpenRequests } from './settle-open-requests.ts';

export interface RunRoundDeps extends Omit<SettleDeps, 'bus'>, RequestMoveDeps {
  readonly bus: SettleDeps['bus'] & RequestMoveDeps['bus'];
  readonly reader: Pick<ClusterReader, 'read'>;
  readonly windows: WindowsRecord;
  readonly limits: OperatorLimits;
  readonly metrics: BrainMetrics;
}

export async function runRound(deps: RunRoundDeps): Promise<void> {
  const { brain, metrics } = deps;
  if (!brain.stillLeads() || brain.policySet === undefined) {
    return;
  }
  await chooseSamplingWindows(deps);
  const reading = metrics.reconcileSeconds.startTimer({ part: 'read' });
  await readCluster(deps);
  reading();

  const deciding = metrics.reconcileSeconds.startTimer({ part: 'decide' });
  const readable = brain.mayastorProblem === undefined && brain.catalogProblem === undefined;
  brain.turn += 1;
  const prepared = prepareRound({
    policies: brain.policySet.policies.map(({ policy }) => policy),
    windows: new Set(brain.windows),
    rounds: brain.completeRounds(),
    cluster: brain.cluster,
    readable: brain.mayastorProblem === undefined,
    catalogProblem: brain.catalogProblem,
    limits: deps.limits,
    looks: { refusals: countRefusals(deps), turn: brain.turn },
    nowMs: deps.clock.now(),
  });
  await settleOpenRequests(deps, prepared);
  const outcome = decideRound(prepared, { ledger: deps.ledger, open: openRequests(deps), wishes: brain.wishes });
  brain.round = { prepared, outcome };
  brain.wishes = outcome.wishes;
  deciding();

  const requesting = metrics.reconcileSeconds.startTimer({ part: 'request' });
  if (readable) {
    // Earlier requests first: they have waited longer. Those of this round follow, and are not repeated in it.
    await repeatRequests(deps, prepared.facts);
    await Promise.all(outcome.chosen.map((wanted) => requestMove(deps, wanted, prepared.facts)));
    await forgetVanishedVolumes(deps, prepared.facts);
  }
  requesting();
  refreshPolicyViews(deps);
  metrics.reconciles.inc({
    result: readable ? 'decided' : brain.mayastorProblem === undefined ? 'kubernetes-unreadable' : 'mayastor-unreadable',
  });
}

async function chooseSamplingWindows({ brain, windows }: RunRoundDeps): Promise<void> {
  const enabled = (brain.policySet?.policies ?? []).filter(({ policy }) => policy.spec.enabled);
  const wanted = enabled.map(({ policy }) => ({ policy: policy.name, windowSeconds: windowSecondsOf(policy) }));
  const chosen = chooseWindows(wanted, windows.inUse());
  if (await windows.set(chosen)) {
    brain.windows = chosen;
    brain.dropUnusedRounds();
  }
}

async function readCluster({ brain, reader, logger }: RunRoundDeps): Promise<void> {
  try {
    const { cluster, catalogProblem } = await reader.read();
    brain.setCluster(cluster);
    // Together with the reading that it is about: labels that were not known then are not known now because Kubernetes answers again.
    brain.catalogProblem = catalogProblem;
    if (brain.mayastorProblem !== undefined) {
      logger.info('Mayastor can be read again');
    }
    brain.mayastorProblem = undefined;
  } catch (error) {
    if (!MayastorError.is(error)) {
      throw error;
    }
    if (brain.mayastorProblem === undefined) {
      logger.warn({ error: describeError(error) }, 'Mayastor cannot be read: no volume is decided on');
    }
    brain.mayastorProblem = describeError(error).slice(0, 1_000);
  }
}

function openRequests({ ledger }: RunRoundDeps): { policy: string }[] {
  const open: { policy: string }[] = [];
  for (const { value } of ledger.entries()) {
    if (value.pending !== undefined) {
      open.push({ policy: value.pending.request.policy.name });
    }
  }
  return open;
}

function countRefusals({ ledger }: RunRoundDeps): number {
  let refusals = 0;
  for (const { value } of ledger.entries()) {
    refusals += value.refusal === undefined ? 0 : 1;
  }
  return refusals;
}
