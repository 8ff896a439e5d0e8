/** The ways through and out of a move that its rules share. */
import type { MoveOutcome, MoveStep } from '@couchestor/shared/contracts/migration';
import type { Bias, MoveRecord, StoryLine } from '@couchestor/shared/contracts/migrator';
import { biasHolds } from '@couchestor/shared/placement/bias';
import { findVolumeMarks, nodeCordonLabel } from '@couchestor/shared/placement/marks';
import type { Refusal } from '@couchestor/shared/placement/refusals';
import type { World } from '@couchestor/shared/placement/world';
import { type EndingCode, endings } from './endings.ts';
import type { Advance, Context, Rule } from './machine.ts';
import type { Answer, Sight } from './sight.ts';
import { tell } from './story.ts';

/** These endings leave a replica too many that is ours and has to go first. */
const rolledBackEndings: ReadonlySet<EndingCode> = new Set<EndingCode>([
  'CANCELLED',
  'SYNC_TIMEOUT',
  'SYNC_STALLED',
  'NEW_REPLICA_FAULTED',
  'RECOVERED',
  'WRONG_POOL',
]);

/** After these the effect may come, or be seen, later. A 409 or 412 too may hide a call of ours that got through before. */
const settlingAnswers: ReadonlySet<Answer['kind']> = new Set<Answer['kind']>(['ok', 'ambiguous', 'conflict', 'precondition']);

/** In units of the settling time. */
const operationWaits = 8;

/** Told once, however long it is waited for. */
export const noBiasText = 'The old replica cannot be singled out for removal: a node or pool of the volume is cordoned. Waiting for that.';

const ungateStepOf: Readonly<Partial<Record<MoveStep, MoveStep>>> = {
  'gate-grow': 'ungate-grow',
  'scale-up': 'ungate-grow',
  'gate-shrink': 'ungate-shrink',
  'scale-down': 'ungate-shrink',
  'gate-rollback': 'ungate-rollback',
  'roll-back': 'ungate-rollback',
};

const goOnTexts: Readonly<Partial<Record<MoveStep, string>>> = {
  analyze: 'Looking for what is still to be done.',
  'wait-sync': 'Waiting until the new replica is synced.',
  'gate-rollback': 'The new replica is to be taken back.',
  finish: 'Done; what marks the move is being removed.',
};

/** Once nothing of ours gates or biases any more, the move goes on. */
export function ungate(context: Context): Advance {
  const { move, sight } = context;
  const { reading } = sight;
  if (reading === undefined) {
    return wait(context);
  }
  // Also where no mark is to be seen: a late call may have removed it, and what it told of still stands.
  if (sight.gate !== 'fresh') {
    return { move, effect: { kind: 'undo-gates' } };
  }
  const { next = 'analyze', bias: _bias, ...kept } = move;
  return go(context, next, goOnTexts[next] ?? 'Nothing of ours gates the cluster any more.', kept);
}

export function finish(context: Context): Advance {
  const { move, sight } = context;
  const { volumeId } = move.request;
  const { pools = [], volume } = sight.reading ?? {};
  const marks = findVolumeMarks(pools).filter((mark) => mark.volumeId === volumeId);
  const keeps = move.result?.outcome === 'kept-old' && move.originalReplicas !== undefined;
  // What tells of a replica that an earlier move kept stays as long as it is one too many: without it the next move would add another.
  const tells = (mark: (typeof marks)[number]): boolean => mark.kept && (keeps || (volume?.spec.num_replicas ?? 0) > mark.originalReplicas);
  const [stale] = marks.filter((mark) => !tells(mark));
  if (stale === undefined) {
    return { move, effect: { kind: 'close' } };
  }
  return keeps
    ? { move, effect: { kind: 'mark-kept', pool: stale.pool, originalReplicas: stale.originalReplicas } }
    : { move, effect: { kind: 'unmark-volume', pool: stale.pool } };
}

/** Waits, but not for long: the gate is not to be held for somebody else's business. */
export function waitBriefly(context: Context): Advance {
  return context.sight.atStepMs > context.limits.settleMs ? reanalyze(context) : wait(context);
}

export function wait({ move, limits }: Context): Advance {
  return { move, effect: { kind: 'wait', ms: limits.pollMs } };
}

/** Where nothing of ours is in hand, a request that has expired need not wait any longer. A SCALE UP once sent must be looked after. */
export function waitOrExpire(context: Context): Advance {
  return (context.move.before === undefined ? endBeforeStart(context) : undefined) ?? wait(context);
}

/** An operation on the volume is in flight, ours perhaps: seconds. The gate is not held for one that does not end. */
export function waitForOperation(otherwise: Rule): Rule {
  return (context) => (context.sight.atStepMs > context.limits.settleMs * operationWaits ? otherwise(context) : wait(context));
}

