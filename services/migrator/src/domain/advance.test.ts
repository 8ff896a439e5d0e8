import { type MoveStep, moveSteps } from '@couchestor/shared/contracts/migration';
import { type MoveRecord, moveRecordSchema } from '@couchestor/shared/contracts/migrator';
import { isSynced } from '@couchestor/shared/mayastor/read';
import type { Volume } from '@couchestor/shared/mayastor/schema';
import type { ReplicaInput, VolumeInput } from '@couchestor/shared/testing/mayastor-objects';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aMove, aReading, aSight, biasOn, limits, newReplica, nowMs, type Placed } from '../testing/moves.ts';
import { advance, gatedSteps } from './advance.ts';
import type { Advance } from './machine.ts';
import { type Answer, kindOfSight, type Sight, type SightKind, sightKinds } from './sight.ts';

/**
 * Every step x every kind of sight, with the gate held, its cordons or bias seen in place, the hold of "synced" over, and nothing called yet:
 * the moment in which a rule that may call does. Written as: the step that follows (`>` where it goes on from there), the code of the end
 * where the move has one now, then the effect. Without a step the move stays where it is.
 */
const table = {
  analyze: {
    unreadable: 'wait',
    gone: 'finish VOLUME_GONE, look',
    busy: 'wait',
    unsettled: 'wait',
    'at-n': 'gate-grow, look',
    moved: 'gate-grow, look',
    'wrong-removed': 'gate-grow, look',
    grown: 'wait-sync, look',
    'grown-faulted': 'wait-sync, look',
    'grown-synced': 'wait-sync, look',
    'grown-misplaced': 'gate-rollback WRONG_POOL, look',
    'grown-unclear': 'wait',
    external: 'finish CHANGED_EXTERNALLY, look',
  },
  'gate-grow': {
    unreadable: 'wait',
    gone: 'ungate-grow > finish VOLUME_GONE, look',
    busy: 'wait',
    unsettled: 'wait',
    'at-n': 'scale-up, look',
    moved: 'ungate-grow > analyze, look',
    'wrong-removed': 'ungate-grow > analyze, look',
    grown: 'ungate-grow > wait-sync, look',
    'grown-faulted': 'ungate-grow > wait-sync, look',
    'grown-synced': 'ungate-grow > wait-sync, look',
    'grown-misplaced': 'ungate-grow > gate-rollback WRONG_POOL, look',
    'grown-unclear': 'ungate-grow > analyze, look',
    external: 'ungate-grow > finish CHANGED_EXTERNALLY, look',
  },
  'scale-up': {
    unreadable: 'wait',
    gone: 'ungate-grow > finish VOLUME_GONE, look',
    busy: 'wait',
    unsettled: 'wait',
    'at-n': 'put 3',
    moved: 'ungate-grow > analyze, look',
    'wrong-removed': 'ungate-grow > analyze, look',
    grown: 'ungate-grow > wait-sync, look',
    'grown-faulted': 'ungate-grow > wait-sync, look',
    'grown-synced': 'ungate-grow > wait-sync, look',
    'grown-misplaced': 'ungate-grow > gate-rollback WRONG_POOL, look',
    'grown-unclear': 'wait',
    external: 'ungate-grow > finish CHANGED_EXTERNALLY, look',
  },
  // Its gates are still to be seen here, whatever else is: they are undone first.
  'ungate-grow': everywhere('undo-gates'),
  'wait-sync': {
    unreadable: 'wait',
    gone: 'finish VOLUME_GONE, look',
    busy: 'wait',
    unsettled: 'wait',
    'at-n': 'finish CHANGED_EXTERNALLY, look',
    moved: 'finish CHANGED_EXTERNALLY, look',
    'wrong-removed': 'finish CHANGED_EXTERNALLY, look',
    grown: 'wait',
    'grown-faulted': 'gate-rollback NEW_REPLICA_FAULTED, look',
    'grown-synced': 'gate-shrink, look',
    'grown-misplaced': 'gate-rollback WRONG_POOL, look',
    'grown-unclear': 'wait',
    external: 'finish CHANGED_EXTERNALLY, look',
  },
  'gate-shrink': {
    unreadable: 'wait',
    gone: 'ungate-shrink > finish VOLUME_GONE, look',
    busy: 'ungate-shrink > wait-sync, look',
    unsettled: 'ungate-shrink > wait-sync, look',
    'at-n': 'ungate-shrink > finish CHANGED_EXTERNALLY, look',
    moved: 'ungate-shrink > finish CHANGED_EXTERNALLY, look',
    'wrong-removed': 'ungate-shrink > finish CHANGED_EXTERNALLY, look',
    grown: 'ungate-shrink > wait-sync, look',
    'grown-faulted': 'ungate-shrink > wait-sync, look',
    'grown-synced': 'scale-down, look',
    'grown-misplaced': 'ungate-shrink > wait-sync, look',
    'grown-unclear': 'ungate-shrink > wait-sync, look',
    external: 'ungate-shrink > finish CHANGED_EXTERNALLY, look',
  },
  'scale-down': {
    unreadable: 'wait',
    gone: 'ungate-shrink > finish VOLUME_GONE, look',
    busy: 'wait',
    unsettled: 'ungate-shrink > wait-sync, look',
    'at-n': 'ungate-shrink > analyze, look',
    moved: 'ungate-shrink > analyze, look',
    'wrong-removed': 'ungate-shrink > analyze, look',
    grown: 'ungate-shrink > wait-sync, look',
    'grown-faulted': 'ungate-shrink > wait-sync, look',
    'grown-synced': 'put 2',
    'grown-misplaced': 'ungate-shrink > wait-sync, look',
    'grown-unclear': 'ungate-shrink > wait-sync, look',
    external: 'ungate-shrink > finish CHANGED_EXTERNALLY, look',
  },
  'ungate-shrink': everywhere('undo-gates'),
  'gate-rollback': {
    unreadable: 'wait',
    gone: 'ungate-rollback > finish VOLUME_GONE, look',
    busy: 'wait',
    unsettled: 'wait',
    'at-n': 'ungate-rollback > finish, look',
    moved: 'ungate-rollback > finish, look',
    'wrong-removed': 'ungate-rollback > finish, look',
    grown: 'roll-back, look',
    'grown-faulted': 'roll-back, look',
    'grown-synced': 'roll-back, look',
    'grown-misplaced': 'roll-back, look',
    'grown-unclear': 'wait',
    external: 'ungate-rollback > finish CHANGED_EXTERNALLY, look',
  },
  'roll-back': {
    unreadable: 'wait',
    gone: 'ungate-rollback > finish VOLUME_GONE, look',
    busy: 'wait',
    unsettled: 'ungate-rollback > gate-rollback, look',
    'at-n': 'ungate-rollback > finish, look',
    moved: 'ungate-rollback > finish, look',
    'wrong-removed': 'ungate-rollback > finish, look',
    grown: 'put 2',
    'grown-faulted': 'put 2',
    'grown-synced': 'put 2',
    'grown-misplaced': 'put 2',
    'grown-unclear': 'ungate-rollback > gate-rollback, look',
    external: 'ungate-rollback > finish CHANGED_EXTERNALLY, look',
  },
  'ungate-rollback': everywhere('undo-gates'),
  // The mark of the move goes before its record does.
  finish: everywhere('unmark-volume'),
} satisfies Record<MoveStep, Record<SightKind, string>>;

