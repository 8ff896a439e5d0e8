/**
 * Runs one move: look, decide, write it down, do it; over and over until the move is closed.
 *
 * On disk and on the wire at each instant: the journal holds the step before any of its calls is sent, so whoever finds the record knows
 * what may have happened. A step that changes Mayastor is done under the gate, and each call is fenced: the lock surely outlasts it and
 * the journal is still at our revision. A crash leaves at most the marks and gates of one step, which the next holder of the gate undoes,
 * and one replica more than before, which the next run of this move adopts or takes back.
 */
import type { BucketEntry, Bus } from '@couchestor/shared/bus/connect';
import { BusError } from '@couchestor/shared/bus/errors';
import { moveStanding } from '@couchestor/shared/contracts/brain';
import type { MoveRecord } from '@couchestor/shared/contracts/migrator';
import { CodedError, describeError } from '@couchestor/shared/errors';
import type { Logger } from '@couchestor/shared/logger';
import type { MayastorClient } from '@couchestor/shared/mayastor/client';
import { MayastorError, mayHaveHadEffect } from '@couchestor/shared/mayastor/errors';
import { isSynced } from '@couchestor/shared/mayastor/read';
import { formatVolumeMark, nodeCordonLabel, volumeMarkKey } from '@couchestor/shared/placement/marks';
import type { Clock } from '@couchestor/shared/time';
import { type Gate, type GateDeps, takeGate, type WatchCall } from '../adapters/gate.ts';
import type { FinishedMoveRecord, Journal } from '../adapters/journal.ts';
import { advance, gatedSteps } from '../domain/advance.ts';
import type { Effect, Limits } from '../domain/machine.ts';
import type { Answer, Reading, Sight } from '../domain/sight.ts';
import { addNote, type Note, withNotes } from '../domain/story.ts';
import { MigratorError } from '../errors.ts';
import type { MigratorMetrics } from '../metrics.ts';

const standingTimeoutMs = 2_000;
const gatedPollMaxMs = 1_000;

