/**
 * What the ledger says after each thing that happens to a volume's moves. Pure: the store makes each change by compare-and-set.
 *
 * All times are JetStream's, as they stand on the message or record, so that neither the brain's nor the migrator's clock decides when a
 * cooldown ends.
 */
import { createHash } from 'node:crypto';
import { type LedgerEntry, ledgerHistoryMax } from '@couchestor/shared/contracts/brain';
import type { FinishedMove, MoveOutcome, MoveRequest } from '@couchestor/shared/contracts/migration';

export const emptyEntry: LedgerEntry = Object.freeze({ requests: 0, failures: 0, history: [] });

/** Failures after which the volume waits for `migrations retry`. */
export const failuresMax = 5;
export const firstBackOffMs = 5 * 60_000;

/** What each outcome does beside ending the move. `pause`: how long nothing further is tried. */
export const outcomeEffects = {
  success: { failure: 'cleared', pause: 'none' },
  failed: { failure: 'counted', pause: 'back-off' },
  // Somebody said no, or the order lapsed: not a failure.
  aborted: { failure: 'kept', pause: 'by-code' },
  // Held back by its cause, not by time; the pause only keeps one cause from being tried in every round.
  refused: { failure: 'kept', pause: 'where-repeated' },
  // Migrator and brain saw different things: look again before asking again.
  'no-op': { failure: 'kept', pause: 'back-off' },
  'kept-old': { failure: 'kept', pause: 'none' },
} as const satisfies Record<
  MoveOutcome,
  { failure: 'cleared' | 'counted' | 'kept'; pause: 'none' | 'back-off' | 'by-code' | 'where-repeated' }
>;

/** Deterministic: the same request is the same move, however often it is made. */
export function moveIdOf(volumeId: string, requests: number): string {
  return `m${createHash('sha256').update(`${volumeId}:${requests}`).digest('hex').slice(0, 16)}`;
}

export function request(entry: LedgerEntry, o: { request: MoveRequest; numReplicas: number; sight: string }): LedgerEntry {
  if (entry.pending !== undefined) {
    throw new TypeError(`${o.request.volumeId} already has the pending move ${entry.pending.request.moveId}`);
  }
  const { keptOld: _removedByHand, ...rest } = entry;
  return { ...rest, requests: entry.requests + 1, pending: { ...o, accepted: false } };
}

/** The migrator has journaled the move, or reached a further step. Unchanged where the move is not the pending one. */
export function advance(entry: LedgerEntry, moveId: string, step: string): LedgerEntry {
  const { pending } = entry;
  if (pending === undefined || pending.request.moveId !== moveId || (pending.accepted && pending.step === step)) {
    return entry;
  }
  return { ...entry, pending: { ...pending, accepted: true, step } };
}

/** Takes a request back, or clears one that expired unaccepted. Unchanged where it is not the pending one. */
export function withdraw(entry: LedgerEntry, moveId: string): LedgerEntry {
  return entry.pending?.request.moveId === moveId ? withoutPending(entry) : entry;
}

/** The same request under this brain's term of office. */
export function restamp(entry: LedgerEntry, epoch: number): LedgerEntry {
  const { pending } = entry;
  return pending === undefined || pending.accepted || pending.request.epoch === epoch
    ? entry
    : { ...entry, pending: { ...pending, request: { ...pending.request, epoch } } };
}

export interface FinishFacts {
  /** JetStream's timestamp of the message. */
  readonly atMs: number;
  readonly cooldownMs: number;
  /** num_replicas before the move: what it has to come back to where the old replica was kept. */
  readonly numReplicas: number;
}

/** Idempotent: a move that is in the history changes nothing a second time. */
export function finish(entry: LedgerEntry, move: FinishedMove, o: FinishFacts): LedgerEntry {
  if (entry.history.some(({ moveId }) => moveId === move.moveId)) {
    return withdraw(entry, move.moveId);
  }
  const { volumeId: _key, ...line } = move;
  const { outcome } = move.result;
  const pending = entry.pending?.request.moveId === move.moveId ? entry.pending : undefined;
  const { retryAt: _retryAt, refusal: _refusal, ...kept } = withdraw(entry, move.moveId);
  const failures = failuresAfter(entry, outcome);
  const pauseMs = pauseAfter(entry, move, { failures, cooldownMs: o.cooldownMs });
  return {
    ...kept,
    failures,
    ...(pauseMs === undefined ? {} : { retryAt: instant(o.atMs + pauseMs) }),
    ...(changedPlacement(move) ? { lastMovedAt: instant(o.atMs) } : {}),
    ...(outcome === 'refused' ? { refusal: refusalOf(move, { at: instant(o.atMs), sight: pending?.sight ?? '' }) } : {}),
    ...(outcome === 'kept-old' ? { keptOld: { numReplicas: o.numReplicas, message: move.result.message } } : {}),
    history: [line, ...entry.history].slice(0, ledgerHistoryMax),
  };
}

/** What `migrations retry` clears: everything that holds the volume back but its cooldown and the replica to be removed by hand. */
export function retry(entry: LedgerEntry): LedgerEntry {
  const { retryAt: _retryAt, refusal: _refusal, ...kept } = entry;
  return { ...kept, failures: 0 };
}

export function backOffMs(failures: number, cooldownMs: number): number {
  return Math.min(firstBackOffMs * 2 ** Math.max(0, failures - 1), cooldownMs);
}

function failuresAfter(entry: LedgerEntry, outcome: MoveOutcome): number {
  switch (outcomeEffects[outcome].failure) {
    case 'cleared':
      return 0;
    case 'counted':
      return entry.failures + 1;
    case 'kept':
      return entry.failures;
  }
}

function pauseAfter(entry: LedgerEntry, move: FinishedMove, o: { failures: number; cooldownMs: number }): number | undefined {
  switch (outcomeEffects[move.result.outcome].pause) {
    case 'none':
      return undefined;
    case 'back-off':
      return backOffMs(o.failures, o.cooldownMs);
    case 'by-code':
      return pauseAfterAbort(move.result.code, o);
    case 'where-repeated':
      return entry.refusal?.causeFingerprint === fingerprintOf(move) ? backOffMs(1, o.cooldownMs) : undefined;
  }
}

function pauseAfterAbort(code: string, o: { failures: number; cooldownMs: number }): number | undefined {
  if (code.endsWith('CANCELLED')) {
    // A person who cancels a move does not want it back in the next round.
    return o.cooldownMs;
  }
  // Nothing was tried: the next decision is as good as the first.
  return code.endsWith('EXPIRED') || code.endsWith('WITHDRAWN') ? undefined : backOffMs(o.failures, o.cooldownMs);
}

/** Also a move that did not end well may have moved some replicas, and one that kept the old replica has made a new one. */
function changedPlacement({ result }: FinishedMove): boolean {
  return result.outcome === 'success' || result.outcome === 'kept-old' || result.replicasMoved > 0;
}

function refusalOf({ to, result, ...move }: FinishedMove, o: { at: string; sight: string }): NonNullable<LedgerEntry['refusal']> {
  return { code: result.code, message: result.message, causeFingerprint: fingerprintOf({ to, result, ...move }), to, ...o };
}

function fingerprintOf({ result }: FinishedMove): string {
  return result.causeFingerprint ?? result.code;
}

function withoutPending(entry: LedgerEntry): LedgerEntry {
  const { pending: _pending, ...rest } = entry;
  return rest;
}

function instant(ms: number): string {
  return new Date(ms).toISOString();
}