function everywhere(effect: string): Record<SightKind, string> {
  const rows = Object.fromEntries(sightKinds.map((kind) => [kind, kind === 'unreadable' ? 'wait' : effect]));
  return rows as Record<SightKind, string>;
}

function placedAt(step: MoveStep, kind: SightKind): Placed {
  if (step === 'gate-shrink' || step === 'scale-down' || step === 'ungate-shrink') {
    return { biasOn: 'cold-1' };
  }
  if (step === 'gate-rollback' || step === 'roll-back' || step === 'ungate-rollback') {
    return { biasOn: kind === 'grown-misplaced' ? 'warm-1' : 'hot-1' };
  }
  return step === 'analyze' || step === 'wait-sync' ? 'nothing' : 'gates';
}

function ripe(step: MoveStep, kind: SightKind, over: Partial<Sight> = {}): { move: MoveRecord; sight: Sight } {
  const misplaced = kind === 'grown-misplaced' && (step === 'gate-rollback' || step === 'roll-back');
  const move = aMove(step, misplaced ? { bias: biasOn('warm-1') } : {});
  const syncedForMs = kind === 'grown-synced' ? limits.syncedHoldMs : 0;
  return {
    move,
    sight: aSight(aReading(kind, placedAt(step, kind)), { gate: gatedSteps.has(step) ? 'held' : 'none', syncedForMs, ...over }),
  };
}

