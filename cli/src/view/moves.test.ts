import type { MoveView } from '@couchestor/shared/contracts/migrator';
import { expect, it } from 'vitest';
import { painter } from '../terminal/ansi.ts';
import { moveStory } from './moves.ts';

const startedAt = '2026-01-01T12:00:00.000Z';
const move: MoveView = {
  moveId: 'm0123456789abcdef',
  volumeId: '11111111-2222-4333-8444-555555555555',
  policy: 'tiering',
  from: 'cold',
  to: 'hot',
  step: 'finish',
  replicasMoved: 1,
  replicasPlanned: 1,
  startedAt,
  finishedAt: '2026-01-01T12:01:15.000Z',
  result: {
    outcome: 'success',
    code: 'MOVED',
    message: 'Every replica lies on a pool of the tier.',
    replicasMoved: 1,
    bytesMoved: 1024 ** 2,
  },
};
const plain = { paint: painter(false), columns: undefined, now: Date.parse('2026-01-01T13:00:00Z') };

it('tells a move by its steps and calls, in seconds since it was accepted', () => {
  const lines = moveStory(
    {
      move,
      story: [
        { at: startedAt, sinceStartMs: 0, step: 'analyze', text: 'Accepted: busy.' },
        {
          at: startedAt,
          sinceStartMs: 1_234,
          step: 'scale-up',
          text: 'set num_replicas to 2',
          call: { answer: 'MAYASTOR_AMBIGUOUS 503', tookMs: 2_000 },
        },
        { at: startedAt, sinceStartMs: 75_000, step: 'ungate-shrink', text: 'Done.' },
      ],
    },
    plain,
  );
  expect(lines).toEqual([
    'm0123456789abcdef  volume 11111111-2222-4333-8444-555555555555, cold → hot, policy tiering',
    'success  MOVED, 1.0 MiB moved',
    'Every replica lies on a pool of the tier.',
    'started 2026-01-01T12:00:00.000Z, took 1m 15s',
    '',
    '   +0.0 s  analyze        Accepted: busy.',
    '   +1.2 s  scale-up       · set num_replicas to 2: MAYASTOR_AMBIGUOUS 503, 2s',
    '  +75.0 s  ungate-shrink  Done.',
  ]);
});

it('tells for how long an open move has been open', () => {
  const { result: _result, finishedAt: _finishedAt, ...rest } = move;
  const open = moveStory({ move: { ...rest, step: 'wait-sync', syncPercent: 50 }, story: [] }, plain);
  expect(open).toContain('started 2026-01-01T12:00:00.000Z, open for 1h');
});