/** Time as it passes: virtual in the simulation. */
export interface Timers {
  /** Monotonic, milliseconds. */
  now(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface RunDeps extends Omit<GateDeps, 'watchCall'> {
  readonly bus: Pick<Bus, 'call'>;
  readonly journal: Journal;
  readonly mayastor: MayastorClient;
  readonly limits: () => Limits;
  /** The wall clock, for what is written down. */
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: MigratorMetrics;
  readonly onFinished: (record: FinishedMoveRecord) => void;
  /** This process, as the stories of its moves name it. */
  readonly runBy?: string;
  /** The machine, where it is not the one of domain/: the simulation looks on, and tries what another one would do. */
  readonly advance?: typeof advance;
}

/** Resolves once the move is closed, or belongs to another process, or `signal` is aborted outside a gate. */
export async function runMove(deps: RunDeps, job: { moveId: string; volumeId: string }, signal: AbortSignal): Promise<void> {
  const entry = await deps.journal.open.get(job.volumeId);
  if (entry?.value.request.moveId !== job.moveId) {
    return;
  }
  const logger = deps.logger.child({ moveId: job.moveId, volumeId: job.volumeId });
  const run = new MoveRun({ ...deps, logger }, entry);
  try {
    await run.toItsEnd(signal);
  } catch (error) {
    if (!MigratorError.is(error, 'MOVE_TAKEN')) {
      throw error;
    }
    logger.info({ error: describeError(error) }, 'let go of a move');
  } finally {
    await run.release();
  }
}

class MoveRun {
  readonly #deps: RunDeps;
  #entry: BucketEntry<MoveRecord>;
  /** What the story has still to be told: it goes with the next record, and is lost where this process dies before that. */
  #notes: readonly Note[] = [];
  #gate: Gate | undefined;
  /** Whether we placed gates or a bias since we took the gate. */
  #placed = false;
  #answer: { kind: Answer['kind']; message: string; atMs: number } | undefined;
  #syncedSinceMs: number | undefined;
  #atStepSinceMs: number;
  #mayastorUp = true;
  #closed = false;

  constructor(deps: RunDeps, entry: BucketEntry<MoveRecord>) {
    this.#deps = deps;
    this.#entry = entry;
    this.#atStepSinceMs = deps.timers.now();
    this.#note(`Run by ${deps.runBy ?? 'this process'}, attempt ${entry.value.attempt + 1}.`);
  }

  async toItsEnd(signal: AbortSignal): Promise<void> {
    let lastEffect: Effect['kind'] = 'look';
    while (!this.#closed) {
      const gated = gatedSteps.has(this.#entry.value.step);
      if (!gated) {
        signal.throwIfAborted();
      }
      try {
        await this.#keepGate(gated, signal);
        const sight = await this.#look();
        const { move, effect } = (this.#deps.advance ?? advance)(this.#entry.value, sight, this.#deps.limits());
        await this.#write(move);
        // An effect asked for again has not shown yet: do not press.
        await this.#do(effect, effect.kind === lastEffect && effect.kind !== 'look', signal);
        lastEffect = effect.kind;
      } catch (error) {
        if (signal.aborted || MigratorError.is(error, 'MOVE_TAKEN')) {
          throw error;
        }
        this.#deps.logger.warn({ step: this.#entry.value.step, error: describeError(error) }, 'a step could not be done; trying again');
        this.#note(`Could not be done, tried again: ${answerWords(error)}`);
        await this.#wait(this.#deps.limits().pollMs, signal);
      }
    }
  }

  async release(): Promise<void> {
    const gate = this.#gate;
    this.#gate = undefined;
    this.#placed = false;
    await gate?.release();
  }

  async #keepGate(gated: boolean, signal: AbortSignal): Promise<void> {
    if (this.#gate !== undefined && (!gated || !this.#gate.fits)) {
      await this.release();
    }
    if (gated && this.#gate === undefined) {
      this.#gate = await takeGate({ ...this.#deps, watchCall: this.#watchCall }, signal);
      // Waiting for the gate is no part of the step.
      this.#atStepSinceMs = this.#deps.timers.now();
    }
  }

  async #look(): Promise<Sight> {
    const { step, request, newReplica } = this.#entry.value;
    const [reading, cancelled, standing] = await Promise.all([
      this.#read(request.volumeId),
      this.#deps.journal.isCancelled(request.moveId),
      step === 'analyze' || step === 'gate-grow' ? this.#askStanding() : ({ kind: 'not-asked', reason: '' } as const),
    ]);
    const now = this.#deps.timers.now();
    const synced = reading?.volume !== undefined && newReplica !== undefined && isSynced(reading.volume, newReplica.uuid);
    this.#syncedSinceMs = synced ? (this.#syncedSinceMs ?? now) : undefined;
    return {
      reading,
      nowMs: this.#deps.clock(),
      atStepMs: now - this.#atStepSinceMs,
      cancelled,
      standing,
      syncedForMs: this.#syncedSinceMs === undefined ? 0 : now - this.#syncedSinceMs,
      gate: this.#gate === undefined ? 'none' : this.#placed ? 'held' : 'fresh',
      ...(this.#answer === undefined
        ? {}
        : { answer: { kind: this.#answer.kind, message: this.#answer.message, ageMs: now - this.#answer.atMs } }),
    };
  }

  async #read(volumeId: string): Promise<Reading | undefined> {
    const { mayastor, metrics, logger } = this.#deps;
    try {
      // Placement first: what the volume looks like must not be older than the gates that it is judged by.
      const [pools, nodes] = await Promise.all([mayastor.listPools(), mayastor.listNodes()]);
      const volume = await mayastor.getVolume(volumeId);
      if (!this.#mayastorUp) {
        this.#settleAnew();
      }
      this.#mayastorUp = true;
      metrics.mayastorUp.set(1);
      return { volume, pools, nodes };
    } catch (error) {
      if (this.#mayastorUp) {
        logger.warn({ error: describeError(error) }, 'Mayastor cannot be read; the move waits');
        this.#note(`Mayastor could not be read: ${answerWords(error)}`);
      }
      this.#mayastorUp = false;
      metrics.mayastorUp.set(0);
      return undefined;
    }
  }

  /** What Mayastor says first when it is back may be from before it went away: everything has its time to show once more. */
  #settleAnew(): void {
    const now = this.#deps.timers.now();
    this.#atStepSinceMs = now;
    this.#answer = this.#answer && { ...this.#answer, atMs: now };
  }

  async #askStanding(): Promise<Sight['standing']> {
    const { moveId, volumeId, epoch, policy } = this.#entry.value.request;
    try {
      const answer = await this.#deps.bus.call(
        moveStanding,
        { moveId, volumeId, epoch, policyUid: policy.uid, policyGeneration: policy.generation },
        { timeoutMs: standingTimeoutMs },
      );
      return { kind: answer.stands ? 'stands' : 'withdrawn', reason: answer.reason };
    } catch (error) {
      if (error instanceof CodedError && BusError.is(error)) {
        return { kind: 'unanswered', reason: `The brain did not say whether the move still stands: ${error.message}`.slice(0, 500) };
      }
      throw error;
    }
  }

  async #write(move: MoveRecord): Promise<void> {
    const { value: old } = this.#entry;
    if (move === old) {
      return;
    }
    // Ours from here on, whatever becomes of the message about it.
    this.#entry = await this.#deps.journal.replace(this.#entry, { ...move, story: withNotes(move.story, old.story, this.#notes) });
    this.#notes = [];
    if (move.step !== old.step) {
      this.#deps.logger.info({ from: old.step, step: move.step }, move.story.at(-1)?.text ?? '');
      this.#answer = undefined;
      this.#atStepSinceMs = this.#deps.timers.now();
    }
    if (move.step !== old.step || move.syncPercent !== old.syncPercent) {
      await this.#deps.journal.tellAdvanced(this.#entry);
    }
  }