function describeAdvance(before: MoveRecord, { move, effect }: Advance): string {
  const did = effect.kind === 'put-replica-count' ? `put ${effect.count}` : effect.kind;
  if (move.step === before.step) {
    return did;
  }
  const code = move.result !== undefined && move.result !== before.result ? ` ${move.result.code}` : '';
  return `${move.step}${move.next === undefined ? '' : ` > ${move.next}`}${code}, ${did}`;
}

const cells = moveSteps.flatMap((step) => sightKinds.map((kind) => ({ step, kind })));

describe('the table of the move', () => {
  it.each(cells)('at $step, seeing $kind', ({ step, kind }) => {
    const { move, sight } = ripe(step, kind);
    expect(kindOfSight(move, sight)).toBe(kind);
    expect(describeAdvance(move, advance(move, sight, limits))).toBe(table[step][kind]);
  });

  it('un-gating steps undo what they may have placed, whatever is read, and then go on to where the move was bound', () => {
    for (const step of ['ungate-grow', 'ungate-shrink', 'ungate-rollback'] as const) {
      for (const next of ['analyze', 'wait-sync', 'gate-rollback', 'finish'] as const) {
        const move = aMove(step, { next });
        expect(advance(move, aSight(aReading('grown'), { gate: 'held' }), limits)).toMatchObject({
          move: { step },
          effect: { kind: 'undo-gates' },
        });
        // Just undone: what a reading still shows is from before.
        const stale = aSight(aReading('grown', 'gates'), { gate: 'fresh' });
        expect(advance(move, stale, limits).move.step).toBe(next);
      }
    }
  });

  it('a move ends only once its mark is gone, and a kept one once its mark says so', () => {
    const keptOld = { outcome: 'kept-old', code: 'PRESERVED', message: '', replicasMoved: 0, bytesMoved: 0 } as const;
    expect(advance(aMove('finish'), aSight(aReading('at-n')), limits).effect).toEqual({ kind: 'close' });
    const kept = advance(aMove('finish', { result: keptOld }), aSight(aReading('grown-synced', 'gates')), limits);
    expect(kept.effect).toEqual({ kind: 'mark-kept', pool: 'hot-1', originalReplicas: 2 });
  });
});

const answers: Record<Answer['kind'], { scaleUp: string; scaleDown: string; rollBack: string }> = {
  // Fresh answers whose effect may still show are waited for; after that the step is left for another look.
  ok: {
    scaleUp: 'ungate-grow > analyze, look',
    scaleDown: 'ungate-shrink > wait-sync, look',
    rollBack: 'ungate-rollback > gate-rollback, look',
  },
  ambiguous: {
    scaleUp: 'ungate-grow > analyze, look',
    scaleDown: 'ungate-shrink > wait-sync, look',
    rollBack: 'ungate-rollback > gate-rollback, look',
  },
  conflict: {
    scaleUp: 'ungate-grow > analyze, look',
    scaleDown: 'ungate-shrink > wait-sync, look',
    rollBack: 'ungate-rollback > gate-rollback, look',
  },
  precondition: {
    scaleUp: 'ungate-grow > analyze, look',
    scaleDown: 'ungate-shrink > wait-sync, look',
    rollBack: 'ungate-rollback > gate-rollback, look',
  },
  'no-resources': {
    scaleUp: 'ungate-grow > finish NO_ELIGIBLE_POOL, look',
    scaleDown: 'ungate-shrink > wait-sync, look',
    rollBack: 'ungate-rollback > gate-rollback, look',
  },
  refused: {
    scaleUp: 'ungate-grow > finish GROW_REFUSED, look',
    scaleDown: 'ungate-shrink > wait-sync, look',
    rollBack: 'ungate-rollback > gate-rollback, look',
  },
  unsent: {
    scaleUp: 'ungate-grow > analyze, look',
    scaleDown: 'ungate-shrink > wait-sync, look',
    rollBack: 'ungate-rollback > gate-rollback, look',
  },
};
const settling: readonly Answer['kind'][] = ['ok', 'ambiguous', 'conflict', 'precondition'];

describe('an answer of Mayastor', () => {
  const steps = [
    ['scale-up', 'at-n', 'scaleUp'],
    ['scale-down', 'grown-synced', 'scaleDown'],
    ['roll-back', 'grown', 'rollBack'],
  ] as const;
  for (const [kind, expected] of Object.entries(answers) as [Answer['kind'], (typeof answers)['ok']][]) {
    it(`${kind} is never concluded from: what came of the call is looked at`, () => {
      for (const [step, seen, column] of steps) {
        const old = ripe(step, seen, { answer: { kind, message: 'said so', ageMs: limits.settleMs } });
        expect(describeAdvance(old.move, advance(old.move, old.sight, limits))).toBe(expected[column]);
        const fresh = ripe(step, seen, { answer: { kind, message: 'said so', ageMs: limits.settleMs - 1 } });
        expect(describeAdvance(fresh.move, advance(fresh.move, fresh.sight, limits))).toBe(
          settling.includes(kind) ? 'wait' : expected[column],
        );
      }
    });
  }
});

