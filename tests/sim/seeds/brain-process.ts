/** The brain of a world, wired as its service wires it, on the real handlers. */
import { BusClock } from '@couchestor/policy-brain/adapters/bus-clock';
import { ClusterReader } from '@couchestor/policy-brain/adapters/cluster-reader';
import { LedgerStore } from '@couchestor/policy-brain/adapters/ledger-store';
import { PolicyRecordStore } from '@couchestor/policy-brain/adapters/policy-record-store';
import { raiseEpoch, watchEpoch } from '@couchestor/policy-brain/adapters/term-of-office';
import { mayastorLabelCatalog } from '@couchestor/policy-brain/adapters/volume-catalog';
import { WindowsRecord } from '@couchestor/policy-brain/adapters/windows-record';
import { Brain } from '@couchestor/policy-brain/brain';
import { answerExplainVolume } from '@couchestor/policy-brain/handlers/answer-explain-volume';
import { answerMoveStanding } from '@couchestor/policy-brain/handlers/answer-move-standing';
import { answerRetryVolume } from '@couchestor/policy-brain/handlers/answer-retry-volume';
import { onMigrationAdvanced } from '@couchestor/policy-brain/handlers/on-migration-advanced';
import { onMigrationFinished } from '@couchestor/policy-brain/handlers/on-migration-finished';
import { onVolumeSampled } from '@couchestor/policy-brain/handlers/on-volume-sampled';
import { runRound } from '@couchestor/policy-brain/handlers/run-round';
import { brainMetrics } from '@couchestor/policy-brain/metrics';
import { explainVolume, moveStanding, retryVolume } from '@couchestor/shared/contracts/brain';
import { migrationAdvanced, migrationFinished } from '@couchestor/shared/contracts/migration';
import { volumeSampled } from '@couchestor/shared/contracts/volume-sampled';
import { describeError } from '@couchestor/shared/errors';
import { Registry } from 'prom-client';
import { Caller } from './caller.ts';
import { simLogger } from './sim-logger.ts';
import type { SimProcess } from './sim-process.ts';
import type { World } from './world.ts';

export interface RunningBrain {
  readonly process: SimProcess;
  readonly brain: Brain;
  readonly ledger: LedgerStore;
  /** Policies have changed. */
  wake(): void;
}

export async function startBrain(world: World, process: SimProcess): Promise<RunningBrain> {
  const { broker, mayastor, findings, settings } = world;
  const bus = broker.bus(process);
  const logger = simLogger(findings, process.name);
  const client = mayastor.client(new Caller({ name: process.name, process }));
  const clock = new BusClock({ monotonic: process.now });
  const { epoch, raisedAt } = await patiently(() => raiseEpoch(bus));
  clock.observe(raisedAt);
  let superseded = false;
  const brain = new Brain(epoch, { stillLeads: () => !superseded });
  world.brainJudge.brainStarted();
  const metrics = brainMetrics(new Registry(), { sampleAgesMs: () => new Map(), leads: () => true });
  await watchEpoch(bus, { epoch, onSuperseded: () => (superseded = true), onError: () => undefined });
  const ledger = new LedgerStore(bus, brain);
  await ledger.open();
  const records = new PolicyRecordStore(bus, brain);
  await records.open();
  const windows = new WindowsRecord(bus);
  await windows.open();
  const limits = { maxConcurrentMigrations: settings.movesMax, migrationTimeoutMs: 1_800_000, dryRun: false, preservationMode: false };
  const reader = new ClusterReader({ mayastor: client, catalog: mayastorLabelCatalog });
  const deps = { brain, bus, ledger, records, windows, clock, reader, mayastor: client, limits, metrics, logger };

  let due = true;
  let rounding = false;
  const wake = (): void => {
    due = true;
    void round();
  };
  const round = async (): Promise<void> => {
    while (due && !rounding && process.alive) {
      due = false;
      rounding = true;
      try {
        brain.policySet = world.policies.set();
        world.brainJudge.roundBeganAtMs = world.time.now();
        await runRound(deps);
        world.brainJudge.judgeRound(brain);
      } catch (error) {
        findings.count('rounds that failed');
        logger.error({ error: describeError(error) }, 'a round failed and will be run again');
      }
      rounding = false;
    }
  };
  const sampled = onVolumeSampled({ brain, clock, onRound: wake });
  await bus.consume(volumeSampled, {
    service: 'policy-brain',
    handle: async (message) => {
      world.brainJudge.delivered(message.payload, message.publishedAt.getTime());
      await sampled(message);
    },
  });
  await bus.consume(migrationAdvanced, { service: 'policy-brain', handle: onMigrationAdvanced(deps) });
  await bus.consume(migrationFinished, { service: 'policy-brain', handle: onMigrationFinished(deps) });
  await bus.serve(moveStanding, answerMoveStanding(deps));
  await bus.serve(explainVolume, answerExplainVolume(deps));
  await bus.serve(retryVolume, answerRetryVolume({ ...deps, onRetry: wake }));
  void round();
  void idle();
  return { process, brain, ledger, wake };

  async function idle(): Promise<void> {
    for (;;) {
      await process.sleep(settings.roundIntervalMs * 1.5);
      wake();
    }
  }

  /** Its service is started again and again until NATS answers. */
  async function patiently<T>(begin: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await begin();
      } catch {
        await process.sleep(1_000);
      }
    }
  }
}