export function volumeGone(context: Context): Advance {
  return end(context, 'VOLUME_GONE');
}

export function changedExternally(context: Context): Advance {
  return end(context, 'CHANGED_EXTERNALLY');
}

export function reanalyze(context: Context, why = 'The world has changed since the plan was made.'): Advance {
  const { move, limits } = context;
  if (move.tries >= limits.triesMax) {
    return end(context, 'GROW_REFUSED', why);
  }
  return leave(context, 'analyze', why, { ...move, tries: move.tries + 1 });
}

/** Reasons to stop that hold only until the volume has grown for the replica in hand. */
export function endBeforeStart(context: Context): Advance | undefined {
  const { move, sight } = context;
  if (sight.cancelled) {
    return end(context, 'CANCELLED');
  }
  if (sight.standing.kind === 'withdrawn') {
    return end(context, 'WITHDRAWN', sight.standing.reason);
  }
  const expired = sight.nowMs > Date.parse(move.request.expiresAt);
  return expired && move.replicasMoved === 0 && sight.standing.kind !== 'stands'
    ? end(context, 'EXPIRED', sight.standing.reason)
    : undefined;
}

export function refused(context: Context, refusal: Refusal): Advance {
  const { move } = context;
  if (move.replicasMoved > 0) {
    return end(context, 'PARTLY_MOVED', refusal.message);
  }
  const ended = result(move, { outcome: 'refused', code: `REFUSED_${refusal.code}`, message: refusal.message });
  return leave(context, 'finish', refusal.message, { ...move, result: { ...ended, causeFingerprint: refusal.causeFingerprint } });
}

export function end(context: Context, code: EndingCode, detail = ''): Advance {
  const { move, sight } = context;
  const ending = endings[code];
  const message = detail === '' ? ending.help : `${ending.help} ${detail}`;
  const ended = { ...move, result: result(move, { outcome: ending.outcome, code, message }) };
  const count = sight.reading?.volume?.spec.num_replicas ?? 0;
  const grown = move.originalReplicas !== undefined && count === move.originalReplicas + 1;
  return leave(context, grown && rolledBackEndings.has(code) ? 'gate-rollback' : 'finish', message, { ...ended, tries: 0 });
}

export function result(
  move: MoveRecord,
  ended: { outcome: MoveOutcome; code: string; message: string },
): NonNullable<MoveRecord['result']> {
  return { ...ended, message: ended.message.slice(0, 2_000), replicasMoved: move.replicasMoved, bytesMoved: move.bytesMoved };
}

/** Goes to `next`, by way of the un-gating step where this step is gated. */
export function leave(context: Context, next: MoveStep, text: string, move: MoveRecord): Advance {
  const through = ungateStepOf[context.move.step];
  return through === undefined ? go(context, next, text, move) : go(context, through, text, { ...move, next });
}

export function go({ move: from, sight }: Context, step: MoveStep, text: string, move: MoveRecord): Advance {
  const { next: _next, ...rest } = move;
  const kept = step.startsWith('ungate') ? move : rest;
  const line: StoryLine = { at: instant(sight.nowMs), step: from.step, text: text.slice(0, 2_000) };
  return { move: { ...kept, step, story: tell(from.story, [line]) }, effect: { kind: 'look' } };
}

/**
 * True where this process has just taken the move up, or taken the gate anew: whatever it finds, it was not refused anything. So no try is
 * counted, and a move does not end because its processes died often.
 */
export function triedNothing({ sight }: Context): boolean {
  return sight.gate === 'fresh' && sight.answer === undefined;
}

/** The call may still show its effect: what is read now is not yet its outcome. */
export function unsettled({ sight: { answer }, limits }: Context): boolean {
  return answer !== undefined && settlingAnswers.has(answer.kind) && answer.ageMs < limits.settleMs;
}

export function placeBias({ move }: Context, bias: Bias): Advance {
  return { move: { ...move, bias }, effect: { kind: 'place-bias', bias } };
}

/** Under the gate, and with the bias just seen in place: what the call that shrinks the volume asks for. */
export function isBiasedAt({ move, sight }: Context, world: World, victim: string): boolean {
  const cordonLabel = nodeCordonLabel(move.request.moveId);
  return sight.gate === 'held' && move.bias !== undefined && biasHolds(world, { bias: move.bias, victim, cordonLabel });
}

export function numReplicas(move: MoveRecord): number {
  if (move.originalReplicas === undefined) {
    throw new TypeError(`move ${move.request.moveId} is at ${move.step} without its original number of replicas`);
  }
  return move.originalReplicas;
}

export function since(sight: Sight, instantText: string | undefined): number {
  return instantText === undefined ? 0 : sight.nowMs - Date.parse(instantText);
}

export function instant(ms: number): string {
  return new Date(ms).toISOString();
}