describe('limits of a move', () => {
  const at = (ms: number): string => new Date(nowMs - ms).toISOString();
  const waiting = (over: Partial<MoveRecord>, sight: Partial<Sight> = {}, volume: Partial<VolumeInput> = {}) => {
    const move = aMove('wait-sync', over);
    return advance(move, aSight(aReading('grown', 'nothing', volume), sight), limits);
  };

  it('the timeout ends a sync that still progresses', () => {
    const late = waiting({ syncStartedAt: at(1_800_001), syncPercent: 39 });
    expect(late.move.result?.code).toBe('SYNC_TIMEOUT');
    expect(late.move.step).toBe('gate-rollback');
    expect(waiting({ syncStartedAt: at(1_800_000), syncPercent: 39 }).move.step).toBe('wait-sync');
  });

  it('a rebuild that stands still is given up, one that rises or begins anew is not', () => {
    expect(waiting({ syncProgressAt: at(300_001), syncPercent: 40 }).move.result?.code).toBe('SYNC_STALLED');
    expect(waiting({ syncProgressAt: at(300_000), syncPercent: 40 }).move.step).toBe('wait-sync');
    for (const syncPercent of [39, 90]) {
      const seen = waiting({ syncProgressAt: at(300_001), syncPercent });
      expect(seen.move).toMatchObject({ step: 'wait-sync', syncPercent: 40, syncProgressAt: at(0) });
    }
  });

  it('"synced" must have held, at WAIT SYNC, at the gate and at the point of no return', () => {
    for (const [step, stays] of [
      ['wait-sync', 'wait'],
      ['gate-shrink', 'ungate-shrink > wait-sync, look'],
      ['scale-down', 'ungate-shrink > wait-sync, look'],
    ] as const) {
      const { move, sight } = ripe(step, 'grown-synced', { syncedForMs: limits.syncedHoldMs - 1 });
      expect(describeAdvance(move, advance(move, sight, limits))).toBe(stays);
    }
  });

  it('preservation mode ends where the old replica would go', () => {
    const { move, sight } = ripe('wait-sync', 'grown-synced');
    const kept = advance({ ...move, request: { ...move.request, preservationMode: true } }, sight, limits);
    expect(kept.move).toMatchObject({ step: 'finish', result: { outcome: 'kept-old', code: 'PRESERVED' } });
  });

  it('a cancelled move is taken back until SCALE DOWN, and not after', () => {
    for (const kind of ['grown', 'grown-synced'] as const) {
      const { move, sight } = ripe('wait-sync', kind, { cancelled: true });
      expect(advance(move, sight, limits).move).toMatchObject({ step: 'gate-rollback', result: { code: 'CANCELLED' } });
    }
    const gated = ripe('gate-shrink', 'grown-synced', { cancelled: true });
    expect(advance(gated.move, gated.sight, limits).move).toMatchObject({
      step: 'ungate-shrink',
      next: 'gate-rollback',
      result: { code: 'CANCELLED' },
    });
    const down = ripe('scale-down', 'grown-synced', { cancelled: true });
    expect(advance(down.move, down.sight, limits).effect).toEqual({ kind: 'put-replica-count', count: 2 });
  });

  it('a silent brain lets nothing start, and an expired request goes', () => {
    const silent = { standing: { kind: 'unanswered', reason: 'silent' } } as const;
    const { before: _before, ...untouched } = aMove('analyze');
    expect(advance(untouched, aSight(aReading('at-n'), silent), limits).effect.kind).toBe('wait');
    const later = { ...silent, nowMs: nowMs + 3_600_001 };
    expect(advance(untouched, aSight(aReading('at-n'), later), limits).move.result?.code).toBe('EXPIRED');
    for (const kind of ['unreadable', 'busy'] as const) {
      expect(advance(untouched, aSight(aReading(kind), later), limits).move.result?.code).toBe('EXPIRED');
      // A SCALE UP was sent for this replica: what came of it must be seen first.
      expect(advance(aMove('analyze'), aSight(aReading(kind), later), limits).effect.kind).toBe('wait');
    }
  });

  it('a replica whose node is down keeps its place in what the move sees', () => {
    const replicas: ReplicaInput[] = [
      { uuid: 'r1', pool: 'cold-1' },
      { uuid: 'r2', pool: 'cold-2' },
      { uuid: 'r9', state: 'Unknown', childStatus: 'Faulted', healthy: false },
    ];
    const lost = aReading('grown', 'nothing', { replicas });
    expect(kindOfSight(aMove('wait-sync'), aSight(lost))).toBe('grown');
    // And the way back finds its victim by it.
    const biased = aReading('grown', { biasOn: 'hot-1' }, { replicas });
    expect(advance(aMove('gate-rollback'), aSight(biased, { gate: 'held' }), limits).move.step).toBe('roll-back');
  });

  it('a SCALE UP that may still come is known when it does, though the next one is being planned', () => {
    const planned = advance(aMove('analyze'), aSight(aReading('at-n')), limits).move;
    expect(planned.step).toBe('gate-grow');
    expect(kindOfSight(planned, aSight(aReading('grown')))).toBe('grown');
    const { before: _before, ...untouched } = aMove('analyze');
    // Before the first one was sent, a new replica is somebody else's.
    expect(kindOfSight(advance(untouched, aSight(aReading('at-n')), limits).move, aSight(aReading('grown')))).toBe('grown-unclear');
  });
});

