/** One frame of the live view: pure, from the state and the terminal's size to its lines. */
import type { VolumeView } from '@couchestor/shared/contracts/brain';
import type { MoveView } from '@couchestor/shared/contracts/migrator';
import { formatDuration } from '@couchestor/shared/duration';
import type { Paint, Style } from '../terminal/ansi.ts';
import { formatBytes, formatClock, formatCount } from '../terminal/format.ts';
import { progressBar } from '../terminal/progress-bar.ts';
import { renderTable } from '../terminal/table.ts';
import { oneLine, pad, textWidth, truncate } from '../terminal/text-width.ts';
import type { LiveEvent, LiveState } from './live-state.ts';
import { decisionText, iopsText, movePercent, outcomeStyles, placementText, poolsText, tierStyles, verbStyles } from './words.ts';

export interface FrameSize {
  readonly columns: number;
  readonly rows: number;
}

interface Look {
  readonly paint: Paint;
  readonly columns: number;
  readonly now: number;
}

/** Lines that are always there: two of head, three headings with a blank line before each, one table heading, the totals. */
const fixedRows = 2 + 3 * 2 + 1 + 1;
const barColumns = 16;
/** With its percentage. */
const barWidth = barColumns + 5;
/** Below this the sizes make room for the reasons. */
const columnsForSizes = 100;
const shortNames: Readonly<Record<string, string>> = {
  'mayastor-simulator': 'simulator',
  'metrics-watcher': 'watcher',
  'policy-brain': 'brain',
};

export function renderFrame(state: LiveState, o: { size: FrameSize; paint: Paint; now: number }): string[] {
  const look: Look = { paint: o.paint, columns: o.size.columns, now: o.now };
  const share = shareRows(o.size.rows - fixedRows, {
    volumes: Math.max(1, state.volumes.length),
    moves: Math.max(1, state.open.length + Math.min(state.finished.length, 3)),
  });
  return [
    titleLine(state, look),
    processLine(state, look),
    '',
    o.paint(`VOLUMES (${state.volumes.length})`, 'bold'),
    ...volumeLines(state, share.volumes, look),
    '',
    o.paint(`MIGRATIONS (${state.open.length} open)`, 'bold'),
    ...moveLines(state, share.moves, look),
    '',
    o.paint('EVENTS', 'bold'),
    ...eventLines(state, share.events, look),
    totalsLine(state, look),
  ].slice(0, o.size.rows);
}

/** Volumes and moves get what they need so long as some events are left; a small screen shares by halves. */
export function shareRows(room: number, wanted: { volumes: number; moves: number }): { volumes: number; moves: number; events: number } {
  const free = Math.max(3, room);
  const moves = Math.max(1, Math.min(wanted.moves, Math.floor(free / 3)));
  const volumes = Math.max(1, Math.min(wanted.volumes, Math.floor((free - moves) * 0.7)));
  return { volumes, moves, events: Math.max(1, free - moves - volumes) };
}

function titleLine(state: LiveState, { paint, columns, now }: Look): string {
  const left = `CoucheStor  running for ${formatDuration(Math.max(0, now - state.startedAt.getTime()))}`;
  const right = 'Ctrl-C stops everything';
  const gap = columns - textWidth(left) - textWidth(right);
  return gap < 1 ? paint(truncate(left, columns), 'bold') : `${paint(left, 'bold')}${' '.repeat(gap)}${paint(right, 'dim')}`;
}

function processLine({ processes, stale }: LiveState, { paint, columns }: Look): string {
  if (stale !== undefined) {
    return paint(truncate(oneLine(stale), columns), 'yellow');
  }
  const parts: string[] = [];
  let used = 0;
  for (const { name, up, restarts } of processes) {
    const text = `${shortNames[name] ?? name}${restarts > 0 ? ` ↻${restarts}` : ''}`;
    used += textWidth(text) + (parts.length === 0 ? 2 : 3);
    if (used > columns) {
      break;
    }
    parts.push(`${paint(up ? '●' : '○', up ? 'green' : 'red')} ${text}`);
  }
  return parts.join(' ');
}

