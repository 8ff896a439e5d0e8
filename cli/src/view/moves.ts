/** Moves as a table, and one move as its story. */
import type { MoveView, showMove } from '@couchestor/shared/contracts/migrator';
import { formatDuration } from '@couchestor/shared/duration';
import type { z } from 'zod';
import type { Paint } from '../terminal/ansi.ts';
import { formatBytes, formatSeconds } from '../terminal/format.ts';
import { progressBar } from '../terminal/progress-bar.ts';
import { renderTable } from '../terminal/table.ts';
import { wrap } from '../terminal/text-width.ts';
import { movePercent, outcomeStyles } from './words.ts';

const barColumns = 10;
/** Of `+3600.0 s`: a longer move only shifts its last lines. */
const sinceWidth = 9;

type MoveStory = z.infer<typeof showMove.response>;

export function movesTable(
  moves: readonly MoveView[],
  o: { names: ReadonlyMap<string, string>; now: number; paint: Paint; columns: number | undefined },
): string[] {
  if (moves.length === 0) {
    return [];
  }
  return renderTable(
    moves,
    [
      { title: 'MOVE', value: ({ moveId }) => moveId },
      { title: 'VOLUME', value: ({ volumeId }) => o.names.get(volumeId) ?? volumeId, shrinkTo: 8 },
      { title: 'FROM → TO', value: ({ from, to }) => `${from} → ${to}` },
      { title: 'STATE', value: stateText, style: ({ result }) => outcomeStyles(result?.outcome) },
      { title: 'REPLICAS', value: ({ replicasMoved, replicasPlanned }) => `${replicasMoved}/${replicasPlanned}`, align: 'right' },
      { title: 'TIME', value: (move) => formatDuration(Math.max(0, endOf(move, o.now) - Date.parse(move.startedAt))), align: 'right' },
      { title: 'MESSAGE', value: (move) => move.result?.message ?? placeText(move), shrinkTo: 16 },
    ],
    o,
  );
}

export function moveStory(answer: MoveStory, o: { paint: Paint; columns: number | undefined; now: number }): string[] {
  const { move, story } = answer;
  const { paint, columns = 160 } = o;
  const tookMs = Math.max(0, endOf(move, o.now) - Date.parse(move.startedAt));
  const stepWidth = Math.max(...story.map(({ step }) => step.length), 0);
  const indent = sinceWidth + 2 + stepWidth + 2;
  return [
    `${paint(move.moveId, 'bold')}  volume ${move.volumeId}, ${move.from} → ${move.to}, policy ${move.policy}`,
    `${paint(stateText(move), ...outcomeStyles(move.result?.outcome))}${move.result === undefined ? '' : `  ${move.result.code}, ${formatBytes(move.result.bytesMoved)} moved`}`,
    ...(move.result === undefined ? [] : wrap(move.result.message, columns)),
    `started ${move.startedAt}, ${move.finishedAt === undefined ? 'open for' : 'took'} ${formatDuration(tookMs)}`,
    '',
    ...story.flatMap((line) => {
      const [head = '', ...tail] = wrap(storyText(line), Math.max(20, columns - indent));
      const style = line.call === undefined ? [] : (['dim'] as const);
      const since = `+${formatSeconds(line.sinceStartMs)}`.padStart(sinceWidth);
      return [
        `${paint(since, 'dim')}  ${paint(line.step.padEnd(stepWidth), ...style)}  ${paint(head, ...style)}`,
        ...tail.map((rest) => ' '.repeat(indent) + paint(rest, ...style)),
      ];
    }),
  ];
}

/** A call is marked, between the steps that it lies between. */
function storyText({ text, call }: MoveStory['story'][number]): string {
  return call === undefined ? text : `· ${text}: ${call.answer}, ${formatDuration(call.tookMs)}`;
}

function stateText(move: MoveView): string {
  if (move.result !== undefined) {
    return move.result.outcome;
  }
  const percent = movePercent(move);
  return `${progressBar({ percent, columns: barColumns })} ${String(Math.round(percent)).padStart(2)} % ${move.step}`;
}

function placeText({ sourcePool, destinationPool }: MoveView): string {
  return destinationPool === undefined ? '' : `${sourcePool ?? '?'} → ${destinationPool}`;
}

function endOf({ finishedAt }: MoveView, now: number): number {
  return finishedAt === undefined ? now : Date.parse(finishedAt);
}
