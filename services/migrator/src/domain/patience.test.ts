/** What a move waits for rather than give up: without the gate, and not for ever. */
import { describe, expect, it } from 'vitest';
import { aMove, aReading, aSight, limits, newReplica, nowMs } from '../testing/moves.ts';
import { advance } from './advance.ts';
import { kindOfSight, type Reading } from './sight.ts';
import { noBiasText } from './ways.ts';

const stranger = { uuid: 'r8', pool: 'warm-1' };
const source = { uuid: 'r1', pool: 'cold-1' };

/** An administrator has cordoned the node of the old replica that stays. */
function underMaintenance(reading: Reading | undefined): Reading | undefined {
  const cordondrainstate = { cordonedstate: { cordonlabels: ['maintenance'] } };
  return (
    reading && {
      ...reading,
      nodes: reading.nodes.map((node) =>
        node.id === 'node-cold-2' ? { ...node, spec: { ...node.spec, id: node.id, cordondrainstate } } : node,
      ),
    }
  );
}

describe('an old replica that cannot be singled out', () => {
  const seen = underMaintenance(aReading('grown-synced'));
  const synced = { syncedForMs: limits.syncedHoldMs };

  it('is waited for before the gate is taken, and told of once', () => {
    const first = advance(aMove('wait-sync'), aSight(seen, synced), limits);
    expect(first).toMatchObject({ move: { step: 'wait-sync' }, effect: { kind: 'wait' } });
    expect(first.move.story.at(-1)?.text).toBe(noBiasText);
    expect(advance(first.move, aSight(seen, synced), limits).move).toBe(first.move);
  });

  it('lets the gate go where it is seen under it, and uses up no try', () => {
    const { move } = advance(aMove('gate-shrink'), aSight(seen, { ...synced, gate: 'held' }), limits);
    expect(move).toMatchObject({ step: 'ungate-shrink', next: 'wait-sync', tries: 0 });
    expect(move.result).toBeUndefined();
  });

  it('is removed once it can be', () => {
    const waited = advance(aMove('wait-sync'), aSight(seen, synced), limits).move;
    expect(advance(waited, aSight(aReading('grown-synced'), synced), limits).move.step).toBe('gate-shrink');
  });

  it('is kept beside the new one where that takes longer than a sync may', () => {
    const late = aSight(seen, { ...synced, nowMs: nowMs + aMove('wait-sync').request.syncTimeoutMs + 1 });
    const { move } = advance(aMove('wait-sync'), late, limits);
    expect(move).toMatchObject({ step: 'finish', result: { outcome: 'kept-old', code: 'NO_BIAS' } });
  });

  it('does not hold up a cancellation', () => {
    expect(advance(aMove('wait-sync'), aSight(seen, { ...synced, cancelled: true }), limits).move.step).toBe('gate-rollback');
  });
});

describe('a new replica that was adopted', () => {
  it('stays ours where self-healing has put another one in the place of an old one', () => {
    const healed = aReading('grown-synced', 'nothing', { replicas: [source, stranger, { uuid: newReplica.uuid, pool: newReplica.pool }] });
    expect(kindOfSight(aMove('wait-sync'), aSight(healed))).toBe('grown-synced');
  });

  it('is not told from a stranger before it was adopted', () => {
    const both = aReading('grown-synced', 'gates', { replicas: [source, stranger, { uuid: newReplica.uuid, pool: newReplica.pool }] });
    expect(kindOfSight(aMove('scale-up'), aSight(both))).toBe('grown-unclear');
  });
});

