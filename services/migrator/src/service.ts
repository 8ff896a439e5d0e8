/** The migrator: accepts requested moves, runs each as a job, and takes up what earlier processes left. */
import { hostname } from 'node:os';
import { migrationRequested } from '@couchestor/shared/contracts/migration';
import { gateLockName, migrateVolumeJobSchema, migrateVolumeQueue } from '@couchestor/shared/contracts/migrator';
import { openJobQueue, startJobWorker } from '@couchestor/shared/jobs';
import { openLock } from '@couchestor/shared/lock-coordination';
import { openMayastor } from '@couchestor/shared/mayastor/discover';
import { ConfigError } from '@couchestor/shared/options';
import type { Capabilities } from '@couchestor/shared/placement/plan';
import type { ServiceContext, ServiceDefinition } from '@couchestor/shared/service';
import { sleep } from '@couchestor/shared/time';
import { watchCapabilities } from './adapters/capabilities.ts';
import { type FinishedMoveRecord, Journal } from './adapters/journal.ts';
import { followOpenMoves } from './adapters/open-moves.ts';
import { configProblems, type MigratorConfig, migratorOptions } from './config.ts';
import type { Limits } from './domain/machine.ts';
import { answerMoves } from './handlers/answer-moves.ts';
import { onMigrationRequested } from './handlers/on-migration-requested.ts';
import { type RunDeps, runMove } from './handlers/run-migrate-volume.ts';
import { sweepLoop } from './handlers/sweep-loop.ts';
import { migratorMetrics } from './metrics.ts';

/** A gated step in hand is finished before the process stops: a few calls to Mayastor. */
const workerStopBudgetMs = 20_000;
const triesMax = 5;

export const migrator: ServiceDefinition<typeof migratorOptions> = {
  name: 'migrator',
  summary: 'Moves the replicas of a volume to another tier, one at a time, so that no data is ever at risk.',
  options: migratorOptions,
  usesBus: true,
  start: startMigrator,
};

async function startMigrator(context: ServiceContext<MigratorConfig>): Promise<void> {
  const { config, env, logger, registry, bus, health, lifecycle } = context;
  const problems = configProblems(config);
  if (problems.length > 0) {
    throw new ConfigError('INVALID', { problems: problems.join('\n') });
  }
  const mayastor = openMayastor(config, { requestTimeoutMs: config.mayastorTimeoutSeconds * 1_000, logger });
  lifecycle.onStop({ name: 'mayastor client', budgetMs: 2_000, stop: () => mayastor.close() });

  const jobs = { queue: migrateVolumeQueue, redisUrl: config.redisUrl, schema: migrateVolumeJobSchema, logger };
  const queue = openJobQueue(jobs);
  lifecycle.onStop({ name: 'job queue', budgetMs: 2_000, stop: () => queue.close() });
  health.addReadiness('redis', () => queue.ping());

  const journal = new Journal(bus);
  const open = await followOpenMoves(journal);
  lifecycle.onStop({ name: 'open moves', budgetMs: 1_000, stop: () => open.stop() });
  const metrics = migratorMetrics(registry, {
    openMoves: () => open.moves.values(),
    queueDepth: async () => (await queue.counts()).waiting,
    now: Date.now,
  });
  const past = (await journal.finished.entries()).map(({ value }) => value);
  const capabilities = watchCapabilities({ mayastor, past, logger, signal: lifecycle.signal });
  const running = new Set<string>();
  const clock = Date.now;
  const holder = `migrator ${hostname()} ${process.pid}`;
  const gateLeaseMs = config.gateLeaseSeconds * 1_000;
  const gate = openLock(config, { name: gateLockName, holder, leaseMs: gateLeaseMs, bus, env, logger, registry });
  lifecycle.onStop({ name: 'gate lock', budgetMs: 2_000, stop: () => gate.close() });
  const run: RunDeps = {
    bus,
    journal,
    mayastor,
    clock,
    timers: { now: () => performance.now(), sleep },
    logger,
    metrics,
    lock: gate.lock,
    callTimeoutMs: config.mayastorTimeoutSeconds * 1_000,
    runBy: holder,
    limits: () => limitsOf(config, capabilities.current()),
    onFinished: (record) => {
      count(record);
      capabilities.learn(record);
    },
  };
  const accept = {
    journal,
    queue,
    clock,
    logger,
    openMovesMax: config.maxConcurrentMigrations,
    dryRun: config.dryRun,
    preservationMode: config.preservationMode,
  };

  const worker = await startJobWorker({
    ...jobs,
    registry,
    lockMs: config.jobLockSeconds * 1_000,
    concurrency: config.maxConcurrentMigrations,
    handle: async ({ data }, signal) => {
      running.add(data.volumeId);
      try {
        await runMove(run, data, signal);
      } finally {
        running.delete(data.volumeId);
      }
    },
  });
  lifecycle.onStop({ name: 'job worker', budgetMs: workerStopBudgetMs, stop: () => worker.stop() });

  const answers = await answerMoves(bus, { journal, clock });
  lifecycle.onStop({
    name: 'answers',
    budgetMs: 1_000,
    stop: async () => void (await Promise.all(answers.map((answer) => answer.stop()))),
  });

  const consumer = await bus.consume(migrationRequested, {
    service: 'migrator',
    handle: (message) => onMigrationRequested(accept, message),
  });
  lifecycle.onStop({ name: 'requests', budgetMs: 5_000, stop: () => consumer.stop() });

  const sweep = sweepLoop({ ...run, ...accept, intervalMs: config.sweepIntervalSeconds * 1_000, running }, lifecycle.signal);
  lifecycle.onStop({ name: 'sweep', budgetMs: 5_000, stop: () => sweep });

  function count({ result }: FinishedMoveRecord): void {
    if (result?.outcome === 'success' || result?.outcome === 'failed' || result?.outcome === 'aborted') {
      metrics.migrations.inc({ status: result.outcome });
    } else if (result?.outcome === 'refused') {
      metrics.refusals.inc({ code: result.code });
    }
  }
}

function limitsOf(config: MigratorConfig, capabilities: Capabilities | undefined): Limits {
  return {
    syncedHoldMs: config.syncedHoldSeconds * 1_000,
    settleMs: config.syncedHoldSeconds * 1_000,
    noProgressMs: config.noProgressMinutes * 60_000,
    pollMs: config.syncPollIntervalSeconds * 1_000,
    triesMax,
    capabilities,
  };
}
