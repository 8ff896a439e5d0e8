/** The page that `couchestor explain` prints. */
import type { explainVolume } from '@couchestor/shared/contracts/brain';
import { formatDuration } from '@couchestor/shared/duration';
import type { z } from 'zod';
import type { Paint } from '../terminal/ansi.ts';
import { formatBytes, formatCount } from '../terminal/format.ts';
import { renderTable } from '../terminal/table.ts';
import { wrap } from '../terminal/text-width.ts';
import { iopsText, outcomeStyles, placementText, tierStyles, verbStyles } from './words.ts';

export type Explanation = z.infer<typeof explainVolume.response>;

const labelWidth = 13;
const historyShown = 10;

export function explanation(
  { volume, ledger, facts }: Explanation,
  o: { paint: Paint; columns: number | undefined; now: number },
): string[] {
  const { paint } = o;
  const { decision } = volume;
  const field = (label: string, text: string): string => `${paint(label.padEnd(labelWidth), 'dim')}${text}`;
  const paragraph = (text: string): string[] => wrap(text, (o.columns ?? 120) - labelWidth);
  const [why = '', ...whyMore] = paragraph(decision?.reason ?? 'The brain has not decided on this volume yet.');
  const lines = [
    `${paint(volume.name, 'bold')}  ${paint(volume.volumeId, 'dim')}`,
    '',
    field(
      'decision',
      decision === undefined
        ? '-'
        : `${paint(decision.verb, ...verbStyles(decision.verb))}${decision.to === undefined ? '' : ` to ${decision.to}`}  (rule ${decision.rule})`,
    ),
    field('because', why),
    ...whyMore.map((line) => field('', line)),
    field('iops', `${iopsText(volume)}${measured(volume)}`),
    field('watermarks', decision?.watermarks === undefined ? '-' : watermarks(decision.watermarks)),
    field('tier', paint(placementText(volume), ...tierStyles(placementText(volume)))),
    field(
      'volume',
      `${formatBytes(volume.sizeBytes)}, ${volume.numReplicas} ${volume.numReplicas === 1 ? 'replica' : 'replicas'}, ${volume.status}${volume.published ? '' : ', not published'}`,
    ),
    ...volume.pools.map((replica, index) =>
      field(index === 0 ? 'replicas' : '', `${replica.pool} on ${replica.node}: ${replica.tier}, ${replica.state}`),
    ),
    field('policy', decision?.policy ?? '-'),
  ];
  if (volume.pending !== undefined) {
    lines.push(field('in hand', `${volume.pending.moveId} to ${volume.pending.to}, step ${volume.pending.step}`));
  }
  if (ledger?.lastMovedAt !== undefined) {
    lines.push(field('last moved', ago(ledger.lastMovedAt, o.now)));
  }
  if (ledger !== undefined && ledger.failures > 0) {
    lines.push(field('failures', `${ledger.failures}${ledger.retryAt === undefined ? '' : `, next try ${until(ledger.retryAt, o.now)}`}`));
  }
  for (const fact of facts) {
    const [head = '', ...tail] = paragraph(fact);
    lines.push(field('fact', head), ...tail.map((line) => field('', line)));
  }
  if (ledger !== undefined && ledger.history.length > 0) {
    lines.push('', ...history(ledger.history.slice(0, historyShown), o));
  }
  return lines;
}

function history(
  entries: NonNullable<Explanation['ledger']>['history'],
  o: { paint: Paint; columns: number | undefined; now: number },
): string[] {
  return renderTable(
    entries,
    [
      { title: 'FINISHED', value: ({ finishedAt }) => ago(finishedAt, o.now) },
      { title: 'MOVE', value: ({ from, to }) => `${from} → ${to}` },
      { title: 'OUTCOME', value: ({ result }) => result.outcome, style: ({ result }) => outcomeStyles(result.outcome) },
      {
        title: 'TOOK',
        value: ({ startedAt, finishedAt }) => formatDuration(Date.parse(finishedAt) - Date.parse(startedAt)),
        align: 'right',
      },
      { title: 'MESSAGE', value: ({ result }) => result.message, shrinkTo: 20 },
    ],
    o,
  );
}

function measured({ decision }: Explanation['volume']): string {
  const sample = decision?.sample;
  if (sample?.status === 'unknown') {
    return ` (${sample.reason})`;
  }
  if (sample?.status !== 'measured') {
    return '';
  }
  const age = decision?.sampleAgeMs === undefined ? '' : `, ${formatDuration(decision.sampleAgeMs)} old`;
  return `, ${formatCount(Math.round(sample.readIops))} read and ${formatCount(Math.round(sample.writeIops))} write, ${Math.round(sample.coverage * 100)} % of the window measured${age}`;
}

function watermarks({ high, warm, low }: { high: number; warm: number; low: number }): string {
  return `hot from ${formatCount(high)}, ${warm === 0 ? 'no warm tier' : `warm at ${formatCount(warm)}`}, cold up to ${formatCount(low)}`;
}

function ago(instant: string, now: number): string {
  return `${formatDuration(Math.max(0, now - Date.parse(instant)))} ago`;
}

function until(instant: string, now: number): string {
  const leftMs = Date.parse(instant) - now;
  return leftMs <= 0 ? 'now' : `in ${formatDuration(leftMs)}`;
}