  async #do(effect: Effect, again: boolean, signal: AbortSignal): Promise<void> {
    if (again && effect.kind !== 'wait') {
      await this.#wait(this.#deps.limits().pollMs, signal);
    }
    const { journal } = this.#deps;
    const { moveId, volumeId } = this.#entry.value.request;
    if (effect.kind !== 'look' && effect.kind !== 'wait') {
      // Waiting for the gate took its time: a record that another process has advanced meanwhile tells us nothing to do.
      await journal.assertCurrent(this.#entry);
    }
    switch (effect.kind) {
      case 'look':
        return;
      case 'wait':
        return this.#wait(effect.ms, signal);
      case 'place-gates':
        return this.#placeGates(effect.plan, effect.outdatedMarks);
      case 'place-bias': {
        const gate = this.#heldGate();
        const { bias } = effect;
        this.#placed = true;
        return bias.kind === 'node-cordon'
          ? gate.cordonNode(bias.node, nodeCordonLabel(moveId))
          : gate.hideLabel(bias.pool, { moveId, key: bias.key, value: bias.value });
      }
      case 'undo-gates':
        await this.#heldGate().undoAll();
        this.#placed = false;
        return;
      case 'put-replica-count':
        return this.#putReplicaCount(effect.count);
      case 'unmark-volume':
        return this.#unlabel(effect.pool, volumeMarkKey(volumeId));
      case 'mark-kept': {
        const value = formatVolumeMark({ moveId, originalReplicas: effect.originalReplicas, kept: true });
        return this.#label(effect.pool, volumeMarkKey(volumeId), value);
      }
      case 'close':
        this.#deps.onFinished(await journal.close(this.#entry, { nowMs: this.#deps.clock(), story: this.#wholeStory() }));
        this.#closed = true;
    }
  }

