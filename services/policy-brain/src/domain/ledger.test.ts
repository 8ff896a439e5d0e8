import { createHash } from 'node:crypto';
import { type LedgerEntry, ledgerEntrySchema, ledgerHistoryMax } from '@couchestor/shared/contracts/brain';
import { moveOutcomes } from '@couchestor/shared/contracts/migration';
import { describe, expect, it } from 'vitest';
import { finishedMove, nowMs, requestFor, volumeId } from '../testing/fixtures.ts';
import {
  advance,
  backOffMs,
  emptyEntry,
  failuresMax,
  finish,
  firstBackOffMs,
  moveIdOf,
  request,
  restamp,
  retry,
  withdraw,
} from './ledger.ts';

const cooldownMs = 24 * 3_600_000;
const facts = { atMs: nowMs, cooldownMs, numReplicas: 2 };
const at = (ms: number) => new Date(nowMs + ms).toISOString();
const asked = request(emptyEntry, { request: requestFor(), numReplicas: 2, sight: 'seen' });
const { moveId } = requestFor();

describe('a request', () => {
  it('has an id that follows from the volume and the number of the request', () => {
    expect(moveIdOf(volumeId(1), 3)).toBe(
      `m${createHash('sha256')
        .update(`${volumeId(1)}:3`)
        .digest('hex')
        .slice(0, 16)}`,
    );
  });

  it('is counted and pending, and there is at most one', () => {
    expect(asked).toMatchObject({ requests: 1, pending: { accepted: false, numReplicas: 2 } });
    expect(() => request(asked, { request: requestFor(), numReplicas: 2, sight: '' })).toThrow(/already has the pending move/);
  });

  it('is accepted with its first step, and a repeated step changes nothing', () => {
    const accepted = advance(asked, moveId, 'analyze');
    expect(accepted.pending).toMatchObject({ accepted: true, step: 'analyze' });
    expect(advance(accepted, moveId, 'analyze')).toBe(accepted);
    expect(advance(accepted, moveId, 'scale-up').pending?.step).toBe('scale-up');
  });

  it('is not touched by news of another move', () => {
    expect(advance(asked, 'mffffffffffffffff', 'analyze')).toBe(asked);
    expect(withdraw(asked, 'mffffffffffffffff')).toBe(asked);
  });

  it('is withdrawn without a trace but its number', () => {
    expect(withdraw(asked, moveId)).toEqual({ ...emptyEntry, requests: 1 });
  });

  it('is taken over by a later brain until it is accepted', () => {
    expect(restamp(asked, 4).pending?.request.epoch).toBe(4);
    const accepted = advance(asked, moveId, 'analyze');
    expect(restamp(accepted, 4)).toBe(accepted);
  });
});

describe('the end of a move', () => {
  const ends: Record<(typeof moveOutcomes)[number], Partial<LedgerEntry>> = {
    success: { lastMovedAt: at(0), failures: 0 },
    failed: { failures: 3, retryAt: at(4 * firstBackOffMs) },
    aborted: { failures: 2, retryAt: at(2 * firstBackOffMs) },
    refused: {
      failures: 2,
      refusal: { code: 'REFUSED', message: 'It ended as refused.', causeFingerprint: 'cause', to: 'hot', at: at(0), sight: 'seen' },
    },
    'no-op': { failures: 2, retryAt: at(2 * firstBackOffMs) },
    'kept-old': { lastMovedAt: at(0), failures: 2, keptOld: { numReplicas: 2, message: 'It ended as kept-old.' } },
  };

  it.each(moveOutcomes)('as %s has exactly its documented effects', (outcome) => {
    const move = finishedMove(outcome, outcome === 'refused' ? { causeFingerprint: 'cause' } : {});
    const { volumeId: _id, ...line } = move;
    const after = finish({ ...asked, failures: 2 }, move, facts);
    expect(after).toEqual({ requests: 1, ...ends[outcome], history: [line] });
    expect(ledgerEntrySchema.parse(after)).toEqual(after);
  });

  it.each(moveOutcomes)('as %s changes nothing when it is told again', (outcome) => {
    const once = finish(asked, finishedMove(outcome), facts);
    expect(finish(once, finishedMove(outcome), { ...facts, atMs: nowMs + 1_000 })).toBe(once);
  });

  it('starts the cooldown where a failed move has moved some replicas', () => {
    expect(finish(asked, finishedMove('failed', { replicasMoved: 1 }), facts).lastMovedAt).toBe(at(0));
  });

  it.each([
    ['MIG_CANCELLED', at(cooldownMs)],
    ['MIG_WITHDRAWN', undefined],
    ['EXPIRED', undefined],
    ['VOLUME_GONE', at(firstBackOffMs)],
  ])('as aborted with %s is tried again from %s', (code, retryAt) => {
    expect(finish(asked, finishedMove('aborted', { code }), facts).retryAt).toBe(retryAt);
  });

  it('leaves a newer request alone', () => {
    const after = finish(asked, finishedMove('success', { moveId: 'mffffffffffffffff' }), facts);
    expect(after.pending).toEqual(asked.pending);
    expect(after.history).toHaveLength(1);
  });

  it('is kept in a history of fifty, newest first', () => {
    let entry: LedgerEntry = emptyEntry;
    for (let n = 1; n <= ledgerHistoryMax + 5; n += 1) {
      entry = finish(entry, finishedMove('success', { moveId: moveIdOf(volumeId(1), n) }), facts);
    }
    expect(entry.history).toHaveLength(ledgerHistoryMax);
    expect(entry.history[0]?.moveId).toBe(moveIdOf(volumeId(1), ledgerHistoryMax + 5));
  });

  it('pauses only where one cause is refused a second time', () => {
    const again = (entry: LedgerEntry, causeFingerprint: string) =>
      finish(
        request(entry, { request: requestFor({ moveId: 'm00000000000000aa' }), numReplicas: 2, sight: 'b' }),
        finishedMove('refused', { moveId: 'm00000000000000aa', causeFingerprint }),
        facts,
      );
    const first = finish(asked, finishedMove('refused', { causeFingerprint: 'cause' }), facts);
    expect(first.retryAt).toBeUndefined();
    expect(again(first, 'cause').retryAt).toBe(at(firstBackOffMs));
    expect(again(first, 'another').retryAt).toBeUndefined();
  });
});

describe('the back-off', () => {
  it('doubles from five minutes up to the cooldown', () => {
    expect([1, 2, 3, 4].map((failures) => backOffMs(failures, cooldownMs) / 60_000)).toEqual([5, 10, 20, 40]);
    expect(backOffMs(50, cooldownMs)).toBe(cooldownMs);
    expect(backOffMs(1, 20_000)).toBe(20_000);
  });

  it('is cleared by a retry, with the failures and the refusal, but not the cooldown', () => {
    const held = {
      ...emptyEntry,
      failures: failuresMax,
      retryAt: at(1),
      lastMovedAt: at(0),
      keptOld: { numReplicas: 2, message: 'Kept.' },
    };
    expect(retry(held)).toEqual({ ...emptyEntry, lastMovedAt: at(0), keptOld: held.keptOld });
  });
});
