/**
 * Brings back what stripes have lost, those that could lose the least first.
 *
 * It works in passes: a scan of the index tells which stripes lack shards, given the states of the drives, and they are healed two at a time.
 * What remains then needs drives that have room or answer, or is lost; it is looked at again when a drive changes, and from time to time. The
 * index alone says what is missing, so a restart goes on where the last process stopped. Bad shards that a read or the scrub reports come in
 * between. They are kept in memory only: a shard that is bad in one block still helps with its others, so its place is not given up before
 * there is a new one.
 */
import { setImmediate } from 'node:timers/promises';
import { describeError } from '@couchestor/shared/errors';
import type { Logger } from '@couchestor/shared/logger';
import type { IndexStore } from '../adapters/index/index-store.ts';
import { VaultError } from './errors.ts';
import { ProgressMeter, type RebuildProgress } from './rebuilder-progress.ts';
import { RebuildQueue } from './rebuilder-queue.ts';
import { type HealOutcome, type ShardFinding, StripeHealer, type StripeHealerDeps } from './stripe-healer.ts';
import { healthOf } from './stripe-health.ts';
import { StripeSet } from './stripe-set.ts';
import type { LongCall } from './vault-api.ts';

/** While one waits for drives, the other computes. More would only hold more memory. */
const stripesAtOnce = 2;
/** Rows of the index looked at before others get their turn. */
const rowsPerTurn = 256;
/** Stripes with reported shards that are kept in mind; the scrub finds the others again. */
const findingsMax = 10_000;
/** What waits is looked at again so often, more and more rarely while nothing comes of it. */
const recheckMsMin = 60_000;
const recheckMsMax = 16 * 60_000;
/** A stripe whose row changes under the healing is begun anew so often. */
const changesMax = 4;
/** Listed for whoever asks; more are only counted. */
const lostListedMax = 1_000;

export interface RebuilderDeps extends Omit<StripeHealerDeps, 'isLeaving'> {
  readonly index: Pick<IndexStore, 'sums' | 'stripe' | 'change' | 'stripes' | 'counts' | 'failed'>;
  readonly logger: Logger;
  readonly onDegraded: (o: { stripeId: number; missingShards: number }) => void;
  readonly onRebuilt: (o: { stripeId: number }) => void;
  readonly onLost: (o: { stripeId: number }) => void;
  /** The index failed: nothing further can be done. */
  readonly onFailed: (error: unknown) => void;
  readonly now?: () => number;
  readonly recheckMs?: number;
}

export interface ReportedShard extends ShardFinding {
  readonly stripeId: number;
  readonly place: number;
}

export interface RebuildResult {
  readonly stripesRebuilt: number;
  readonly stripesLost: number;
  /** They lack shards for which no drive has room, or whose drives do not answer. */
  readonly stripesWaiting: number;
}

export class Rebuilder {
  readonly #deps: RebuilderDeps;
  readonly #healer: StripeHealer;
  readonly #queue = new RebuildQueue();
  readonly #meter: ProgressMeter;
  readonly #findings = new Map<number, Map<number, ShardFinding>>();
  readonly #inHand = new Set<number>();
  readonly #degraded = new StripeSet();
  readonly #lost = new StripeSet();
  /** Drives that `drain` empties. */
  readonly #leaving = new Set<number>();
  readonly #watchers = new Set<() => void>();
  readonly #stop = new AbortController();
  #wake: () => void = () => undefined;
  #running: Promise<void> | undefined;
  #scanWanted = false;
  #isIdle = true;
  #passesWanted = 0;
  #passesDone = 0;
  #rebuilt = 0;
  #missingMost = 0;
  #waiting = 0;
  #recheckMs: number;

  constructor(deps: RebuilderDeps) {
    this.#deps = deps;
    this.#healer = new StripeHealer({ ...deps, isLeaving: (drive) => this.#leaving.has(drive) });
    this.#meter = new ProgressMeter(deps.now ?? (() => performance.now()));
    this.#recheckMs = deps.recheckMs ?? recheckMsMin;
  }

