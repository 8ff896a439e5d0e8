/** One term of office: everything that decides, requests and answers, started in this order and stopped in the reverse one. */
import type { Bus } from '@couchestor/shared/bus/connect';
import { explainVolume, listPolicies, listVolumes, moveStanding, retryVolume } from '@couchestor/shared/contracts/brain';
import { migrationAdvanced, migrationFinished } from '@couchestor/shared/contracts/migration';
import { vaultsBucket } from '@couchestor/shared/contracts/vault-events';
import { volumeSampled } from '@couchestor/shared/contracts/volume-sampled';
import type { Logger } from '@couchestor/shared/logger';
import { openMayastor } from '@couchestor/shared/mayastor/discover';
import { BusClock } from './adapters/bus-clock.ts';
import { ClusterReader } from './adapters/cluster-reader.ts';
import type { KubernetesSource } from './adapters/kubernetes/kubernetes-source.ts';
import { LedgerStore } from './adapters/ledger-store.ts';
import { PolicyRecordStore } from './adapters/policy-record-store.ts';
import { raiseEpoch, watchEpoch } from './adapters/term-of-office.ts';
import type { VolumeCatalog } from './adapters/volume-catalog.ts';
import { WindowsRecord } from './adapters/windows-record.ts';
import { Brain } from './brain.ts';
import { type BrainConfig, limitsOf } from './config.ts';
import { answerExplainVolume } from './handlers/answer-explain-volume.ts';
import { answerListPolicies } from './handlers/answer-list-policies.ts';
import { answerListVolumes } from './handlers/answer-list-volumes.ts';
import { answerMoveStanding } from './handlers/answer-move-standing.ts';
import { answerRetryVolume } from './handlers/answer-retry-volume.ts';
import { onMigrationAdvanced } from './handlers/on-migration-advanced.ts';
import { onMigrationFinished } from './handlers/on-migration-finished.ts';
import { onVolumeSampled } from './handlers/on-volume-sampled.ts';
import { startKubernetesReports } from './handlers/report-to-kubernetes.ts';
import { startRoundLoop } from './handlers/round-loop.ts';
import { runRound } from './handlers/run-round.ts';
import type { Term } from './leadership.ts';
import type { BrainMetrics } from './metrics.ts';
import type { PolicyFeed } from './sources.ts';

/** One page of volumes takes Mayastor well under a second. */
const mayastorTimeoutMs = 15_000;
/** Of each step: with NATS gone none can end well, and nothing is lost by leaving it. */
const stopBudgetMs = 1_500;
/** Between two rounds where nothing else wakes the brain: soon after what could have come has not come. */
const idleMsMax = 60_000;
const idleMsWithoutSamples = 5_000;

export interface TermDeps {
  readonly config: BrainConfig;
  readonly bus: Bus;
  readonly policies: PolicyFeed;
  readonly catalog: VolumeCatalog;
  readonly kubernetes: KubernetesSource | undefined;
  readonly metrics: BrainMetrics;
  readonly logger: Logger;
  /** The epoch of an earlier term of this process. */
  readonly epochBefore: number;
}

/** What the process shows of its term. */
export interface RunningTerm {
  readonly epoch: number;
  /** Age of the newest complete round by window in seconds. */
  sampleAgesMs(): ReadonlyMap<number, number>;
}

