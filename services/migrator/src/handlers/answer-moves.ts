/** Answers of the migrator about its moves: list, show and cancel. */
import type { Bus, Stoppable } from '@couchestor/shared/bus/connect';
import { cancelMove, listMoves, type MoveRecord, type MoveView, showMove } from '@couchestor/shared/contracts/migrator';
import type { Clock } from '@couchestor/shared/time';
import type { FinishedMoveRecord, Journal } from '../adapters/journal.ts';
import { MigratorError } from '../errors.ts';

export interface AnswerDeps {
  readonly journal: Journal;
  readonly clock: Clock;
}

export async function answerMoves(bus: Pick<Bus, 'serve'>, deps: AnswerDeps): Promise<Stoppable[]> {
  return [
    await bus.serve(listMoves, async ({ finishedLimit }) => {
      const [open, finished] = await Promise.all([deps.journal.open.entries(), deps.journal.finished.entries()]);
      return {
        open: open.map(({ value }) => viewOf(value)).sort(byStart),
        finished: finished
          .map(({ value }) => viewOf(value))
          .sort((left, right) => (right.finishedAt ?? '').localeCompare(left.finishedAt ?? ''))
          .slice(0, finishedLimit),
      };
    }),
    await bus.serve(showMove, async ({ move }) => {
      const record = await find(deps, move);
      const startMs = Date.parse(record.startedAt);
      return { move: viewOf(record), story: record.story.map((line) => ({ ...line, sinceStartMs: Date.parse(line.at) - startMs })) };
    }),
    await bus.serve(cancelMove, async ({ move }) => {
      const record = await find(deps, move);
      const { moveId } = record.request;
      if (record.result !== undefined) {
        throw new MigratorError('MOVE_ENDED', { moveId, outcome: record.result.outcome });
      }
      await deps.journal.cancel(moveId, new Date(deps.clock()).toISOString());
      const late = record.step === 'scale-down' || record.step === 'ungate-shrink';
      const message = late
        ? 'The old replica is being removed already; the move stops before the next one.'
        : 'The volume is brought back to what it was.';
      return { moveId, message };
    }),
  ];
}

/** An open move, else the newest ended one of this move id or volume id. */
async function find({ journal }: AnswerDeps, id: string): Promise<MoveRecord | FinishedMoveRecord> {
  const named = ({ value }: { value: MoveRecord }): boolean => value.request.moveId === id || value.request.volumeId === id;
  const open = (await journal.open.entries()).find(named);
  if (open !== undefined) {
    return open.value;
  }
  const ended = (await journal.finished.entries()).filter(named).map(({ value }) => value);
  const [newest] = ended.sort((left, right) => right.finishedAt.localeCompare(left.finishedAt));
  if (newest === undefined) {
    throw new MigratorError('UNKNOWN_MOVE', { move: id });
  }
  return newest;
}

function viewOf(record: MoveRecord | FinishedMoveRecord): MoveView {
  const { request, plan } = record;
  return {
    moveId: request.moveId,
    volumeId: request.volumeId,
    policy: request.policy.name,
    from: request.from,
    to: request.to,
    step: record.step,
    replicasMoved: record.replicasMoved,
    replicasPlanned: record.replicasPlanned,
    startedAt: record.startedAt,
    ...(record.syncPercent === undefined ? {} : { syncPercent: record.syncPercent }),
    ...(plan === undefined ? {} : { sourcePool: plan.source.pool, destinationPool: plan.destination.pool }),
    ...('finishedAt' in record ? { finishedAt: record.finishedAt } : {}),
    ...(record.result === undefined ? {} : { result: record.result }),
  };
}

function byStart(left: MoveView, right: MoveView): number {
  return left.startedAt.localeCompare(right.startedAt);
}
