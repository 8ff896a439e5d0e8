/** Moves as a table, and one move as its story. */
import type { MoveView, StoryLine } from '@couchestor/shared/contracts/migrator';
import { formatDuration } from '@couchestor/shared/duration';
import type { Paint } from '../terminal/ansi.ts';
import { formatBytes, formatClock } from '../terminal/format.ts';
import { progressBar } from '../terminal/progress-bar.ts';
import { renderTable } from '../terminal/table.ts';
import { wrap } from '../terminal/text-width.ts';
import { movePercent, outcomeStyles } from './words.ts';

const barColumns = 10;

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

export function moveStory(
  answer: { move: MoveView; story: readonly StoryLine[] },
  o: { paint: Paint; columns: number | undefined },
): string[] {
  const { move, story } = answer;
  const { paint } = o;
  const indent = ' '.repeat(26);
  return [
    `${paint(move.moveId, 'bold')}  volume ${move.volumeId}, ${move.from} → ${move.to}, policy ${move.policy}`,
    `${paint(stateText(move), ...outcomeStyles(move.result?.outcome))}${move.result === undefined ? '' : `  ${move.result.code}, ${formatBytes(move.result.bytesMoved)} moved`}`,
    ...(move.result === undefined ? [] : wrap(move.result.message, o.columns ?? 120)),
    '',
    ...story.flatMap(({ at, step, text }) => {
      const [head = '', ...tail] = wrap(text, Math.max(20, (o.columns ?? 160) - indent.length));
      return [`${formatClock(new Date(at))}  ${step.padEnd(indent.length - 10)}${head}`, ...tail.map((line) => indent + line)];
    }),
  ];
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
