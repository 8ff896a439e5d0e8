import type { VolumeView } from '@couchestor/shared/contracts/brain';
import type { MoveView } from '@couchestor/shared/contracts/migrator';
import { describe, expect, it } from 'vitest';
import { painter, stripStyles } from '../terminal/ansi.ts';
import { textWidth } from '../terminal/text-width.ts';
import { renderFrame, shareRows } from './frame.ts';
import { emptyLiveState, type LiveState, withEvent } from './live-state.ts';

const now = Date.parse('2025-01-01T00:03:21Z');
const volumeId = '11111111-2222-4333-8444-555555555555';
const selectors = { hot: 'nvme-1', cold: 'hdd-1' };

function volume(o: Partial<VolumeView> = {}): VolumeView {
  return {
    volumeId,
    name: 'orders-db',
    sizeBytes: 64 * 1024 * 1024,
    numReplicas: 2,
    status: 'Online',
    published: true,
    pools: [
      { pool: 'hdd-1', node: 'node-1', tier: 'cold', state: 'Online' },
      { pool: 'hdd-2', node: 'node-2', tier: 'cold', state: 'Online' },
    ],
    decision: {
      volumeId,
      decidedAt: '2025-01-01T00:03:20Z',
      verb: 'move',
      rule: 'to-hot',
      reason: '812 IOPS reach the high watermark of 500',
      placement: 'cold',
      to: 'hot',
      sample: { status: 'measured', volumeId, readIops: 600, writeIops: 212, iops: 812, coverage: 1 },
    },
    ...o,
  };
}

const move: MoveView = {
  moveId: 'm0123456789abcdef',
  volumeId,
  policy: 'demo',
  from: 'cold',
  to: 'hot',
  step: 'wait-sync',
  replicasMoved: 1,
  replicasPlanned: 2,
  syncPercent: 50,
  sourcePool: selectors.cold,
  destinationPool: selectors.hot,
  startedAt: '2025-01-01T00:03:11Z',
};

function busyState(): LiveState {
  const empty = emptyLiveState({ startedAt: new Date('2025-01-01T00:00:00Z'), dataDir: '/data' });
  const state: LiveState = {
    ...empty,
    processes: [
      { name: 'nats', up: true, restarts: 0 },
      { name: 'policy-brain', up: false, restarts: 2 },
    ],
    volumes: [volume()],
    open: [move],
    totals: { moved: 3, refused: 1, failed: 0 },
    verification: { bytesVerified: 5 * 1024 * 1024, corrupt: 0 },
  };
  return withEvent(state, { at: new Date(now), text: 'orders-db: cold → hot success in 12s.', tone: 'good' });
}

function draw(state: LiveState, columns: number, rows: number, colours = false): string[] {
  return renderFrame(state, { size: { columns, rows }, paint: painter(colours), now });
}

describe('the live view', () => {
  it('shows volumes with IOPS, tier, pools and reason, moves with their progress, events and totals', () => {
    const text = draw(busyState(), 120, 30).join('\n');
    expect(text).toContain('running for 3m 21s');
    expect(text).toContain('● nats ○ brain ↻2');
    expect(text).toMatch(/orders-db +64.0 MiB +812 +cold +hdd-1 hdd-2 +move: 812 IOPS reach the high watermark of 500/);
    expect(text).toMatch(/orders-db +cold → hot +█+.?░+ +75% +10s wait-sync hdd-1 → nvme-1/);
    expect(text).toContain('orders-db: cold → hot success in 12s.');
    expect(text).toContain('moved 3  refused 1  failed 0  bytes verified 5.0 MiB  corrupt 0');
  });

  it.each([
    [80, 24],
    [81, 50],
    [132, 24],
    [200, 60],
    [80, 14],
  ])('stays within %d columns and %d rows, whatever there is to show', (columns, rows) => {
    const many = {
      ...busyState(),
      volumes: Array.from({ length: 40 }, (_, index) => volume({ name: `a-rather-long-volume-name-${index}` })),
      open: Array.from({ length: 9 }, () => move),
    };
    for (const state of [busyState(), many, emptyLiveState({ startedAt: new Date(0), dataDir: '/data' })]) {
      const lines = draw(state, columns, rows);
      expect(lines.length).toBeLessThanOrEqual(rows);
      expect(Math.max(...lines.map(textWidth))).toBeLessThanOrEqual(columns);
    }
  });

  it('keeps the totals on the last row, so that nothing jumps as events come', () => {
    const empty = emptyLiveState({ startedAt: new Date(0), dataDir: '/data' });
    for (const state of [empty, busyState()]) {
      expect(draw(state, 80, 24).findIndex((line) => line.startsWith('moved '))).toBe(23);
    }
  });

  it('shows a refused move as such, not as a full bar', () => {
    const refused: MoveView = {
      ...move,
      finishedAt: '2025-01-01T00:03:12Z',
      result: { outcome: 'refused', code: 'X', message: 'no free node', replicasMoved: 0, bytesMoved: 0 },
    };
    const line = draw({ ...busyState(), open: [], finished: [refused] }, 100, 30).find((text) => text.includes('no free node'));
    expect(line).toMatch(/cold → hot +refused +1s no free node/);
    expect(line).not.toContain('█');
  });

  it('says how many volumes are not shown', () => {
    const state = { ...busyState(), volumes: Array.from({ length: 40 }, (_, index) => volume({ name: `v${index}` })) };
    expect(draw(state, 80, 24).join('\n')).toMatch(/and \d+ more: couchestor volumes/);
  });

  it('is the same text with colours as without', () => {
    expect(draw(busyState(), 100, 30, true).map(stripStyles)).toEqual(draw(busyState(), 100, 30));
  });

  it('says why what is shown may be old', () => {
    expect(draw({ ...busyState(), stale: 'migrator: nobody answered' }, 80, 24)[1]).toBe('migrator: nobody answered');
  });

  it('puts a zero, an idle volume and a missing measurement apart', () => {
    const shown = (sample: NonNullable<VolumeView['decision']>['sample']): string => {
      const base = volume();
      return draw(
        { ...busyState(), volumes: [{ ...base, decision: { ...(base.decision as NonNullable<VolumeView['decision']>), sample } }] },
        120,
        30,
      ).join('\n');
    };
    expect(shown({ status: 'measured', volumeId, readIops: 0, writeIops: 0, iops: 0, coverage: 1 })).toMatch(/64.0 MiB +0 +cold/);
    expect(shown({ status: 'idle', volumeId })).toMatch(/64.0 MiB +idle +cold/);
    expect(shown({ status: 'unknown', volumeId, reason: 'no series' })).toMatch(/64.0 MiB +\? +cold/);
  });
});

describe('sharing the rows', () => {
  it('leaves at least one row to each part, however small the screen', () => {
    for (let room = 0; room < 60; room += 1) {
      const share = shareRows(room, { volumes: 100, moves: 100 });
      expect(Math.min(share.volumes, share.moves, share.events)).toBeGreaterThanOrEqual(1);
      expect(share.volumes + share.moves + share.events).toBe(Math.max(3, room));
    }
  });

  it('gives volumes and moves no more than they need', () => {
    expect(shareRows(40, { volumes: 6, moves: 2 })).toEqual({ volumes: 6, moves: 2, events: 32 });
  });
});