const replicaArbitrary = fc.record({
  pool: fc.constantFrom('cold-1', 'cold-2', 'hot-1', 'hot-2', 'warm-1', undefined),
  state: fc.constantFrom('Online', 'Online', 'Online', 'Unknown', 'Faulted'),
  childStatus: fc.constantFrom('Online', 'Online', 'Online', 'Degraded', 'Faulted', undefined),
  rebuildProgress: fc.constantFrom(undefined, undefined, undefined, 0, 50, 99),
  healthy: fc.constantFrom(true, true, true, false, undefined),
});

/** Any volume, sane or not: what is read may be stale in parts. */
const volumeArbitrary: fc.Arbitrary<Partial<VolumeInput>> = fc
  .record({
    uuids: fc.subarray(['r1', 'r2', 'r8', 'r9'], { minLength: 0 }),
    replicas: fc.array(replicaArbitrary, { minLength: 4, maxLength: 4 }),
    usual: fc.boolean(),
    numReplicas: fc.constantFrom(1, 2, 2, 3, 3, 3, 4),
    status: fc.constantFrom('Online', 'Online', 'Online', 'Degraded', 'Faulted'),
    targetState: fc.constantFrom('Online', 'Online', 'Degraded'),
    rebuilds: fc.constantFrom(0, 0, 0, 1),
    children: fc.constantFrom(1, 2, 3, 3, 3),
    operation: fc.constantFrom(undefined, undefined, undefined, 'SetReplica'),
    published: fc.constantFrom(true, true, true, false),
  })
  .map(({ uuids, replicas, usual, operation, ...rest }) => {
    const places: Record<string, string> = { r1: 'cold-1', r2: 'cold-2', r8: 'hot-2', r9: 'hot-1' };
    return {
      ...rest,
      replicas: uuids.map((uuid, index): ReplicaInput => ({ uuid, ...replicas[index], ...(usual ? { pool: places[uuid] } : {}) })),
      ...(operation === undefined ? {} : { operation }),
    };
  });

const moveArbitrary: fc.Arbitrary<MoveRecord> = fc
  .record({
    step: fc.constantFrom(...moveSteps),
    bias: fc.constantFrom(undefined, biasOn('cold-1'), biasOn('hot-1'), biasOn('cold-2'), {
      kind: 'node-cordon' as const,
      node: 'node-cold-1',
    }),
    scaleDownSent: fc.boolean(),
    tries: fc.nat(6),
    next: fc.constantFrom('analyze' as const, 'wait-sync' as const, 'gate-rollback' as const, 'finish' as const),
    replicasMoved: fc.nat(2),
    syncAgeMs: fc.nat(2_000_000),
    without: fc.subarray(['before', 'plan', 'newReplica', 'syncPercent'] as const),
    preservationMode: fc.boolean(),
  })
  .map(({ step, bias, next, syncAgeMs, without, preservationMode, ...over }) => {
    const syncStartedAt = new Date(nowMs - syncAgeMs).toISOString();
    const { bias: _bias, ...move } = aMove(step, { ...over, syncStartedAt, syncProgressAt: syncStartedAt, newReplica });
    const bound = step.startsWith('ungate')
      ? { next, ...(next === 'finish' || next === 'gate-rollback' ? { result: aMove('finish').result } : {}) }
      : {};
    const gone = Object.fromEntries(without.map((key) => [key, undefined]));
    const record = { ...move, ...bound, ...(bias === undefined ? {} : { bias }), request: { ...move.request, preservationMode }, ...gone };
    return moveRecordSchema.parse(JSON.parse(JSON.stringify(record)));
  });

