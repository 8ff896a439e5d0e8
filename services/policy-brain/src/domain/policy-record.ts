/**
 * How many moves a policy has made, and the last of them: what its status shows of the past. Pure; the store makes each change by
 * compare-and-set.
 *
 * The ledger cannot tell: it keeps fifty moves a volume and forgets volumes that are gone. Nor is the record alone enough, because it is
 * lost with JetStream's data, and the status alone neither, because it lags behind. So a new record begins at what the status says, and
 * counts each move once, however often its end is reported.
 */
import { countedMovesMax, type PolicyRecord, policyHistoryMax } from '@couchestor/shared/contracts/brain';
import type { FinishedMove, MoveOutcome } from '@couchestor/shared/contracts/migration';

export interface MoveTotals {
  readonly total: number;
  readonly failed: number;
}

export const emptyRecord: PolicyRecord = Object.freeze({
  total: 0,
  failed: 0,
  before: { total: 0, failed: 0 },
  seeded: false,
  counted: [],
  history: [],
});

/** What each outcome is in a policy's numbers. */
const outcomeCounts = {
  success: { total: 1, failed: 0, shown: true },
  failed: { total: 1, failed: 1, shown: true },
  aborted: { total: 1, failed: 0, shown: true },
  // The replica was made and the old one stayed: worth a line, and neither a move nor a failure.
  'kept-old': { total: 0, failed: 0, shown: true },
  // Nothing was begun.
  refused: { total: 0, failed: 0, shown: false },
  'no-op': { total: 0, failed: 0, shown: false },
} as const satisfies Record<MoveOutcome, { total: 0 | 1; failed: 0 | 1; shown: boolean }>;

/** The record itself where the move is in it already, or changes nothing in it. */
export function countFinish(record: PolicyRecord, move: FinishedMove, volumeName: string): PolicyRecord {
  const { total, failed, shown } = outcomeCounts[move.result.outcome];
  if (!shown || isCounted(record, move)) {
    return record;
  }
  const { policy: _key, ...line } = move;
  return {
    ...record,
    total: record.total + total,
    failed: record.failed + failed,
    counted: [{ moveId: move.moveId, finishedAt: move.finishedAt }, ...record.counted].slice(0, countedMovesMax),
    history: [{ ...line, volumeName }, ...record.history].sort(newestFirst).slice(0, policyHistoryMax),
  };
}

/** Takes in what the status says. The record itself where it says nothing new. */
export function seedRecord(record: PolicyRecord, said: MoveTotals): PolicyRecord {
  if (!record.seeded) {
    return { ...record, before: { total: said.total, failed: said.failed }, seeded: true };
  }
  // More than we ever counted: what JetStream has is older than what was written into the status.
  const before = {
    total: Math.max(record.before.total, said.total - record.total),
    failed: Math.max(record.before.failed, said.failed - record.failed),
  };
  return before.total === record.before.total && before.failed === record.before.failed ? record : { ...record, before };
}

export function totalsOf(record: PolicyRecord | undefined): MoveTotals {
  return record === undefined
    ? { total: 0, failed: 0 }
    : { total: record.before.total + record.total, failed: record.before.failed + record.failed };
}

function isCounted({ counted }: PolicyRecord, { moveId, finishedAt }: FinishedMove): boolean {
  if (counted.some((one) => one.moveId === moveId)) {
    return true;
  }
  // Older than the oldest that is remembered: an end that is reported again rather than one that nobody has reported for so long.
  return counted.length >= countedMovesMax && counted.every((one) => Date.parse(one.finishedAt) > Date.parse(finishedAt));
}

function newestFirst(left: { finishedAt: string }, right: { finishedAt: string }): number {
  return Date.parse(right.finishedAt) - Date.parse(left.finishedAt);
}
