/** The page that `couchestor ec status` prints. */
import { type DriveStatus, problemConditions, type VaultPhase, type VaultStatus } from '@couchestor/shared/contracts/vault';
import { formatDuration } from '@couchestor/shared/duration';
import type { Paint, Style } from '../terminal/ansi.ts';
import { formatBytes, formatCount, formatSeconds } from '../terminal/format.ts';
import { progressBar } from '../terminal/progress-bar.ts';
import { renderTable } from '../terminal/table.ts';

interface Look {
  readonly paint: Paint;
  readonly columns: number | undefined;
}

const barColumns = 16;

export function vaultPage(status: VaultStatus, look: Look): string[] {
  const { paint } = look;
  const { policy, phase, survives, codecEngine, journal, stripes, capacity, rebuild, scrub } = status;
  const field = (label: string, text: string): string => `${paint(label.padEnd(14), 'dim')}${text}`;
  const live = journal.copies.filter(({ isLive }) => isLive).length;
  // Where enough are live, the others are spares.
  const missing = live < journal.wantedCopies ? journal.copies.filter(({ isLive }) => !isLive) : [];
  const usedPercent = capacity.totalBytes === 0 ? 0 : (capacity.usedBytes / capacity.totalBytes) * 100;
  return [
    `${paint(phaseWords[phase], ...phaseStyles(phase), 'bold')}  ${paint(`vault ${status.vaultId}`, 'dim')}`,
    survives.sentence,
    ...problemConditions(status.conditions).map(({ type, message }) => `${paint('!', 'yellow')} ${type}: ${message}`),
    '',
    field(
      'policy',
      `${policy.name}: ${policy.dataShards} + ${policy.parityShards} shards, ${formatBytes(policy.stripeSizeBytes)} a stripe`,
    ),
    field(
      'codec',
      `${codecEngine.name}${codecEngine.slowBecause === undefined ? '' : paint(` (slow: ${codecEngine.slowBecause})`, 'yellow')}`,
    ),
    field(
      'capacity',
      `${bar(usedPercent)} ${formatBytes(capacity.usedBytes)} of ${formatBytes(capacity.totalBytes)}, ${formatBytes(capacity.freeBytes)} free; ${formatBytes(capacity.mappedBytes)} of data`,
    ),
    field(
      'journal',
      `${bar(journal.fillPercent)} ${formatBytes(journal.usedBytes)} of ${formatBytes(journal.sizeBytes)}, oldest write ${formatSeconds(journal.destageLagMs)} old; ${live} of ${journal.wantedCopies} copies`,
    ),
    ...missing.map(({ path, reason }) => `${paint('!', 'yellow')} journal copy ${path}: ${reason ?? 'not live'}`),
    field('stripes', stripesText(stripes, paint)),
    field('rebuild', rebuildText(rebuild)),
    field('scrub', scrubText(scrub)),
    field('volumes', formatCount(status.volumes)),
    field(
      'since start',
      `${formatCount(status.checksumErrors)} checksum errors, ${formatCount(status.reconstructions)} reconstructed reads`,
    ),
    '',
    ...drivesTable(status.drives, look),
  ];
}

export function drivesTable(drives: readonly DriveStatus[], look: Look): string[] {
  return renderTable(
    drives,
    [
      { title: 'DRIVE', value: ({ number }) => String(number), align: 'right' },
      { title: 'STATE', value: ({ state }) => state, style: driveStyles },
      { title: 'USED', value: ({ usedBytes }) => formatBytes(usedBytes), align: 'right' },
      { title: 'FREE', value: ({ freeBytes }) => formatBytes(freeBytes), align: 'right' },
      { title: 'SHARDS', value: ({ shards }) => formatCount(shards), align: 'right' },
      { title: 'READ P99', value: ({ readP99Ms }) => `${readP99Ms.toFixed(1)} ms`, align: 'right' },
      { title: 'WRITE P99', value: ({ writeP99Ms }) => `${writeP99Ms.toFixed(1)} ms`, align: 'right' },
      {
        title: 'DOMAIN',
        value: ({ domain: { zone, node, pool, disk } }) => [zone, node, pool, disk].filter(Boolean).join('/'),
        shrinkTo: 8,
      },
      { title: 'PATH', value: ({ path, reason }) => (reason === undefined ? path : `${path} (${reason})`), shrinkTo: 10 },
    ],
    look,
  );
}

export const phaseWords: Readonly<Record<VaultPhase, string>> = {
  starting: 'starting',
  ready: 'ready',
  degraded: 'degraded',
  readOnly: 'read-only',
  failed: 'failed',
};

export function phaseStyles(phase: VaultPhase): readonly Style[] {
  return phase === 'ready' ? ['green'] : phase === 'failed' ? ['red'] : ['yellow'];
}

function driveStyles({ state }: DriveStatus): readonly Style[] {
  return state === 'online' ? ['green'] : state === 'failed' ? ['red'] : ['yellow'];
}

function bar(percent: number): string {
  return progressBar({ percent, columns: barColumns });
}

function stripesText({ total, degraded, rebuilding, lost }: VaultStatus['stripes'], paint: Paint): string {
  const wrong = [
    ...(degraded > 0
      ? [paint(`${formatCount(degraded)} degraded${rebuilding > 0 ? `, ${formatCount(rebuilding)} being rebuilt` : ''}`, 'yellow')]
      : []),
    ...(lost > 0 ? [paint(`${formatCount(lost)} lost`, 'red', 'bold')] : []),
  ];
  return `${formatCount(total)}${total === 0 ? '' : wrong.length === 0 ? ', all healthy' : `: ${wrong.join('; ')}`}`;
}

function rebuildText({ isRunning, stripesLeft, stripesDone, bytesPerSecond, etaSeconds }: VaultStatus['rebuild']): string {
  if (!isRunning) {
    return stripesLeft === 0 ? 'nothing to rebuild' : `${formatCount(stripesLeft)} stripes wait`;
  }
  const percent = (stripesDone / Math.max(1, stripesDone + stripesLeft)) * 100;
  const left = etaSeconds === undefined ? '' : `, ${formatDuration(Math.max(1, Math.ceil(etaSeconds)) * 1_000)} left`;
  return `${bar(percent)} ${formatCount(stripesLeft)} stripes left, ${formatBytes(Math.round(bytesPerSecond))}/s${left}`;
}

function scrubText({ isRunning, lastFinishedAt, stripesChecked, stripesTotal, errorsFound, healed }: VaultStatus['scrub']): string {
  const found = `${formatCount(errorsFound)} errors, ${formatCount(healed)} healed`;
  if (isRunning) {
    const percent = (stripesChecked / Math.max(1, stripesTotal)) * 100;
    return `${bar(percent)} ${formatCount(stripesChecked)} of ${formatCount(stripesTotal)} stripes, ${found}`;
  }
  return lastFinishedAt === undefined ? 'never finished' : `finished ${lastFinishedAt}: ${found}`;
}