const sightArbitrary: fc.Arbitrary<Sight> = fc
  .record({
    seen: fc.constantFrom('read', 'read', 'read', 'read', 'read', 'read', 'unreadable', 'gone'),
    volume: volumeArbitrary,
    placed: fc.constantFrom<Placed>('nothing', 'gates', { biasOn: 'cold-1' }, { biasOn: 'hot-1' }, { biasOn: 'cold-2' }),
    atStepMs: fc.constantFrom(0, 1_000, 21_000, 41_000),
    cancelled: fc.constantFrom(false, false, true),
    standing: fc.constantFrom('stands' as const, 'stands' as const, 'withdrawn' as const, 'unanswered' as const),
    syncedForMs: fc.constantFrom(0, 4_999, 5_000, 60_000),
    gate: fc.constantFrom('held' as const, 'held' as const, 'fresh' as const, 'none' as const),
    answer: fc.option(
      fc.record({
        kind: fc.constantFrom<Answer['kind']>('ok', 'ambiguous', 'conflict', 'precondition', 'no-resources', 'refused', 'unsent'),
        message: fc.constant('said so'),
        ageMs: fc.constantFrom(0, 5_000),
      }),
      { nil: undefined },
    ),
  })
  .map(({ seen, volume, placed, standing, answer, ...over }) =>
    aSight(seen === 'read' ? aReading('at-n', placed, volume) : aReading(seen === 'gone' ? 'gone' : 'unreadable', placed), {
      ...over,
      standing: { kind: standing, reason: '' },
      ...(answer === undefined ? {} : { answer }),
    }),
  );

/** Moments in which a rule may call, with a thing or two amiss: the wild ones above are seldom near. */
const nearlyRipe: fc.Arbitrary<{ move: MoveRecord; sight: Sight }> = fc
  .record({
    cell: fc.constantFrom(
      ...(['at-n', 'grown-synced'] as const).map((kind) => ({ step: 'scale-up' as MoveStep, kind: kind as SightKind })),
      ...(['gate-shrink', 'scale-down', 'roll-back'] as const).map((step) => ({
        step: step as MoveStep,
        kind: 'grown-synced' as SightKind,
      })),
      { step: 'roll-back' as MoveStep, kind: 'grown' as SightKind },
    ),
    wild: sightArbitrary,
    over: fc.subarray(['gate', 'answer', 'syncedForMs', 'atStepMs', 'cancelled', 'standing'] as const, { maxLength: 2 }),
    bias: fc.constantFrom(undefined, undefined, undefined, biasOn('cold-2'), biasOn('hot-1')),
    amiss: fc.option(fc.record({ uuid: fc.constantFrom('r1', 'r2', 'r9'), replica: replicaArbitrary, keepsPlace: fc.boolean() }), {
      nil: undefined,
    }),
    otherPools: fc.constantFrom<Placed | undefined>(undefined, undefined, undefined, 'nothing', { biasOn: 'cold-2' }),
    status: fc.constantFrom(undefined, undefined, undefined, 'Degraded'),
  })
  .map(({ cell: { step, kind }, wild, over, bias, amiss, otherPools, status }) => {
    const { move, sight } = ripe(step, kind);
    const base = aReading(kind, otherPools ?? placedAt(step, kind));
    const picked = Object.fromEntries(over.flatMap((key) => (wild[key] === undefined ? [] : [[key, wild[key]]])));
    const reading = base?.volume === undefined ? base : { ...base, volume: withAmiss(base.volume, amiss, status) };
    return { move: bias === undefined || move.bias === undefined ? move : { ...move, bias }, sight: { ...sight, ...picked, reading } };
  });

