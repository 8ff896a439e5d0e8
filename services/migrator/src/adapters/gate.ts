/**
 * The gate: one lock over the cluster, under which pools are cordoned and labels taken off so that Mayastor chooses the replica that we mean.
 *
 * Whoever takes the gate first undoes everything of ours that it finds, from the marks in Mayastor alone: the last holder may have died,
 * and NATS and Redis may have been wiped since. A cordon without our mark is an administrator's and stays. What remains is a race: an
 * administrator who cordons a pool between our mark and our cordon loses that cordon if we crash right then (docs/safety.md).
 */

import type { Lock, LockHold } from '@couchestor/shared/lock';
import type { Logger } from '@couchestor/shared/logger';
import type { MayastorClient } from '@couchestor/shared/mayastor/client';
import { MayastorError } from '@couchestor/shared/mayastor/errors';
import { poolCordonedForReplicas } from '@couchestor/shared/mayastor/read';
import { gateCordonFlags, isAlreadySo, undoCalls } from '@couchestor/shared/mayastor/undo-gates';
import { findLeftovers, formatGateMark, gateMarkKey, type Leftover } from '@couchestor/shared/placement/marks';
import { MigratorError } from '../errors.ts';
import type { MigratorMetrics } from '../metrics.ts';

/** A call must end this long before the lease does. */
const fenceMarginMs = 500;

/** Makes a call to Mayastor and takes note of it and of its answer. */
export type WatchCall = <T>(words: string, call: () => Promise<T>) => Promise<T>;

export interface GateDeps {
  readonly lock: Lock;
  readonly mayastor: MayastorClient;
  readonly callTimeoutMs: number;
  readonly logger: Logger;
  readonly metrics: Pick<MigratorMetrics, 'gateHeldSeconds' | 'leftoversUndone'>;
  /** Absent: nobody takes note. */
  readonly watchCall?: WatchCall;
}

export async function takeGate(deps: GateDeps, signal: AbortSignal): Promise<Gate> {
  const hold = await deps.lock.acquire({ signal });
  const gate = new Gate(deps, hold);
  try {
    deps.metrics.leftoversUndone.inc(await gate.undoAll());
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
  /** What this holder has sent to pools and not undone yet, answered or not: a late call may have removed the mark that tells of it. */
  readonly #sent = new Map<string, Leftover>();

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
    const first = !this.#sent.has(poolId);
    this.#sent.set(poolId, { on: 'pool', pool: poolId, kind: 'cordon', moveId });
    try {
      await this.#call(`cordon pool ${poolId}`, () => this.#deps.mayastor.cordonPool(poolId, gateCordonFlags));
    } catch (error) {
      if (!MayastorError.is(error, 'ALREADY_EXISTS')) {
        throw error;
      }
      // Cordoned already, and not by us: an administrator was quicker by a moment. Theirs stays, so our mark must go.
      if (first) {
        this.#sent.delete(poolId);
        await this.#call(
          `unmark pool ${poolId} (${gateMarkKey})`,
          () => this.#deps.mayastor.unlabelPool(poolId, gateMarkKey),
          'PRECONDITION',
        );
      }
    }
  }

  /** Marks a pool with its label's value, then takes the label off. */
  async hideLabel(poolId: string, o: { moveId: string; key: string; value: string }): Promise<void> {
    await this.#mark(poolId, formatGateMark({ kind: 'label', ...o }));
    this.#sent.set(poolId, { on: 'pool', pool: poolId, kind: 'label', ...o });
    await this.#call(`take label ${o.key} off pool ${poolId}`, () => this.#deps.mayastor.unlabelPool(poolId, o.key), 'PRECONDITION');
  }

  async cordonNode(nodeId: string, label: string): Promise<void> {
    const cordon = (): Promise<void> => this.#deps.mayastor.cordonNode(nodeId, label);
    await this.#call(`cordon node ${nodeId} (${label})`, cordon, 'ALREADY_EXISTS', 'PRECONDITION');
  }

  /**
   * Undoes every gate and bias of ours in the cluster. The mark goes last, so that a crash in between is made good by the next holder.
   * @returns how many there were
   */
  async undoAll(): Promise<number> {
    const [pools, nodes] = await Promise.all([this.#deps.mayastor.listPools(), this.#deps.mayastor.listNodes()]);
    const marked = findLeftovers(pools, nodes);
    const unmarked = [...this.#sent.values()].filter(
      (sent) => !marked.some((one) => one.on === 'pool' && sent.on === 'pool' && one.pool === sent.pool),
    );
    const all = [...marked, ...unmarked];
    for (const leftover of all) {
      await this.#undo(leftover);
      if (leftover.on === 'pool') {
        this.#sent.delete(leftover.pool);
      }
    }
    return all.length;
  }

  async #undo(leftover: Leftover): Promise<void> {
    this.#deps.logger.debug(leftover, 'undoing a gate');
    for (const { words, make, alreadySo } of undoCalls(leftover)) {
      await this.#call(words, () => make(this.#deps.mayastor), ...alreadySo);
    }
  }

  #mark(poolId: string, value: string): Promise<void> {
    const label = (): Promise<void> => this.#deps.mayastor.labelPool(poolId, { key: gateMarkKey, value, overwrite: true });
    return this.#call(`mark pool ${poolId} (${gateMarkKey}=${value})`, label, 'ALREADY_EXISTS');
  }

  /** Makes one call under the lock. The errors named say that what was asked for already is. */
  async #call(words: string, call: () => Promise<void>, ...alreadySo: Parameters<typeof isAlreadySo>[1]): Promise<void> {
    if (!this.fits) {
      throw new MigratorError('GATE_LOST');
    }
    try {
      await (this.#deps.watchCall === undefined ? call() : this.#deps.watchCall(words, call));
    } catch (error) {
      if (!isAlreadySo(error, alreadySo)) {
        throw error;
      }
    }
  }
}
