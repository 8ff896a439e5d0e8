/** Answers of the migrator about its moves: list, show and cancel. */
import type { Stoppable, Bus } from '@couchestor/shared/bus/connect';
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
      return { move: viewOf(record), story: record.story };
    }),
    await bus.serve(cancelMove, async ({ move }) => {
      const record = await find(deps, move);
      const { moveId } = record.request;
      if (record.result !== undefined) {
        throw new MigratorError('MOVE_ENDED', { moveId, outcome: record.result.outcome });
      }
      await deps.journal.cancel(moveId, new Date(deps.clock()).toISOString());
      const late = record.step === 'scale-down' || record.step === 'ungate-shrink';
      const message = late ? 'The old replica is being removed already; the move stops before the next one.' : 'The volume is brought back to what it was.';
      return { moveId, message };
    }),
  ];
}

async function find({ journal }: AnswerDeps, id: string): Promise<MoveRecord | FinishedMoveRecord> {
  const open = (await journal.open.entries()).find(({ key, value }) => key === id || value.request.moveId === id);
  const found = open ?? (/^m[0-9a-f]{16}$/.test(id) ? await journal.finished.get(id) : undefined);
  if (found === undefined) {
    throw new MigratorError('UNKNOWN_MOVE', { move: id });
  }
  return found.value;
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
