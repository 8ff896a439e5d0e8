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
  return o.kills.map(({ process, step, atMs, backAtMs }, index) => {
    const untilMs = o.kills[index + 1]?.atMs ?? Number.POSITIVE_INFINITY;
    const lines = o.story.filter(({ at }) => Date.parse(at) > atMs && Date.parse(at) < untilMs);
    return {
      process,
      step,
      sinceStartMs: atMs - o.startMs,
      backAfterMs: backAtMs === undefined ? undefined : backAtMs - atMs,
      recovery: process === 'migrator' ? takenUp(lines) : felt(lines),
    };
  });
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

/** What the next migrator found, what it called first, and what it then wrote. */
function takenUp(lines: readonly StoryLine[]): string {
  const begin = lines.findIndex(({ text }) => takenInHand.test(text));
  const found = lines[begin];
  if (found === undefined) {
    return 'the next one was killed too before it had written what it did';
  }
  const after = lines.slice(begin + 1);
  const end = after.findIndex(({ call }) => call === undefined);
  const calls = after.slice(0, end < 0 ? after.length : end).map(({ text }) => text.replace(/ \(.*\)$/, ''));
  const told = end < 0 ? undefined : after[end]?.text;
  return [`the move was taken up at ${found.step}`, ...calls, ...(told === undefined ? [] : [`"${told}"`])].join(', ');
}

/** Of the death of another process the move notices at most that it was not answered. */
function felt(lines: readonly StoryLine[]): string {
  const noticed = lines.find(({ call, text }) => call === undefined && /could not be/i.test(text));
  return noticed === undefined ? 'the move did not notice' : `the move noticed: "${noticed.text}"`;
}
