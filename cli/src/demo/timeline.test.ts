import type { StoryLine } from '@couchestor/shared/contracts/migrator';
import { describe, expect, it } from 'vitest';
import { painter } from '../terminal/ansi.ts';
import { chaosPlan, killable, nextKill } from './chaos-plan.ts';
import type { Kill } from './chaos-watcher.ts';
import { recoveriesOf, recoveryLines, timelineLines } from './timeline.ts';

const startMs = Date.parse('2026-01-01T12:00:00Z');
const line = (seconds: number, step: StoryLine['step'], text: string, answer?: string): StoryLine => ({
  at: new Date(startMs + seconds * 1_000).toISOString(),
  step,
  text,
  ...(answer === undefined ? {} : { call: { answer, tookMs: 12 } }),
});
const kill = (process: string, seconds: number, backSeconds?: number): Kill => ({
  process,
  step: 'scale-up',
  atMs: startMs + seconds * 1_000,
  backAtMs: backSeconds === undefined ? undefined : startMs + backSeconds * 1_000,
});

const story = [
  line(0, 'gate-grow', 'Only hot-1 is open for a new replica.'),
  line(5, 'scale-up', 'Run by migrator b, attempt 1.'),
  line(6, 'scale-up', 'uncordon pool hot-2', 'done'),
  line(6.1, 'scale-up', 'unmark pool hot-2 (couchestor-gate)', 'done'),
  line(7, 'scale-up', 'Replica r9 was made on hot-1.'),
  line(21, 'wait-sync', 'Mayastor could not be read: MAYASTOR_UNREACHABLE'),
];

describe('the recoveries of a move', () => {
  it('tell at which step it was taken up, what was undone, and what was found', () => {
    expect(recoveriesOf({ startMs, story, kills: [kill('migrator', 1, 1.5)] })).toEqual([
      {
        process: 'migrator',
        step: 'scale-up',
        sinceStartMs: 1_000,
        backAfterMs: 500,
        recovery: 'the move was taken up at scale-up, uncordon pool hot-2, unmark pool hot-2, "Replica r9 was made on hot-1."',
      },
    ]);
  });

  it('say so where a move noticed nothing, or only that it was not answered', () => {
    const kills = [kill('nats', 8, 9), kill('mayastor-simulator', 20, 21)];
    expect(recoveriesOf({ startMs, story, kills }).map(({ recovery }) => recovery)).toEqual([
      'the move did not notice',
      'the move noticed: "Mayastor could not be read: MAYASTOR_UNREACHABLE"',
    ]);
  });

  it('say so where a process was killed before it had written anything', () => {
    const [first] = recoveriesOf({ startMs, story, kills: [kill('migrator', 1), kill('migrator', 2)] });
    expect(first && recoveryLines([first])).toEqual([
      'migrator killed at scale-up: not back; the next one was killed too before it had written what it did',
    ]);
  });
});

it('tells steps, calls, kills and restarts in the order in which they happened', () => {
  const lines = timelineLines({
    startMs,
    story: story.slice(0, 3),
    kills: [kill('migrator', 1, 1.5)],
    paint: painter(false),
    columns: undefined,
  });
  expect(lines).toEqual([
    '   +0.0 s  gate-grow  Only hot-1 is open for a new replica.',
    '   +1.0 s  scale-up   ✗ migrator killed (kill -9)',
    '   +1.5 s             ✓ migrator runs again',
    '   +5.0 s  scale-up   Run by migrator b, attempt 1.',
    '   +6.0 s  scale-up   · uncordon pool hot-2: done, 12ms',
  ]);
});

describe('the plan', () => {
  it('kills the migrator at each kind of step, and everything else once, in order', () => {
    const done = new Set<(typeof chaosPlan)[number]>();
    const atWaitSync = [];
    for (let planned = nextKill(chaosPlan, done, 'wait-sync'); planned; planned = nextKill(chaosPlan, done, 'wait-sync')) {
      atWaitSync.push(planned.process);
      done.add(planned);
    }
    expect(atWaitSync).toEqual(['migrator', 'policy-brain', 'redis', 'nats', 'mayastor-simulator']);
    expect(nextKill(chaosPlan, done, 'gate-shrink')?.process).toBe('migrator');
    expect(nextKill(chaosPlan, done, 'finish')).toBeUndefined();
  });

  it('leaves servers alone that are somebody else’s', () => {
    const left = killable(chaosPlan, { NATS_URL: 'nats://elsewhere:4222' }).map(({ process }) => process);
    expect(left).not.toContain('nats');
    expect(left).toContain('redis');
  });
});
