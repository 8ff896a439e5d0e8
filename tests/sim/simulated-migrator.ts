/** A migrator process in the simulation: its real handlers on the model, with a crash wherever one is wanted. */

import { Journal } from '@couchestor/migrator/adapters/journal';
import { type AcceptDeps, onMigrationRequested } from '@couchestor/migrator/handlers/on-migration-requested';
import { type RunDeps, runMove } from '@couchestor/migrator/handlers/run-migrate-volume';
import { sweepOnce } from '@couchestor/migrator/handlers/sweep-loop';
import { migratorMetrics } from '@couchestor/migrator/metrics';
import type { MoveRequest } from '@couchestor/shared/contracts/migration';
import type { Lock } from '@couchestor/shared/lock';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { Registry } from 'prom-client';
import type { MemoryBroker } from './memory-broker.ts';
import { callTimeoutMs, type SimulatedCluster } from './simulated-cluster.ts';
import type { VirtualTime } from './virtual-time.ts';

const leaseMs = 10_000;

/** The gate of all processes. A dead holder keeps it until its lease has run out. */
export class SimulatedGate {
  #holder: { readonly process: SimulatedMigrator; expiresAtMs: number } | undefined;
  /** Nobody is given the lock before: the bucket that it lies in is younger than the lease. */
  #closedUntilMs = 0;
  #away = false;
  readonly #time: VirtualTime;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  lockOf(process: SimulatedMigrator): Lock {
    return {
      acquire: async ({ signal }) => {
        this.#renew();
        while (this.#away || this.#time.now() < Math.max(this.#closedUntilMs, this.#holder?.expiresAtMs ?? 0)) {
          await process.step();
          await this.#time.sleep(100, signal);
          this.#renew();
        }
        await process.step();
        const holder = { process, expiresAtMs: this.#time.now() + leaseMs };
        this.#holder = holder;
        return {
          surelyHeldFor: (marginMs) => {
            this.#renew();
            return this.#holder === holder && this.#time.now() + marginMs < holder.expiresAtMs;
          },
          lost: new AbortController().signal,
          release: async () => {
            await process.step();
            if (this.#holder === holder) {
              this.#holder = undefined;
            }
          },
        };
      },
    };
  }

  /** With the broker away no lease is renewed, and one that has run out meanwhile is lost. */
  setAway(away: boolean): void {
    this.#renew();
    this.#away = away;
    if (this.#holder !== undefined && this.#time.now() >= this.#holder.expiresAtMs) {
      this.#holder = undefined;
    }
    this.#renew();
  }

  /** The lock is lost with all that the broker had stored. */
  wipe(): void {
    this.#holder = undefined;
    this.#closedUntilMs = this.#time.now() + leaseMs;
  }

  #renew(): void {
    if (this.#holder?.process.alive && !this.#away) {
      this.#holder.expiresAtMs = this.#time.now() + leaseMs;
    }
  }
}

export class SimulatedMigrator {
  alive = true;
  /** Operations done so far: each is a point at which the process may die. */
  steps = 0;
  readonly deps: RunDeps;
  /** Jobs that were queued and not yet run. */
  readonly jobs = new Map<string, { moveId: string; volumeId: string }>();
  /** Redis does not answer. */
  queueAway = false;
  readonly #diesAtStep: number;
  readonly #died: () => void;
  readonly died: Promise<void>;

  constructor(o: { time: VirtualTime; broker: MemoryBroker; cluster: SimulatedCluster; gate: SimulatedGate; diesAtStep: number }) {
    this.#diesAtStep = o.diesAtStep;
    let died = (): void => undefined;
    this.died = new Promise((resolve) => {
      died = resolve;
    });
    this.#died = died;
    const bus = o.broker.bus(this.step);
    const logger = quietLogger();
    this.deps = {
      bus,
      journal: new Journal(bus),
      mayastor: o.cluster.client(this.step),
      lock: o.gate.lockOf(this),
      callTimeoutMs,
      clock: o.time.wall,
      timers: o.time,
      logger,
      metrics: migratorMetrics(new Registry(), { openMoves: () => [], queueDepth: async () => 0, now: o.time.now }),
      limits: () => ({
        syncedHoldMs: 5_000,
        settleMs: 5_000,
        noProgressMs: 300_000,
        pollMs: 1_000,
        triesMax: 5,
        capabilities: { poolCordon: true },
      }),
      onFinished: () => undefined,
    };
  }

  /** What a move is accepted with. */
  accepting(): AcceptDeps {
    const queue = {
      add: async (id: string, data: { moveId: string; volumeId: string }) => {
        this.#assertQueue();
        this.jobs.set(id, data);
        return true;
      },
      has: async (id: string) => {
        this.#assertQueue();
        return this.jobs.has(id);
      },
      counts: async () => ({ waiting: this.jobs.size, active: 0, delayed: 0 }),
      ping: async () => undefined,
      close: async () => undefined,
    };
    const { journal, clock, logger } = this.deps;
    return { journal, clock, logger, queue, openMovesMax: 10, dryRun: false, preservationMode: false };
  }

  /** Never returns in a dead process. */
  step = (): Promise<void> => {
    this.steps += 1;
    if (this.alive && this.steps >= this.#diesAtStep) {
      this.die();
    }
    return this.alive ? Promise.resolve() : new Promise(() => undefined);
  };

  die(): void {
    this.alive = false;
    this.#died();
  }

  #assertQueue(): void {
    if (this.queueAway) {
      throw new Error('Redis is away');
    }
  }

  async accept(request: MoveRequest): Promise<void> {
    await onMigrationRequested({ ...this.deps, ...this.accepting() }, { payload: request, publishedAt: new Date(this.deps.clock()) });
  }

  /** @param running volumes whose move runs in this process */
  async lookAround(running: ReadonlySet<string> = new Set()): Promise<void> {
    await sweepOnce({ ...this.deps, ...this.accepting(), intervalMs: 30_000, running }, new AbortController().signal);
  }

  /** One sweep, and then every job that it queued. */
  async sweep(): Promise<void> {
    await this.lookAround();
    const signal = new AbortController().signal;
    for (const [id, job] of [...this.jobs]) {
      this.jobs.delete(id);
      await runMove(this.deps, job, signal);
    }
  }

  run(request: MoveRequest): Promise<void> {
    return runMove(this.deps, request, new AbortController().signal);
  }
}
