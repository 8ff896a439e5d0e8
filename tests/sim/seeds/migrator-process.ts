/** One migrator of a world, wired as its service wires it: requests, jobs and sweeps, on the real handlers. */
import { Journal } from '@couchestor/migrator/adapters/journal';
import type { advance } from '@couchestor/migrator/domain/advance';
import { kindOfSight } from '@couchestor/migrator/domain/sight';
import { type AcceptDeps, onMigrationRequested } from '@couchestor/migrator/handlers/on-migration-requested';
import { type RunDeps, runMove } from '@couchestor/migrator/handlers/run-migrate-volume';
import { sweepOnce } from '@couchestor/migrator/handlers/sweep-loop';
import { migratorMetrics } from '@couchestor/migrator/metrics';
import { migrationRequested } from '@couchestor/shared/contracts/migration';
import { kvLock } from '@couchestor/shared/lock-kv';
import { Registry } from 'prom-client';
import { Caller } from './caller.ts';
import { simLogger } from './sim-logger.ts';
import type { SimProcess } from './sim-process.ts';
import type { World } from './world.ts';

export type Machine = typeof advance;

export const syncedHoldMs = 5_000;
const triesMax = 5;

export async function startMigrator(world: World, process: SimProcess): Promise<void> {
  const { broker, jobs, mayastor, findings, settings } = world;
  const bus = broker.bus(process);
  const logger = simLogger(findings, process.name);
  const journal = new Journal(bus);
  const queue = jobs.queue(process);
  const metrics = migratorMetrics(new Registry(), { openMoves: () => [], queueDepth: async () => 0, now: process.now });
  const running = new Set<string>();
  const clock = (): number => world.wallNow() + process.wallOffsetMs;
  const limits = {
    syncedHoldMs,
    settleMs: syncedHoldMs,
    noProgressMs: settings.noProgressMs,
    pollMs: settings.pollMs,
    triesMax,
    capabilities: {
      poolCordon: mayastor.model.settings.mayastorVersion === '2.10',
      ...(settings.rebuildBytesPerSecond === undefined ? {} : { rebuildBytesPerSecond: settings.rebuildBytesPerSecond }),
    },
  };
  const depsOf = (caller: Caller): RunDeps => ({
    bus,
    journal,
    mayastor: mayastor.client(caller),
    clock,
    timers: process,
    logger,
    metrics,
    lock: kvLock(bus, 'gate', { holder: caller.name, leaseMs: settings.leaseMs, timers: process }),
    callTimeoutMs: settings.callTimeoutMs,
    limits: () => limits,
    onFinished: () => undefined,
    runBy: process.name,
    advance: (move, sight, given) => {
      findings.sights.add(kindOfSight(move, sight));
      return world.machine(move, sight, given);
    },
  });
  const accept: AcceptDeps = { journal, queue, clock, logger, openMovesMax: settings.movesMax, dryRun: false, preservationMode: false };
  let runs = 0;

  jobs.work({
    process,
    concurrency: settings.movesMax,
    handle: async ({ data }, signal) => {
      running.add(data.volumeId);
      runs += 1;
      try {
        await runMove(depsOf(new Caller({ name: `${process.name}/${data.moveId.slice(0, 6)}/${runs}`, process, job: data })), data, signal);
      } catch (error) {
        logger.warn({ error }, 'a job ended badly');
        throw error;
      } finally {
        running.delete(data.volumeId);
      }
    },
  });
  await bus.consume(migrationRequested, { service: 'migrator', handle: (message) => onMigrationRequested(accept, message) });
  void sweepForEver();

  async function sweepForEver(): Promise<void> {
    for (let sweeps = 1; ; sweeps += 1) {
      const caller = new Caller({ name: `${process.name}/sweep/${sweeps}`, process });
      const deps = { ...depsOf(caller), ...accept, intervalMs: settings.sweepIntervalMs, running };
      await sweepOnce(deps, new AbortController().signal);
      await process.sleep(settings.sweepIntervalMs);
    }
  }
}