function withAmiss(
  volume: Volume,
  amiss: { uuid: string; replica: Omit<ReplicaInput, 'uuid'>; keepsPlace: boolean } | undefined,
  status: string | undefined,
): Volume {
  const before = amiss === undefined ? undefined : volume.state.replica_topology[amiss.uuid];
  const changed =
    amiss === undefined || before === undefined
      ? {}
      : {
          [amiss.uuid]: {
            state: amiss.replica.state ?? 'Online',
            'child-status': amiss.replica.childStatus,
            'rebuild-progress': amiss.replica.rebuildProgress,
            healthy: amiss.replica.healthy,
            pool: amiss.keepsPlace ? before.pool : amiss.replica.pool,
            node: before.node,
          },
        };
  return {
    ...volume,
    state: { ...volume.state, status: status ?? volume.state.status, replica_topology: { ...volume.state.replica_topology, ...changed } },
  };
}

/** By nothing that the code under test has: a replica that surely holds every write. */
function syncedIn(volume: Volume): string[] {
  return Object.entries(volume.state.replica_topology)
    .filter(
      ([, replica]) =>
        replica.state === 'Online' &&
        replica['child-status'] === 'Online' &&
        replica['rebuild-progress'] === undefined &&
        replica.healthy !== false,
    )
    .map(([uuid]) => uuid);
}

describe('whatever a move is and sees', () => {
  const check = (holds: (o: { move: MoveRecord; sight: Sight; given: Advance }) => void) =>
    fc.assert(
      fc.property(fc.oneof(fc.record({ move: moveArbitrary, sight: sightArbitrary }), nearlyRipe), ({ move, sight }) =>
        holds({ move, sight, given: advance(move, sight, limits) }),
      ),
      { numRuns: 3_000 },
    );

  it('there is a next record, and the journal takes it', () => {
    check(({ given }) => {
      expect(moveRecordSchema.safeParse(JSON.parse(JSON.stringify(given.move))).error).toBeUndefined();
    });
  });

  it('a replica count is put from three steps only, under the gate, as the first thing done there, and as the count that the step stands for', () => {
    let puts = 0;
    check(({ move, sight, given }) => {
      if (given.effect.kind !== 'put-replica-count') {
        return;
      }
      puts += 1;
      expect(['scale-up', 'scale-down', 'roll-back']).toContain(move.step);
      expect(sight.gate).toBe('held');
      expect(sight.answer).toBeUndefined();
      expect(given.effect.count).toBe(move.step === 'scale-up' ? 3 : 2);
      expect(given.move).toBe(move);
    });
    expect(puts).toBeGreaterThan(100);
  });

  it('the volume grows only where every pool but the destination is closed to Mayastor, and the mark stands', () => {
    check(({ move, sight, given }) => {
      if (given.effect.kind === 'put-replica-count' && move.step === 'scale-up') {
        const pools = sight.reading?.pools ?? [];
        const labelled = pools
          .filter(({ spec }) => spec?.labels?.[`couchestor-move-${move.request.volumeId}`] !== undefined)
          .map(({ id }) => id);
        expect(labelled).toEqual(['hot-1']);
        const cordoned = pools.filter(({ spec }) => spec?.cordonDrain?.cordoned?.replicas === true).map(({ id }) => id);
        expect(cordoned).toEqual(['hot-2', 'warm-1']);
      }
    });
  });

  it('no count is put whose removal would leave fewer synced replicas than there were (S2), and none before the new one is synced (S1)', () => {
    let shrinks = 0;
    check(({ move, sight, given }) => {
      const volume = sight.reading?.volume;
      if (given.effect.kind !== 'put-replica-count' || given.effect.count !== 2 || volume === undefined) {
        return;
      }
      shrinks += 1;
      const synced = syncedIn(volume);
      const fresh = Object.keys(volume.state.replica_topology).filter((uuid) => !move.before?.some((replica) => replica.uuid === uuid));
      const victim = move.step === 'scale-down' ? 'r1' : (fresh[0] ?? '');
      const left = synced.filter((uuid) => uuid !== victim).length;
      if (move.step === 'scale-down') {
        expect(isSynced(volume, fresh[0] ?? '')).toBe(true);
        expect(sight.syncedForMs).toBeGreaterThanOrEqual(limits.syncedHoldMs);
        expect(left).toBeGreaterThanOrEqual(2);
      } else {
        expect(left >= 2 || !synced.includes(victim)).toBe(true);
      }
      // Biased at that very replica, by what is read now.
      const known = [...(move.before ?? []), move.newReplica].find((replica) => replica?.uuid === victim);
      const pool = volume.state.replica_topology[victim]?.pool ?? known?.pool;
      const bias = move.bias;
      expect(
        bias?.kind === 'pool-label' &&
          bias.pool === pool &&
          sight.reading?.pools.find(({ id }) => id === pool)?.spec?.labels?.['gate'] === undefined,
      ).toBe(true);
    });
    expect(shrinks).toBeGreaterThan(50);
  });

  it('every way out of a gated step leads through its un-gating step', () => {
    const onward: Partial<Record<MoveStep, readonly MoveStep[]>> = {
      'gate-grow': ['scale-up', 'ungate-grow'],
      'scale-up': ['ungate-grow'],
      'gate-shrink': ['scale-down', 'ungate-shrink'],
      'scale-down': ['ungate-shrink'],
      'gate-rollback': ['roll-back', 'ungate-rollback'],
      'roll-back': ['ungate-rollback'],
    };
    check(({ move, given }) => {
      const allowed = onward[move.step];
      if (allowed !== undefined && given.move.step !== move.step) {
        expect(allowed).toContain(given.move.step);
      }
      if (given.move.step.startsWith('ungate') && given.move.step !== move.step) {
        expect(given.move.next).toBeDefined();
      }
    });
  });

  it('gates and biases are placed in their steps only, and the record knows the bias before it is placed', () => {
    check(({ move, given }) => {
      if (given.effect.kind === 'place-gates') {
        expect(move.step).toBe('gate-grow');
      }
      if (given.effect.kind === 'place-bias') {
        expect(['gate-shrink', 'gate-rollback']).toContain(move.step);
        expect(given.move.bias).toEqual(given.effect.bias);
      }
    });
  });

  it('a move on its way to its end, or back, has a result', () => {
    check(({ given }) => {
      if ([given.move.step, given.move.next].some((step) => step === 'finish' || step === 'gate-rollback' || step === 'roll-back')) {
        expect(given.move.result).toBeDefined();
      }
    });
  });

  it('SCALE DOWN is on record as sent before it can be sent', () => {
    check(({ given }) => {
      if (given.move.step === 'scale-down' && given.effect.kind === 'look') {
        expect(given.move.scaleDownSent).toBe(true);
      }
    });
  });
});

