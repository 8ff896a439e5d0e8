/**
 * The gate: one lock over the cluster, under which pools are cordoned and labels taken off so that Mayastor chooses the replica that we mean.
 *
 * Whoever takes the gate first undoes everything of ours that it finds, from the marks in Mayastor alone: the last holder may have died,
 * and NATS and Redis may have been wiped since. A cordon without our mark is an administrator's and stays. What remains is a race: an
 * administrator who cordons a pool between our mark and our cordon loses that cordon if we then crash (docs/safety.md).
 */
import type { Logger } from '@couchestor/shared/logger';
import type { Lock, LockHold } from '@couchestor/shared/lock';
import type { MayastorClient } from '@couchestor/shared/mayastor/client';
import { MayastorError } from '@couchestor/shared/mayastor/errors';
import { poolCordonedForReplicas } from '@couchestor/shared/mayastor/read';
import type { PoolCordonFlags } from '@couchestor/shared/mayastor/schema';
import { findLeftovers, formatGateMark, gateMarkKey, type Leftover } from '@couchestor/shared/placement/marks';
import { MigratorError } from '../errors.ts';
import type { MigratorMetrics } from '../metrics.ts';

/** A call must end this long before the lease does. */
const fenceMarginMs = 500;
/** New replicas only: snapshots, restores and imports go on during the seconds of a gate. */
const cordonFlags: PoolCordonFlags = { replicas: true, snapshots: false, restores: false, import: false };

export interface GateDeps {
  readonly lock: Lock;
  readonly mayastor: MayastorClient;
  readonly callTimeoutMs: number;
  readonly logger: Logger;
  readonly metrics: Pick<MigratorMetrics, 'gateHeldSeconds' | 'leftoversUndone'>;
}

export async function takeGate(deps: GateDeps, signal: AbortSignal): Promise<Gate> {
  const hold = await deps.lock.acquire({ signal });
  const gate = new Gate(deps, hold);
  try {
    await gate.undoAll();
    return gate;
  } catch (error) {
    await gate.release();
    throw error;
  }
}

export class Gate {
  readonly #deps: GateDeps;
  readonly #hold: LockHold;
  readonly #stopTimer: () => number;

  constructor(deps: GateDeps, hold: LockHold) {
    this.#deps = deps;
    this.#hold = hold;
    this.#stopTimer = deps.metrics.gateHeldSeconds.startTimer();
  }

  /** Whether a call that leaves now is surely over before anybody else can take the gate. */
  get fits(): boolean {
    return this.#hold.surelyHeldFor(this.#deps.callTimeoutMs + fenceMarginMs);
  }

  async release(): Promise<void> {
    this.#stopTimer();
    await this.#hold.release();
  }

  /** Marks a pool, then cordons it, unless somebody else has cordoned it before. */
  async cordonPool(poolId: string, moveId: string): Promise<void> {
    const pool = await this.#deps.mayastor.getPool(poolId);
    if (pool === undefined || poolCordonedForReplicas(pool)) {
      return;
    }
    await this.#mark(poolId, formatGateMark({ kind: 'cordon', moveId }));
    await this.#call(() => this.#deps.mayastor.cordonPool(poolId, cordonFlags), 'ALREADY_EXISTS');
  }

  /** Marks a pool with its label's value, then takes the label off. */
  async hideLabel(poolId: string, o: { moveId: string; key: string; value: string }): Promise<void> {
    await this.#mark(poolId, formatGateMark({ kind: 'label', ...o }));
    await this.#call(() => this.#deps.mayastor.unlabelPool(poolId, o.key), 'PRECONDITION');
  }

  async cordonNode(nodeId: string, label: string): Promise<void> {
    await this.#call(() => this.#deps.mayastor.cordonNode(nodeId, label), 'ALREADY_EXISTS', 'PRECONDITION');
  }

  /** Undoes every gate and bias of ours in the cluster. The mark goes last, so that a crash in between is made good by the next holder. */
  async undoAll(): Promise<void> {
    const [pools, nodes] = await Promise.all([this.#deps.mayastor.listPools(), this.#deps.mayastor.listNodes()]);
    for (const leftover of findLeftovers(pools, nodes)) {
      await this.#undo(leftover);
      this.#deps.metrics.leftoversUndone.inc();
    }
  }

  async #undo(leftover: Leftover): Promise<void> {
    const { mayastor, logger } = this.#deps;
    logger.debug(leftover, 'undoing a gate');
    if (leftover.on === 'node') {
      return this.#call(() => mayastor.uncordonNode(leftover.node, leftover.label), 'NOT_FOUND', 'PRECONDITION');
    }
    if (leftover.kind === 'cordon') {
      await this.#call(() => mayastor.uncordonPool(leftover.pool, cordonFlags), 'NOT_FOUND', 'PRECONDITION');
    } else {
      const { key, value } = leftover;
      // Where somebody has given the label another value meanwhile, theirs stands.
      await this.#call(() => mayastor.labelPool(leftover.pool, { key, value, overwrite: false }), 'ALREADY_EXISTS', 'PRECONDITION', 'NOT_FOUND');
    }
    await this.#call(() => mayastor.unlabelPool(leftover.pool, gateMarkKey), 'PRECONDITION', 'NOT_FOUND');
  }

  #mark(poolId: string, value: string): Promise<void> {
    return this.#call(() => this.#deps.mayastor.labelPool(poolId, { key: gateMarkKey, value, overwrite: true }), 'ALREADY_EXISTS');
  }

  /** Makes one call under the lock. The errors named say that what was asked for already is. */
  async #call(call: () => Promise<unknown>, ...alreadySo: Parameters<typeof MayastorError.is>[1][]): Promise<void> {
    if (!this.fits) {
      throw new MigratorError('GATE_LOST');
    }
    try {
      await call();
    } catch (error) {
      if (!alreadySo.some((code) => MayastorError.is(error, code))) {
        throw error;
      }
    }
  }
}