function volumeLines({ volumes }: LiveState, rows: number, { paint, columns }: Look): string[] {
  if (volumes.length === 0) {
    return [paint('  The brain has not seen a volume yet.', 'dim'), ...blank(rows)];
  }
  const shown = volumes.length > rows ? volumes.slice(0, Math.max(1, rows - 1)) : volumes;
  const table = renderTable(
    shown,
    [
      { title: 'NAME', value: ({ name }) => name, shrinkTo: 10 },
      ...(columns < columnsForSizes
        ? []
        : [{ title: 'SIZE', value: ({ sizeBytes }: VolumeView) => formatBytes(sizeBytes), align: 'right' as const }]),
      { title: 'IOPS', value: iopsText, align: 'right', widthMin: 6 },
      { title: 'TIER', value: placementText, widthMin: 5, style: (volume) => tierStyles(placementText(volume)) },
      { title: 'POOLS', value: poolsText, shrinkTo: 12 },
      {
        title: 'DECISION',
        value: decisionText,
        style: ({ decision, pending }) => (pending ? ['green'] : verbStyles(decision?.verb)),
        shrinkTo: 16,
      },
    ],
    { columns: columns - 2, paint },
  ).map((line) => `  ${line}`);
  const more = volumes.length - shown.length;
  return more > 0 ? [...table, paint(`  and ${more} more: couchestor volumes`, 'dim')] : table;
}

function moveLines({ open, finished, volumes }: LiveState, rows: number, { paint, columns, now }: Look): string[] {
  const names = new Map(volumes.map(({ volumeId, name }) => [volumeId, name]));
  const moves = [...open, ...finished].slice(0, rows);
  if (moves.length === 0) {
    return [paint('  None yet: decisions need a full sampling window first.', 'dim')];
  }
  return moves.map((move) => {
    const styles = outcomeStyles(move.result?.outcome);
    const name = pad(truncate(names.get(move.volumeId) ?? move.volumeId, 16), 16);
    const tookMs = (move.finishedAt === undefined ? now : Date.parse(move.finishedAt)) - Date.parse(move.startedAt);
    const head = `  ${name} ${pad(`${move.from} → ${move.to}`, 12)} `;
    const took = pad(formatDuration(Math.max(0, tookMs)), 8, 'right');
    const tail = move.result?.message ?? `${move.step}${placeText(move)}`;
    const room = Math.max(0, columns - textWidth(head) - barWidth - textWidth(took) - 1);
    return `${head}${paint(barText(move), ...styles)}${took} ${paint(truncate(oneLine(tail), room), ...(move.result === undefined ? [] : styles))}`;
  });
}

/** How far the move is; what was refused or undone is not a full bar, so it is named instead. */
function barText(move: MoveView): string {
  if (move.result !== undefined && move.result.outcome !== 'success') {
    return pad(move.result.outcome, barWidth);
  }
  const percent = movePercent(move);
  return `${progressBar({ percent, columns: barColumns })} ${String(Math.round(percent)).padStart(3)}%`;
}

function placeText({ sourcePool, destinationPool }: MoveView): string {
  return destinationPool === undefined ? '' : ` ${sourcePool ?? '?'} → ${destinationPool}`;
}

function eventLines({ events }: LiveState, rows: number, { paint, columns }: Look): string[] {
  const shown = events.slice(-rows).map(({ at, text, tone }) => {
    const room = Math.max(0, columns - 12);
    return `  ${paint(formatClock(at), 'dim')}  ${paint(truncate(oneLine(text), room), ...toneStyles(tone))}`;
  });
  return [...shown, ...blank(rows - shown.length)];
}

function totalsLine({ totals, verification }: LiveState, { paint, columns }: Look): string {
  const corrupt = verification?.corrupt ?? 0;
  const verified =
    verification === undefined ? '' : `  bytes verified ${formatBytes(verification.bytesVerified)}  corrupt ${formatCount(corrupt)}`;
  const text = truncate(
    `moved ${formatCount(totals.moved)}  refused ${formatCount(totals.refused)}  failed ${formatCount(totals.failed)}${verified}`,
    columns,
  );
  return paint(text, corrupt > 0 ? 'red' : 'bold');
}

function toneStyles(tone: LiveEvent['tone']): readonly Style[] {
  return tone === 'good' ? ['green'] : tone === 'bad' ? ['red'] : tone === 'note' ? ['yellow'] : [];
}

function blank(rows: number): string[] {
  return Array.from({ length: Math.max(0, rows) }, () => '');
}