describe('a new replica that another one has taken the place of', () => {
  const synced = aReading('grown-synced', 'nothing', { replicas: [source, { uuid: 'r2', pool: 'cold-2' }, { uuid: 'r8', pool: 'hot-2' }] });

  it('gives way to it: from then on its sync is what is waited for, for as long as the first might take', () => {
    const before = aMove('wait-sync', { syncPercent: 70 });
    const { move, effect } = advance(before, aSight(synced), limits);
    expect(move).toMatchObject({ step: 'wait-sync', newReplica: { uuid: 'r8', pool: 'hot-2' }, syncPercent: 0 });
    expect(move.syncStartedAt).toBe(before.syncStartedAt);
    expect(move.story.at(-1)?.text).toMatch(/^Replica r8 on hot-2 has taken the place/);
    expect(effect.kind).toBe('look');
    expect(advance(move, aSight(synced), limits)).toMatchObject({ move, effect: { kind: 'wait' } });
    expect(advance(move, aSight(synced, { syncedForMs: limits.syncedHoldMs }), limits).move.step).toBe('gate-shrink');
  });

  it('gives way before it is synced too, and where the move is cancelled it is the one that goes', () => {
    const rebuilding = { uuid: 'r8', pool: 'hot-2', childStatus: 'Degraded', rebuildProgress: 10, healthy: false };
    const seen = aReading('grown', 'nothing', { replicas: [source, { uuid: 'r2', pool: 'cold-2' }, rebuilding] });
    expect(kindOfSight(aMove('wait-sync'), aSight(seen))).toBe('grown');
    expect(advance(aMove('wait-sync'), aSight(seen), limits).move.newReplica?.uuid).toBe('r8');
    expect(advance(aMove('wait-sync'), aSight(seen, { cancelled: true }), limits).move.step).toBe('gate-rollback');
  });

  it('does not give way to several, of which nobody can tell which is ours', () => {
    const seen = aReading('grown-unclear');
    expect(advance(aMove('wait-sync'), aSight(seen), limits).move.newReplica).toEqual(newReplica);
  });
});

describe('a count that is there before the state', () => {
  const unsettled = aReading('unsettled', 'gates');
  const after = (settlings: number) => ({ atStepMs: limits.settleMs * settlings + 1 });

  it('lets the gate go', () => {
    expect(advance(aMove('scale-up'), aSight(unsettled, { gate: 'held', ...after(1) }), limits).effect.kind).toBe('wait');
    expect(advance(aMove('scale-up'), aSight(unsettled, { gate: 'held', ...after(2) }), limits).move).toMatchObject({
      step: 'ungate-grow',
      next: 'analyze',
    });
  });

  it('is waited for two minutes where the volume was told to grow', () => {
    expect(advance(aMove('analyze'), aSight(unsettled, after(20)), limits).effect.kind).toBe('wait');
    expect(advance(aMove('analyze'), aSight(unsettled, after(24)), limits).move.result?.code).toBe('CHANGED_EXTERNALLY');
  });

  it('keeps all replicas, and says so, where a roll-back never learns which one is new', () => {
    const { move } = advance(aMove('gate-rollback'), aSight(unsettled, { gate: 'held', ...after(2) }), limits);
    expect(move).toMatchObject({ step: 'ungate-rollback', next: 'finish', result: { outcome: 'kept-old', code: 'ROLL_BACK_REFUSED' } });
  });

  it('is enough where it says that the new replica has gone', () => {
    const back = aReading('unsettled', 'nothing', { numReplicas: 2, replicas: [source] });
    const { move } = advance(aMove('gate-rollback'), aSight(back, { gate: 'held', ...after(2) }), limits);
    expect(move).toMatchObject({ next: 'finish', result: { code: 'SYNC_TIMEOUT' } });
  });
});

describe('a new replica whose place is not known', () => {
  const lost = { uuid: newReplica.uuid, pool: undefined, state: 'Unknown' };
  const replicas = [source, { uuid: 'r2', pool: 'cold-2' }, lost];

  it('is not taken for one on a wrong pool: the gate is let go, and its node waited for', () => {
    const seen = aReading('grown', 'gates', { replicas });
    expect(kindOfSight(aMove('scale-up'), aSight(seen))).toBe('grown-misplaced');
    expect(advance(aMove('scale-up'), aSight(seen, { gate: 'held' }), limits).effect.kind).toBe('wait');
    const { move } = advance(aMove('scale-up'), aSight(seen, { gate: 'held', atStepMs: limits.settleMs * 2 + 1 }), limits);
    expect(move).toMatchObject({ step: 'ungate-grow', next: 'analyze' });
    expect(advance(aMove('analyze'), aSight(aReading('grown', 'nothing', { replicas })), limits).effect.kind).toBe('wait');
  });

  it('is taken back where that takes longer than a sync may', () => {
    const late = { atStepMs: aMove('analyze').request.syncTimeoutMs + 1 };
    const { move } = advance(aMove('analyze'), aSight(aReading('grown', 'nothing', { replicas }), late), limits);
    expect(move).toMatchObject({ step: 'gate-rollback', result: { code: 'WRONG_POOL' } });
  });
});

describe('a wall clock that is set back', () => {
  it('does not make the time of a sync negative', () => {
    const past = aSight(aReading('grown-synced'), { nowMs: nowMs - 86_400_000, syncedForMs: limits.syncedHoldMs });
    expect(advance(aMove('wait-sync'), past, limits).move).toMatchObject({ step: 'gate-shrink', syncedMs: 0 });
  });
});
