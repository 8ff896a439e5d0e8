/** The brain, wired: samples, policies and Mayastor in; `migration.requested` and answers out. */
import { mayastorUrlOf } from '@couchestor/shared/common-options';
import { explainVolume, listPolicies, listVolumes, moveStanding, retryVolume } from '@couchestor/shared/contracts/brain';
import { migrationAdvanced, migrationFinished } from '@couchestor/shared/contracts/migration';
import { volumeSampled } from '@couchestor/shared/contracts/volume-sampled';
import { MayastorClient } from '@couchestor/shared/mayastor/client';
import type { ServiceDefinition } from '@couchestor/shared/service';
import { BusClock } from './adapters/bus-clock.ts';
import { ClusterReader } from './adapters/cluster-reader.ts';
import { LedgerStore } from './adapters/ledger-store.ts';
import { PolicyFolder } from './adapters/policy-folder.ts';
import { raiseEpoch, watchEpoch } from './adapters/term-of-office.ts';
import { mayastorLabelCatalog } from './adapters/volume-catalog.ts';
import { WindowsRecord } from './adapters/windows-record.ts';
import { Brain } from './brain.ts';
import { brainOptions, limitsOf } from './config.ts';
import { BrainError } from './errors.ts';
import { answerExplainVolume } from './handlers/answer-explain-volume.ts';
import { answerListPolicies } from './handlers/answer-list-policies.ts';
import { answerListVolumes } from './handlers/answer-list-volumes.ts';
import { answerMoveStanding } from './handlers/answer-move-standing.ts';
import { answerRetryVolume } from './handlers/answer-retry-volume.ts';
import { onMigrationAdvanced } from './handlers/on-migration-advanced.ts';
import { onMigrationFinished } from './handlers/on-migration-finished.ts';
import { onVolumeSampled } from './handlers/on-volume-sampled.ts';
import { startRoundLoop } from './handlers/round-loop.ts';
import { runRound } from './handlers/run-round.ts';
import { brainMetrics } from './metrics.ts';

/** One page of volumes takes Mayastor well under a second. */
const mayastorTimeoutMs = 15_000;
/** Of each step: with NATS gone none can end well, and nothing is lost by leaving it. */
const stopBudgetMs = 1_500;
/** Between two rounds where nothing else wakes the brain: soon after what could have come has not come. */
const idleMsMax = 60_000;
const idleMsWithoutSamples = 5_000;

export const policyBrain: ServiceDefinition<typeof brainOptions> = {
  name: 'policy-brain',
  summary: 'Decides for every volume by its policy, and requests the moves that are due.',
  options: brainOptions,
  usesBus: true,
  async start({ config, logger, registry, bus, health, lifecycle }) {
    const onStop = (name: string, stop: () => Promise<void>) => lifecycle.onStop({ name, budgetMs: stopBudgetMs, stop });
    const limits = limitsOf(config);
    const mayastor = new MayastorClient({ url: mayastorUrlOf(config), requestTimeoutMs: mayastorTimeoutMs, logger });
    const clock = new BusClock();
    const { epoch, raisedAt } = await raiseEpoch(bus);
    clock.observe(raisedAt);
    const brain = new Brain(epoch);
    const metrics = brainMetrics(registry, {
      sampleAgesMs: () =>
        new Map([...brain.completeRounds()].map(([window, { publishedAtMs }]) => [window, Math.max(0, clock.now() - publishedAtMs)])),
    });
    metrics.epoch.set(epoch);
    health.addReadiness('policy-brain', async () => {
      if (brain.superseded) {
        throw new BrainError('SUPERSEDED', { epoch });
      }
    });
    const term = await watchEpoch(bus, {
      epoch,
      onSuperseded: (by) => {
        if (!brain.superseded) {
          brain.superseded = true;
          logger.error({ epoch, by }, 'another policy-brain has taken over: this one decides nothing any more. Stop one of them.');
        }
      },
      onError: (err) => logger.warn({ err }, 'the epoch could not be put back'),
    });
    onStop('term of office', () => term.stop());

    const ledger = new LedgerStore(bus);
    await ledger.open();
    onStop('ledger', () => ledger.close());
    const windows = new WindowsRecord(bus);
    await windows.open();
    onStop('windows', () => windows.close());

    let wake: () => void = () => undefined;
    const policies = new PolicyFolder({ folder: config.policyDir, logger });
    policies.onChange((set) => {
      brain.policySet = set;
      wake();
    });
    await policies.open();
    onStop('policy folder', () => policies.close());

    const reader = new ClusterReader({ mayastor, catalog: mayastorLabelCatalog });
    const deps = { brain, bus, ledger, windows, clock, reader, mayastor, limits, metrics, logger };
    const loop = startRoundLoop({
      run: () => runRound(deps),
      idleMs: () => {
        const intervals = [...brain.completeRounds().values()].map(({ roundIntervalMs }) => roundIntervalMs);
        return Math.min(idleMsMax, intervals.length === 0 ? idleMsWithoutSamples : Math.min(...intervals) * 1.5);
      },
      onFailure: () => metrics.reconciles.inc({ result: 'failed' }),
      logger,
      signal: lifecycle.signal,
    });
    wake = loop.wake;
    onStop('round loop', async () => {
      // Ends the reading in hand, of which nothing would come any more.
      await mayastor.close();
      await loop.stopped;
    });

    const service = 'policy-brain';
    const started = await Promise.all([
      bus.consume(volumeSampled, { service, handle: onVolumeSampled({ brain, clock, onRound: loop.wake }) }),
      bus.consume(migrationAdvanced, { service, handle: onMigrationAdvanced(deps) }),
      bus.consume(migrationFinished, { service, handle: onMigrationFinished(deps) }),
      bus.serve(moveStanding, answerMoveStanding(deps)),
      bus.serve(listVolumes, answerListVolumes(deps)),
      bus.serve(explainVolume, answerExplainVolume(deps)),
      bus.serve(listPolicies, answerListPolicies(deps)),
      bus.serve(retryVolume, answerRetryVolume({ ...deps, onRetry: loop.wake })),
    ]);
    onStop('consumers and answers', async () => {
      await Promise.all(started.map((part) => part.stop()));
    });
    logger.info({ epoch, policies: brain.policySet?.policies.length ?? 0, ledger: [...ledger.entries()].length }, 'the brain decides');
  },
};