export async function startTerm(deps: TermDeps, { lifecycle, stillLeads, superseded }: Term): Promise<RunningTerm> {
  const { config, bus, metrics, logger } = deps;
  const onStop = (name: string, stop: () => Promise<void>) => lifecycle.onStop({ name, budgetMs: stopBudgetMs, stop });
  const clock = new BusClock();
  const { epoch, raisedAt } = await raiseEpoch(bus, deps.epochBefore);
  clock.observe(raisedAt);
  const brain = new Brain(epoch, { stillLeads });
  const office = await watchEpoch(bus, {
    epoch,
    onSuperseded: superseded,
    onError: (err) => logger.warn({ err }, 'the epoch could not be put back'),
  });
  onStop('term of office', () => office.stop());

  const ledger = new LedgerStore(bus, brain);
  await ledger.open();
  onStop('ledger', () => ledger.close());
  const records = new PolicyRecordStore(bus, brain);
  await records.open();
  onStop('policy records', () => records.close());
  const windows = new WindowsRecord(bus);
  await windows.open();
  onStop('windows', () => windows.close());

  // Lost meanwhile: what follows would be stopped at once.
  brain.assertLeads();
  const mayastor = openMayastor(config, { requestTimeoutMs: mayastorTimeoutMs, logger });
  const reader = new ClusterReader({ mayastor, catalog: deps.catalog });
  const { kubernetes } = deps;
  const reports = kubernetes === undefined ? undefined : startKubernetesReports({ ...kubernetes, brain, records, clock, logger });
  onStop('reports to Kubernetes', async () => reports?.stop());
  const vaults = await bus.bucket(vaultsBucket).watch(({ key, entry }) => {
    const known = new Map(brain.vaults);
    if (entry === undefined) {
      known.delete(key);
    } else {
      // By the clock that it is compared with.
      known.set(key, { ...entry.value, at: entry.writtenAt.toISOString() });
    }
    brain.vaults = known;
    reports?.onVaults();
  });
  onStop('vaults', () => vaults.stop());
  const told = { onViews: reports?.onViews, onMoveNews: reports?.onMoveNews };
  const handlers = { brain, bus, ledger, records, windows, clock, reader, mayastor, limits: limitsOf(config), metrics, logger, ...told };
  const loop = startRoundLoop({
    run: () => runRound(handlers),
    idleMs: () => {
      const intervals = [...brain.completeRounds().values()].map(({ roundIntervalMs }) => roundIntervalMs);
      return Math.min(idleMsMax, intervals.length === 0 ? idleMsWithoutSamples : Math.min(...intervals) * 1.5);
    },
    onFailure: () => metrics.reconciles.inc({ result: 'failed' }),
    logger,
    signal: lifecycle.signal,
  });
  onStop('round loop', async () => {
    // Ends the reading in hand, of which nothing would come any more.
    await mayastor.close();
    await loop.stopped;
  });
  const following = deps.policies.follow((set) => {
    brain.policySet = set;
    loop.wake();
  });
  onStop('policies', async () => following.stop());
  const stopFollowing = kubernetes?.cache.onReadable(() => {
    // At once where it went away; where it came back, with the reading that is made by it.
    brain.catalogProblem = kubernetes.cache.problem ?? brain.catalogProblem;
    loop.wake();
  });
  onStop('cluster', async () => stopFollowing?.());

  const service = 'policy-brain';
  const started: { stop(): Promise<void> }[] = [];
  // Registered before they start, so that those that did start are stopped where another cannot.
  onStop('consumers and answers', async () => {
    await Promise.all(started.map((part) => part.stop()));
  });
  const stopWithTerm = async (starting: Promise<{ stop(): Promise<void> }>): Promise<void> => {
    const part = await starting;
    if (lifecycle.signal.aborted) {
      await part.stop();
    } else {
      started.push(part);
    }
  };
  await Promise.all(
    [
      bus.consume(volumeSampled, { service, handle: onVolumeSampled({ brain, clock, onRound: loop.wake }) }),
      bus.consume(migrationAdvanced, { service, handle: onMigrationAdvanced(handlers) }),
      bus.consume(migrationFinished, { service, handle: onMigrationFinished(handlers) }),
      bus.serve(moveStanding, answerMoveStanding(handlers)),
      bus.serve(listVolumes, answerListVolumes(handlers)),
      bus.serve(explainVolume, answerExplainVolume(handlers)),
      bus.serve(listPolicies, answerListPolicies(handlers)),
      bus.serve(retryVolume, answerRetryVolume({ ...handlers, onRetry: loop.wake })),
    ].map(stopWithTerm),
  );
  logger.info({ epoch, policies: brain.policySet?.policies.length ?? 0, ledger: [...ledger.entries()].length }, 'the brain leads');
  return {
    epoch,
    sampleAgesMs: () =>
      new Map([...brain.completeRounds()].map(([window, { publishedAtMs }]) => [window, Math.max(0, clock.now() - publishedAtMs)])),
  };
}
