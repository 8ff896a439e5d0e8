/**
 * Looks at start, and every so often, for what fell between the stores: open moves without a job (Redis lost them), and marks in Mayastor
 * without an open move (NATS lost the journal). With both brokers wiped, the marks alone bring every volume back to what it was (S11).
 */
import { createHash } from 'node:crypto';
import type { MoveRecord, PlacedReplica } from '@couchestor/shared/contracts/migrator';
import { describeError } from '@couchestor/shared/errors';
import { poolLabels } from '@couchestor/shared/mayastor/read';
import type { Volume } from '@couchestor/shared/mayastor/schema';
import { findLeftovers, findVolumeMarks, formatVolumeMark, volumeMarkKey } from '@couchestor/shared/placement/marks';
import { placedReplicas } from '@couchestor/shared/placement/world';
import { sleep } from '@couchestor/shared/time';
import { takeGate } from '../adapters/gate.ts';
import { jobIdOf, queueMove } from '../adapters/queue-move.ts';
import { endings } from '../domain/endings.ts';
import type { AcceptDeps } from './on-migration-requested.ts';
import type { RunDeps } from './run-migrate-volume.ts';

export interface SweepDeps extends RunDeps, Omit<AcceptDeps, 'logger' | 'journal' | 'clock'> {
  readonly intervalMs: number;
  /** Volumes whose move runs in this process now. */
  readonly running: ReadonlySet<string>;
}

export async function sweepLoop(deps: SweepDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sweepOnce(deps, signal);
    await sleep(deps.intervalMs, signal).catch(() => undefined);
  }
}

export async function sweepOnce(deps: SweepDeps, signal: AbortSignal): Promise<void> {
  for (const [what, sweep] of [
    ['open moves without a job', queueForgotten],
    ['marks without a move', recoverMarks],
  ] as const) {
    try {
      await sweep(deps, signal);
    } catch (error) {
      if (!signal.aborted) {
        deps.logger.warn({ error: describeError(error) }, `could not look for ${what}; trying again later`);
      }
    }
  }
}

async function queueForgotten(deps: SweepDeps): Promise<void> {
  const open = await deps.journal.open.entries();
  for (const entry of open) {
    if (deps.running.has(entry.key) || (await deps.queue.has(jobIdOf(entry.value)))) {
      continue;
    }
    // A new attempt gives a new job id: one that still exists somewhere would swallow the job.
    const next = await deps.journal.replaceIfCurrent(entry, { ...entry.value, attempt: entry.value.attempt + 1 });
    if (next !== undefined) {
      deps.logger.info({ moveId: next.value.request.moveId, volumeId: next.key, step: next.value.step }, 'taking up an open move again');
      await queueMove(deps, next);
    }
  }
}

async function recoverMarks(deps: SweepDeps, signal: AbortSignal): Promise<void> {
  // Marks first, the journal second: a move that is accepted in between is then seen as open.
  const [pools, nodes] = await Promise.all([deps.mayastor.listPools(), deps.mayastor.listNodes()]);
  const open = new Set((await deps.journal.open.entries()).map(({ key }) => key));
  if (open.size === 0 && findLeftovers(pools, nodes).length > 0) {
    deps.logger.warn('undoing cordons and labels of a move of which no record is left');
    await (await takeGate(deps, signal)).release();
  }
  for (const mark of findVolumeMarks(pools)) {
    if (!open.has(mark.volumeId)) {
      await recoverVolume(deps, mark);
    }
  }
}

type FoundMark = ReturnType<typeof findVolumeMarks>[number];

async function recoverVolume(deps: SweepDeps, mark: FoundMark): Promise<void> {
  // Read again after the journal: a move that ended in between took its mark with it before it let go of its record.
  const pool = await deps.mayastor.getPool(mark.pool);
  if (pool === undefined || poolLabels(pool)[volumeMarkKey(mark.volumeId)] !== formatVolumeMark(mark)) {
    return;
  }
  const volume = await deps.mayastor.getVolume(mark.volumeId);
  const grown = volume !== undefined && volume.spec.num_replicas > mark.originalReplicas;
  if (mark.kept && grown) {
    return;
  }
  if (mark.kept || volume === undefined) {
    await deps.mayastor.unlabelPool(mark.pool, volumeMarkKey(mark.volumeId));
    return;
  }
  if (!isSettled(volume)) {
    deps.logger.warn({ volumeId: mark.volumeId, pool: mark.pool }, 'a move without a record is undone once its volume has settled');
    return;
  }
  const created = await deps.journal.open.create(mark.volumeId, recoveredRecord(deps, mark, { replicas: placedReplicas(volume), grown }));
  if (created !== undefined) {
    deps.logger.warn({ volumeId: mark.volumeId, pool: mark.pool }, 'undoing a move of which no record is left');
    await queueMove(deps, created);
  }
}

/** Whether what is read now is all that there is: no operation in flight, as many replicas as wanted, and each one's place known. */
function isSettled(volume: Volume): boolean {
  const replicas = placedReplicas(volume);
  const inFlight = (volume.spec.operation ?? undefined) !== undefined;
  return !inFlight && replicas.length === volume.spec.num_replicas && replicas.every(({ pool, node }) => pool !== '' && node !== '');
}

/** A record that takes back what the mark tells of: the replica on the marked pool is the one too many. */
function recoveredRecord(deps: SweepDeps, mark: FoundMark, seen: { replicas: readonly PlacedReplica[]; grown: boolean }): MoveRecord {
  const { replicas, grown } = seen;
  const nowMs = deps.clock();
  const at = new Date(nowMs).toISOString();
  const newReplica = grown ? replicas.find(({ pool }) => pool === mark.pool) : undefined;
  // One too many, and none where the mark is: nobody can tell which one, so it is left to a person.
  const ending = grown && newReplica === undefined ? 'ROLL_BACK_REFUSED' : 'RECOVERED';
  const { outcome, help: message } = endings[ending];
  return {
    request: {
      // Another id than the lost move's, whose end the brain may know already.
      moveId: `m${createHash('sha256').update(`recover ${mark.moveId} ${mark.volumeId} ${at}`).digest('hex').slice(0, 16)}`,
      volumeId: mark.volumeId,
      policy: { name: '(recovered)', uid: '(recovered)', generation: 0 },
      epoch: 0,
      from: 'mixed',
      to: 'cold',
      selectors: {},
      triggerIops: 0,
      reason: `A mark of move ${mark.moveId} was found on pool ${mark.pool}, and no record of it.`,
      expiresAt: at,
      syncTimeoutMs: 60_000,
      capacityWatermarkPercent: 100,
      allowSnapshots: true,
      preservationMode: false,
    },
    step: newReplica === undefined ? 'finish' : 'gate-rollback',
    attempt: 0,
    startedAt: at,
    originalReplicas: mark.originalReplicas,
    ...(newReplica === undefined ? {} : { newReplica, before: replicas.filter((replica) => replica !== newReplica) }),
    scaleDownSent: false,
    tries: 0,
    replicasMoved: 0,
    replicasPlanned: 0,
    bytesMoved: 0,
    syncedMs: 0,
    result: { outcome, code: ending, message, replicasMoved: 0, bytesMoved: 0 },
    story: [{ at, step: 'finish', text: message }],
  };
}
