import { countedMovesMax, type PolicyRecord, policyHistoryMax, policyRecordSchema } from '@couchestor/shared/contracts/brain';
import { moveOutcomes } from '@couchestor/shared/contracts/migration';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { finishedMove, nowMs } from '../testing/fixtures.ts';
import { countFinish, emptyRecord, seedRecord, totalsOf } from './policy-record.ts';

const moveId = (n: number) => `m${n.toString(16).padStart(16, '0')}`;

function moveNumber(n: number, outcome: (typeof moveOutcomes)[number] = 'success') {
  return { ...finishedMove(outcome, { moveId: moveId(n) }), finishedAt: new Date(nowMs + n * 1_000).toISOString() };
}

function after(moves: readonly ReturnType<typeof moveNumber>[], record: PolicyRecord = emptyRecord): PolicyRecord {
  return moves.reduce((before, move) => countFinish(before, move, `pv-${move.moveId}`), record);
}

describe('the record of a policy', () => {
  it.each([
    ['success', { total: 1, failed: 0 }, 1],
    ['failed', { total: 1, failed: 1 }, 1],
    ['aborted', { total: 1, failed: 0 }, 1],
    ['kept-old', { total: 0, failed: 0 }, 1],
    ['refused', { total: 0, failed: 0 }, 0],
    ['no-op', { total: 0, failed: 0 }, 0],
  ] as const)('counts a move that ended as %s', (outcome, totals, lines) => {
    const record = after([moveNumber(1, outcome)]);
    expect(totalsOf(record)).toEqual(totals);
    expect(record.history).toHaveLength(lines);
  });

  it('counts each move once, in whatever order and however often the ends are reported', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ n: fc.nat(40), outcome: fc.constantFrom(...moveOutcomes) }), { maxLength: 120 }), (reports) => {
        const outcomes = new Map(reports.map(({ n, outcome }) => [n, outcome]));
        const record = after(reports.map(({ n }) => moveNumber(n, outcomes.get(n))));
        const ended = [...outcomes.values()];
        expect(totalsOf(record)).toEqual({
          total: ended.filter((outcome) => ['success', 'failed', 'aborted'].includes(outcome)).length,
          failed: ended.filter((outcome) => outcome === 'failed').length,
        });
        expect(policyRecordSchema.parse(record)).toEqual(record);
      }),
    );
  });

  it('does not count again a move that it has forgotten', () => {
    const many = Array.from({ length: countedMovesMax + 10 }, (_, index) => moveNumber(index + 1));
    const record = after(many);
    expect(record.counted).toHaveLength(countedMovesMax);
    expect(after(many.slice(0, 5), record)).toBe(record);
    expect(totalsOf(record).total).toBe(many.length);
  });

  it('keeps the newest lines, newest first, also where an older end is reported late', () => {
    const numbers = Array.from({ length: policyHistoryMax + 5 }, (_, index) => index + 1);
    const [late, ...others] = numbers.map((n) => moveNumber(n));
    const record = after([...others, ...(late === undefined ? [] : [late])]);
    expect(record.history.map((line) => line.moveId)).toEqual(numbers.slice(-policyHistoryMax).reverse().map(moveId));
    expect(record.history[0]?.volumeName).toBe(`pv-${moveId(numbers.length)}`);
  });

  it('goes on from what the status says, whether a move was counted before it was asked or after', () => {
    const said = { total: 57, failed: 3 };
    const before = seedRecord(after([moveNumber(1, 'failed')]), said);
    const later = after([moveNumber(1, 'failed')], seedRecord(emptyRecord, said));
    expect(totalsOf(before)).toEqual({ total: 58, failed: 4 });
    expect(totalsOf(later)).toEqual({ total: 58, failed: 4 });
  });

  it('takes nothing from a status that lags behind, and more from one that is ahead', () => {
    const record = after([moveNumber(1), moveNumber(2)], seedRecord(emptyRecord, { total: 10, failed: 0 }));
    expect(seedRecord(record, { total: 11, failed: 0 })).toBe(record);
    expect(totalsOf(seedRecord(record, { total: 20, failed: 4 }))).toEqual({ total: 20, failed: 4 });
  });
});