describe('a move that sees one thing for ever', () => {
  /** Waits, calls and placements do not change what is seen: the move must come to its end by itself, or wait where it holds nothing up. */
  function watchFor(move: MoveRecord, kind: SightKind, placed: 'in place' | 'never'): MoveRecord | 'closed' {
    let now = move;
    let clockMs = nowMs;
    let atStepMs = 0;
    let answeredMs: number | undefined;
    let undone = false;
    for (let looks = 0; looks < 20_000; looks += 1) {
      const misplaced = kind === 'grown-misplaced' && (now.step === 'gate-rollback' || now.step === 'roll-back');
      const seen = misplaced ? { ...now, bias: biasOn('warm-1') } : now;
      const ungating = now.step.startsWith('ungate') || now.step === 'finish';
      const reading = aReading(kind, placed === 'in place' && !ungating ? placedAt(now.step, kind) : 'nothing');
      const given = advance(
        seen,
        aSight(reading, {
          nowMs: clockMs,
          atStepMs,
          gate: gatedSteps.has(now.step) ? (undone ? 'fresh' : 'held') : 'none',
          syncedForMs: kind === 'grown-synced' ? limits.syncedHoldMs : 0,
          ...(answeredMs === undefined ? {} : { answer: { kind: 'ok' as const, message: '', ageMs: clockMs - answeredMs } }),
        }),
        limits,
      );
      if (given.effect.kind === 'close') {
        return 'closed';
      }
      const passedMs = given.effect.kind === 'wait' ? given.effect.ms : 100;
      clockMs += passedMs;
      atStepMs = given.move.step === now.step ? atStepMs + passedMs : 0;
      undone = given.effect.kind === 'undo-gates';
      answeredMs = given.effect.kind === 'put-replica-count' ? clockMs : given.move.step === now.step ? answeredMs : undefined;
      now = given.move;
    }
    return now;
  }

  it.each(cells.filter(({ kind }) => kind !== 'unreadable'))('ends, or holds no gate: from $step, seeing $kind', ({ step, kind }) => {
    for (const placed of ['in place', 'never'] as const) {
      const end = watchFor(aMove(step), kind, placed);
      if (end === 'closed') {
        continue;
      }
      // Only an operation that never ends is waited out, and only there.
      expect({ placed, kind, at: end.step }).toEqual({ placed, kind: 'busy', at: expect.stringMatching(/^(analyze|wait-sync)$/) });
    }
  });
});