  /** Begins with a scan. */
  start(): void {
    this.#scan();
    this.#running ??= this.#run().catch((error: unknown) => {
      if (!this.#stop.signal.aborted) {
        this.#stop.abort(error);
        this.#notify();
        this.#deps.onFailed(error);
      }
    });
  }

  async close(): Promise<void> {
    this.#stop.abort(new VaultError('STOPPING'));
    this.#wake();
    this.#notify();
    await this.#running;
  }

  /** To be called at every change of a drive's state, and when one was added or removed. */
  drivesChanged(): void {
    this.#recheckMs = this.#deps.recheckMs ?? recheckMsMin;
    this.#scan();
  }

  /** A shard that did not check, or could not be read. It is read again before anything is done, as the report may be of an older one. */
  report({ stripeId, place, generation, reason }: ReportedShard): void {
    const row = this.#deps.index.stripe(stripeId);
    if (row === undefined || row.shards[place]?.generation !== generation) {
      return;
    }
    const known = this.#findings.get(stripeId);
    if (known?.get(place)?.generation === generation || (known === undefined && this.#findings.size >= findingsMax)) {
      return;
    }
    const findings = known ?? new Map<number, ShardFinding>();
    findings.set(place, { generation, reason });
    this.#findings.set(stripeId, findings);
    if (!this.#inHand.has(stripeId)) {
      this.#enqueue(stripeId);
    }
  }

  /** A stripe that was written with fewer shards than it should have. Where the index has no row of it yet, a later scan takes it up. */
  writtenDegraded(stripeId: number, missingShards: number): void {
    this.#tellDegraded(stripeId, missingShards);
    this.#enqueue(stripeId);
  }

  progress(): RebuildProgress {
    return this.#meter.progress(this.#queue.size + this.#inHand.size);
  }

  /** From memory. Stripes whose loss is known by the scans, the reads and the scrub. */
  health(): { readonly degraded: number; readonly rebuilding: number; readonly lost: number; readonly lostStripes: readonly number[] } {
    const lostStripes: number[] = [];
    for (const stripeId of this.#lost) {
      if (lostStripes.length >= lostListedMax) {
        break;
      }
      lostStripes.push(stripeId);
    }
    const degraded = this.#degraded.size;
    const rebuilding = this.#isIdle ? 0 : Math.min(degraded, this.#queue.size + this.#inHand.size);
    return { degraded, rebuilding, lost: this.#lost.size, lostStripes };
  }

  /** Of the stripe that lacks most and can be read. Of the time since the last scan: never too few. */
  missingShardsMost(): number {
    return this.#degraded.size === 0 ? 0 : this.#missingMost;
  }

  isLost(stripeId: number): boolean {
    return this.#lost.has(stripeId);
  }

  /** Resolves once a pass that began after the call is through: no stripe lacks a shard that can be rebuilt now. */
  async settle(call: LongCall): Promise<RebuildResult> {
    const rebuiltBefore = this.#rebuilt;
    this.#scan();
    const wanted = this.#passesWanted;
    await this.#watch(call.signal, () => {
      const { stripesLeft, stripesDone } = this.progress();
      call.report({ done: stripesDone, total: stripesDone + stripesLeft, unit: 'stripes' });
      return this.#passesDone >= wanted;
    });
    return { stripesRebuilt: this.#rebuilt - rebuiltBefore, stripesLost: this.#lost.size, stripesWaiting: this.#waiting };
  }

  /**
   * Moves every shard of a drive to others; resolves once no row names it. The drive takes no new ones by then: its state says so. Of a failed
   * drive, shards of stripes that are lost stay named. Rejects with DRIVE_NEEDED where the others cannot take what is left.
   */
  async drain(drive: number, call: LongCall): Promise<{ readonly moved: number }> {
    this.#leaving.add(drive);
    try {
      const total = await this.#shardsOn(drive, call.signal);
      let [left, inVain] = [total, 0];
      while (left > 0) {
        const stillLeft = left;
        await this.settle({
          signal: call.signal,
          report: ({ done }) => call.report({ done: Math.min(stillLeft, total - stillLeft + done), total, unit: 'stripes' }),
        });
        left = await this.#shardsOn(drive, call.signal);
        inVain = left < stillLeft ? 0 : inVain + 1;
        // Once more, as a write that was under way may have added one while one was moved.
        if (inVain > 1) {
          throw new VaultError('DRIVE_NEEDED', { drive, shardsLeft: left });
        }
      }
      return { moved: total };
    } finally {
      this.#leaving.delete(drive);
    }
  }

  async #shardsOn(drive: number, signal: AbortSignal): Promise<number> {
    let shards = 0;
    await this.#forEachRow(signal, (row) => {
      if (row.shards.some((at) => at?.drive === drive) && (this.#deps.drives.holds(drive) || !this.#lost.has(row.stripeId))) {
        shards += 1;
      }
    });
    return shards;
  }

  #scan(): void {
    this.#scanWanted = true;
    this.#passesWanted += 1;
    this.#wake();
  }

  #enqueue(stripeId: number): void {
    const row = this.#deps.index.stripe(stripeId);
    if (row !== undefined) {
      this.#queue.add(
        stripeId,
        healthOf(row, { holds: (drive) => this.#deps.drives.holds(drive), bad: this.#findings.get(stripeId) }).spare,
      );
      this.#wake();
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#isIdle = false;
      this.#meter.begin();
      const pass = this.#passesWanted;
      if (this.#scanWanted) {
        this.#scanWanted = false;
        this.#waiting = 0;
        await this.#scanIndex(signal);
      }
      const rebuiltBefore = this.#rebuilt;
      await Promise.all(Array.from({ length: stripesAtOnce }, () => this.#healNext(signal)));
      if (this.#scanWanted || this.#queue.size > 0) {
        continue;
      }
      if (this.#queue.overflowed && this.#rebuilt > rebuiltBefore) {
        this.#scanWanted = true;
        continue;
      }
      this.#passesDone = pass;
      this.#isIdle = true;
      this.#meter.end();
      this.#notify();
      await this.#idle(this.#rebuilt > rebuiltBefore);
    }
  }

  /** Until there is something to do, or it is time to look again. */
  async #idle(hasRebuilt: boolean): Promise<void> {
    if (this.#scanWanted || this.#queue.size > 0 || this.#stop.signal.aborted) {
      return;
    }
    let timer: NodeJS.Timeout | undefined;
    const isDue = await new Promise<boolean>((resolve) => {
      this.#wake = () => resolve(false);
      timer = setTimeout(resolve, this.#recheckMs, true);
      timer.unref();
    });
    clearTimeout(timer);
    this.#wake = () => undefined;
    if (isDue) {
      this.#recheckMs = hasRebuilt ? (this.#deps.recheckMs ?? recheckMsMin) : Math.min(recheckMsMax, this.#recheckMs * 2);
      if (this.#waiting > 0 || this.#findings.size > 0 || this.#deps.index.counts().degradedStripes > 0) {
        this.#scan();
      }
    }
  }

  async #scanIndex(signal: AbortSignal): Promise<void> {
    const { drives, onLost } = this.#deps;
    const holds = (drive: number) => drives.holds(drive);
    const isLeaving = (drive: number) => this.#leaving.has(drive) || drives.get(drive)?.state === 'draining';
    this.#queue.clearOverflow();
    this.#missingMost = 0;
    await this.#forEachRow(signal, (row) => {
      const { stripeId } = row;
      const { state, spare, missing } = healthOf(row, { holds });
      const leaves = row.shards.some((at) => at !== undefined && isLeaving(at.drive));
      const wasLost = this.#lost.has(stripeId);
      if (state === 'lost') {
        this.#degraded.delete(stripeId);
        if (this.#lost.add(stripeId)) {
          onLost({ stripeId });
        }
      } else if (state === 'degraded' && !wasLost) {
        this.#tellDegraded(stripeId, missing.length);
      } else if (state === 'healthy' && !this.#findings.has(stripeId)) {
        this.#degraded.delete(stripeId);
        this.#lost.delete(stripeId);
      }
      // What is lost is read in vain until a drive comes back, but what is left of it can leave its drive.
      if (state === 'degraded' || leaves || this.#findings.has(stripeId)) {
        this.#queue.add(stripeId, spare);
      }
    });
    await this.#forget(signal);
  }

  /** What is known of stripes that are gone. */
  async #forget(signal: AbortSignal): Promise<void> {
    let seen = 0;
    for (const set of [this.#degraded, this.#lost, new Set(this.#findings.keys())]) {
      for (const stripeId of set) {
        seen += 1;
        if (seen % rowsPerTurn === 0) {
          await setImmediate();
          signal.throwIfAborted();
        }
        if (this.#deps.index.stripe(stripeId) === undefined) {
          this.#degraded.delete(stripeId);
          this.#lost.delete(stripeId);
          this.#findings.delete(stripeId);
        }
      }
    }
  }

  async #forEachRow(signal: AbortSignal, look: (row: NonNullable<ReturnType<IndexStore['stripe']>>) => void): Promise<void> {
    let seen = 0;
    for (const row of this.#deps.index.stripes()) {
      look(row);
      seen += 1;
      if (seen % rowsPerTurn === 0) {
        await setImmediate();
        signal.throwIfAborted();
      }
    }
  }

  /** One lane: until the queue is empty, or a drive has changed, which may have changed what comes first. */
  async #healNext(signal: AbortSignal): Promise<void> {
    while (!this.#scanWanted && !signal.aborted) {
      const stripeId = this.#queue.take();
      if (stripeId === undefined) {
        return;
      }
      this.#inHand.add(stripeId);
      try {
        await this.#heal(stripeId, signal);
      } finally {
        this.#inHand.delete(stripeId);
      }
      this.#notify();
    }
  }

  async #heal(stripeId: number, signal: AbortSignal): Promise<void> {
    const findings = new Map(this.#findings.get(stripeId));
    try {
      let outcome = await this.#healer.heal(stripeId, findings, signal);
      for (let attempt = 1; outcome.kind === 'changed' && attempt < changesMax; attempt += 1) {
        outcome = await this.#healer.heal(stripeId, findings, signal);
      }
      this.#meter.stripeDone(outcome.writtenBytes);
      this.#judge(stripeId, outcome, findings);
    } catch (error) {
      if (signal.aborted || this.#deps.index.failed !== undefined) {
        throw error;
      }
      // One stripe that cannot be healed must not keep the others from it.
      this.#waiting += 1;
      this.#deps.logger.error({ stripeId, error: describeError(error) }, 'a stripe could not be healed');
    }
  }

  #judge(stripeId: number, outcome: HealOutcome, findings: ReadonlyMap<number, ShardFinding>): void {
    const { logger, onRebuilt, onLost } = this.#deps;
    if (outcome.missing.length > 0 && outcome.kind !== 'lost' && !this.#lost.has(stripeId)) {
      this.#tellDegraded(stripeId, outcome.missing.length);
    }
    switch (outcome.kind) {
      case 'whole':
        this.#degraded.delete(stripeId);
        this.#lost.delete(stripeId);
        this.#settleFindings(stripeId, findings);
        if (outcome.missing.length > 0) {
          this.#rebuilt += 1;
          onRebuilt({ stripeId });
        }
        return;
      case 'lost':
        this.#degraded.delete(stripeId);
        if (this.#lost.add(stripeId)) {
          logger.error(
            { stripeId, reason: outcome.reason, missing: outcome.missing.join() },
            'a stripe has lost more than its parity makes good',
          );
          onLost({ stripeId });
        }
        return;
      case 'waiting':
      case 'changed':
        this.#waiting += 1;
        this.#tellReadable(stripeId);
        return;
    }
  }

  /** A stripe that was lost may have its shards back, though it cannot be healed yet. */
  #tellReadable(stripeId: number): void {
    const row = this.#deps.index.stripe(stripeId);
    const holds = (drive: number) => this.#deps.drives.holds(drive);
    const health = row === undefined ? undefined : healthOf(row, { holds, bad: this.#findings.get(stripeId) });
    if (health?.state === 'degraded' && this.#lost.delete(stripeId)) {
      this.#tellDegraded(stripeId, health.missing.length);
    }
  }

  /** Those that the healing knew of are done with; one that was reported meanwhile is next, unless it was of the old shard. */
  #settleFindings(stripeId: number, done: ReadonlyMap<number, ShardFinding>): void {
    const findings = this.#findings.get(stripeId);
    const row = this.#deps.index.stripe(stripeId);
    for (const [place, { generation }] of [...(findings ?? [])]) {
      if (done.get(place)?.generation === generation || row?.shards[place]?.generation !== generation) {
        findings?.delete(place);
      }
    }
    if (findings?.size === 0) {
      this.#findings.delete(stripeId);
    } else if (findings !== undefined) {
      this.#enqueue(stripeId);
    }
  }

  #tellDegraded(stripeId: number, missingShards: number): void {
    this.#missingMost = Math.max(this.#missingMost, missingShards);
    if (this.#degraded.add(stripeId)) {
      this.#deps.onDegraded({ stripeId, missingShards });
    }
  }

  #notify(): void {
    for (const watcher of [...this.#watchers]) {
      watcher();
    }
  }

  /** Resolves when `isDone`, which is asked after each stripe. Rejects when either signal is aborted. */
  async #watch(signal: AbortSignal, isDone: () => boolean): Promise<void> {
    const either = AbortSignal.any([signal, this.#stop.signal]);
    await new Promise<void>((resolve, reject) => {
      const end = (settle: () => void) => {
        this.#watchers.delete(look);
        either.removeEventListener('abort', look);
        settle();
      };
      const look = () => {
        if (either.aborted) {
          end(() => reject(either.reason));
        } else if (isDone()) {
          end(resolve);
        }
      };
      this.#watchers.add(look);
      either.addEventListener('abort', look);
      look();
    });
  }
}