  async #placeGates(plan: NonNullable<MoveRecord['plan']>, outdatedMarks: readonly string[]): Promise<void> {
    const gate = this.#heldGate();
    const { request, originalReplicas = 0 } = this.#entry.value;
    this.#placed = true;
    // One mark a volume: by it alone the replica is found that is one too many.
    for (const pool of outdatedMarks) {
      await this.#unlabel(pool, volumeMarkKey(request.volumeId));
    }
    const value = formatVolumeMark({ moveId: request.moveId, originalReplicas, kept: false });
    await this.#label(plan.destination.pool, volumeMarkKey(request.volumeId), value);
    for (const pool of plan.cordonPools) {
      await gate.cordonPool(pool, request.moveId);
    }
  }

  /** The call that all the rest is about. Its answer is only noted: what came of it is read, never concluded. */
  async #putReplicaCount(count: number): Promise<void> {
    const note = (kind: Answer['kind'], message: string): void => {
      this.#answer = { kind, message, atMs: this.#deps.timers.now() };
    };
    if (this.#gate?.fits !== true) {
      note('unsent', 'The gate lock would not have outlasted the call.');
      return;
    }
    const { volumeId } = this.#entry.value.request;
    try {
      await this.#watchCall(`set num_replicas to ${count}`, () => this.#deps.mayastor.setReplicaCount(volumeId, count));
      note('ok', '');
    } catch (error) {
      const kind = answerKind(error);
      this.#deps.logger.warn({ count, answer: kind, error: describeError(error) }, 'Mayastor did not confirm the replica count');
      note(kind, describeError(error).slice(0, 1_000));
    }
  }

  async #label(pool: string, key: string, value: string): Promise<void> {
    try {
      await this.#watchCall(`mark pool ${pool} (${key}=${value})`, () =>
        this.#deps.mayastor.labelPool(pool, { key, value, overwrite: true }),
      );
    } catch (error) {
      if (!MayastorError.is(error, 'ALREADY_EXISTS')) {
        throw error;
      }
    }
  }

  async #unlabel(pool: string, key: string): Promise<void> {
    try {
      await this.#watchCall(`unmark pool ${pool} (${key})`, () => this.#deps.mayastor.unlabelPool(pool, key));
    } catch (error) {
      if (!MayastorError.is(error, 'PRECONDITION') && !MayastorError.is(error, 'NOT_FOUND')) {
        throw error;
      }
    }
  }

  readonly #watchCall: WatchCall = async (words, call) => {
    const { clock, timers } = this.#deps;
    const [atMs, beganMs] = [clock(), timers.now()];
    const told = (answer: string): void => this.#note(words, { atMs, answer, tookMs: Math.round(timers.now() - beganMs) });
    try {
      const result = await call();
      told('done');
      return result;
    } catch (error) {
      told(answerWords(error));
      throw error;
    }
  };

  #note(text: string, call?: { atMs: number; answer: string; tookMs: number }): void {
    const { step } = this.#entry.value;
    this.#notes = addNote(this.#notes, { atMs: call?.atMs ?? this.#deps.clock(), step, text, ...(call === undefined ? {} : { call }) });
  }

  #wholeStory(): MoveRecord['story'] {
    const { story } = this.#entry.value;
    return withNotes(story, story, this.#notes);
  }

  #heldGate(): Gate {
    if (this.#gate?.fits !== true) {
      throw new MigratorError('GATE_LOST');
    }
    return this.#gate;
  }

  /**
   * A gated step is finished before a shutdown is heeded: it is short, and what it leaves would close pools for others. For the same reason
   * it is looked at often.
   */
  #wait(ms: number, signal: AbortSignal): Promise<void> {
    return gatedSteps.has(this.#entry.value.step)
      ? this.#deps.timers.sleep(Math.min(ms, gatedPollMaxMs))
      : this.#deps.timers.sleep(ms, signal);
  }
}

const answerKinds = [
  ['CONFLICT', 'conflict'],
  ['PRECONDITION', 'precondition'],
  ['NO_RESOURCES', 'no-resources'],
  ['UNREACHABLE', 'unsent'],
] as const;

function answerKind(error: unknown): Answer['kind'] {
  if (mayHaveHadEffect(error)) {
    return 'ambiguous';
  }
  return answerKinds.find(([code]) => MayastorError.is(error, code))?.[1] ?? 'refused';
}

/** What a call was answered, in short: Mayastor's status and words where it gave any. */
function answerWords(error: unknown): string {
  if (!(error instanceof CodedError)) {
    return describeError(error);
  }
  const { status, kind, details, problem } = error.facts;
  return [error.code, status, kind, details ?? problem].filter((part) => part !== undefined).join(' ');
}
