/** One move that survived kills, told from both sides: the migrator's story and what was done to the processes. Pure. */
import type { MoveStep } from '@couchestor/shared/contracts/migration';
import type { StoryLine } from '@couchestor/shared/contracts/migrator';
import { formatDuration } from '@couchestor/shared/duration';
import type { Paint } from '../terminal/ansi.ts';
import { formatSeconds } from '../terminal/format.ts';
import { wrap } from '../terminal/text-width.ts';
import type { Kill } from './chaos-watcher.ts';

export interface Recovery {
  readonly process: string;
  readonly step: MoveStep;
  /** Since the move was accepted. */
  readonly sinceStartMs: number;
  /** From the kill to the process that was started in its place. */
  readonly backAfterMs: number | undefined;
  /** What the move did next. */
  readonly recovery: string;
}

/** A line of the story that a process writes when it takes a move in hand. */
const takenInHand = /^Run by /;

export function recoveriesOf(o: { startMs: number; story: readonly StoryLine[]; kills: readonly Kill[] }): Recovery[] {
  return o.kills.map(({ process, step, atMs, backAtMs }) => ({
    process,
    step,
    sinceStartMs: atMs - o.startMs,
    backAfterMs: backAtMs === undefined ? undefined : backAtMs - atMs,
    recovery: recoveryWords({ process, after: o.story.filter(({ at }) => Date.parse(at) > atMs) }),
  }));
}

export function timelineLines(o: {
  startMs: number;
  story: readonly StoryLine[];
  kills: readonly Kill[];
  paint: Paint;
  columns: number | undefined;
}): string[] {
  const { paint } = o;
  const stepWidth = Math.max(0, ...o.story.map(({ step }) => step.length));
  const entries = [
    ...o.story.map(({ at, step, text, call }) => ({
      atMs: Date.parse(at),
      step: step as string,
      text: call === undefined ? text : `· ${text}: ${call.answer}, ${formatDuration(call.tookMs)}`,
      styles: call === undefined ? [] : (['dim'] as const),
    })),
    ...o.kills.flatMap(({ process, step, atMs, backAtMs }) => [
      { atMs, step: step as string, text: `✗ ${process} killed (kill -9)`, styles: ['red', 'bold'] as const },
      ...(backAtMs === undefined ? [] : [{ atMs: backAtMs, step: '', text: `✓ ${process} runs again`, styles: ['green'] as const }]),
    ]),
  ].sort((left, right) => left.atMs - right.atMs);
  const indent = 9 + 2 + stepWidth + 2;
  return entries.flatMap(({ atMs, step, text, styles }) => {
    const [head = '', ...tail] = wrap(text, Math.max(20, (o.columns ?? 160) - indent));
    const since = `+${formatSeconds(atMs - o.startMs)}`.padStart(9);
    return [
      `${paint(since, 'dim')}  ${step.padEnd(stepWidth)}  ${paint(head, ...styles)}`,
      ...tail.map((rest) => ' '.repeat(indent) + paint(rest, ...styles)),
    ];
  });
}

export function recoveryLines(recoveries: readonly Recovery[]): string[] {
  return recoveries.map(({ process, step, backAfterMs, recovery }) => {
    const back = backAfterMs === undefined ? 'not back' : `back after ${formatSeconds(backAfterMs)}`;
    return `${process} killed at ${step}: ${back}; ${recovery}`;
  });
}

function recoveryWords({ process, after }: { process: string; after: readonly StoryLine[] }): string {
  const begin = process === 'migrator' ? after.findIndex(({ text }) => takenInHand.test(text)) : -1;
  if (process === 'migrator' && begin < 0) {
    return 'what its successor did was not written down';
  }
  const lines = after.slice(begin + 1);
  const next = lines.findIndex(({ call, text }) => call === undefined && !takenInHand.test(text));
  const calls =
    process === 'migrator' ? lines.slice(0, next < 0 ? lines.length : next).flatMap(({ text, call }) => (call ? [text] : [])) : [];
  const then = next < 0 ? 'the move had ended' : `${lines[next]?.step}: ${lines[next]?.text}`;
  return calls.length === 0 ? then : `${calls.join(', ')}; then ${then}`;
}
