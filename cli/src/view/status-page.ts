/** The page that `couchestor status` prints. */
import type { ServiceStatus, SystemStatus, VaultSummary } from '../client/gather-status.ts';
import type { Paint, Style } from '../terminal/ansi.ts';
import { formatCount } from '../terminal/format.ts';
import { renderTable } from '../terminal/table.ts';
import { phaseStyles, phaseWords } from './vault-page.ts';

export function statusPage(status: SystemStatus, o: { paint: Paint; columns: number | undefined }): string[] {
  const { paint } = o;
  const counts = (record: Readonly<Record<string, number>>): string =>
    Object.entries(record)
      .map(([name, count]) => `${formatCount(count)} ${name}`)
      .join(', ');
  const field = (label: string, text: string): string => `${paint(label.padEnd(14), 'dim')}${text}`;
  const finished = counts(status.migrations.finished);
  return [
    `${status.healthy ? paint('healthy', 'green', 'bold') : paint('not healthy', 'red', 'bold')}  ${paint(status.natsUrl, 'dim')}`,
    '',
    ...renderTable(
      status.services,
      [
        { title: 'SERVICE', value: ({ name }) => name },
        { title: 'STATE', value: ({ state }) => state, style: ({ state }) => stateStyles(state) },
        {
          title: 'CHECKS',
          value: ({ checks }) =>
            Object.entries(checks)
              .map(([name, found]) => `${name}: ${found}`)
              .join(', '),
          shrinkTo: 10,
        },
      ],
      o,
    ),
    '',
    field('volumes', `${formatCount(status.volumes.total)}${status.volumes.total === 0 ? '' : ` (${counts(status.volumes.placement)})`}`),
    field('decisions', counts(status.volumes.decision) || '-'),
    field('migrations', `${formatCount(status.migrations.open)} open${finished === '' ? '' : `; ${finished}`}`),
    field('policies', `${formatCount(status.policies.total)}${status.policies.total === 0 ? '' : ` (${counts(status.policies.phase)})`}`),
    field('dead letters', formatCount(status.deadLetters)),
    ...status.vaults.map((vault) => field('vault', vaultText(vault, paint))),
    ...status.vaults.flatMap(({ policy, problems }) => problems.map((text) => `${paint('!', 'yellow')} vault of ${policy}: ${text}`)),
    ...status.attention.map(({ policy, text }) => `${paint('!', 'yellow')} ${policy}: ${text}`),
  ];
}

/** `gold: ready, survives any 2 of 6 drives; 4 volumes, 9,000 stripes, 2 degraded` */
function vaultText({ policy, phase, survives, volumes, stripes }: VaultSummary, paint: Paint): string {
  const wrong = [
    ...(stripes.degraded > 0 ? [paint(`${formatCount(stripes.degraded)} degraded`, 'yellow')] : []),
    ...(stripes.lost > 0 ? [paint(`${formatCount(stripes.lost)} lost`, 'red', 'bold')] : []),
  ];
  const word = phase === 'silent' ? paint(phase, 'yellow') : paint(phaseWords[phase], ...phaseStyles(phase));
  return `${policy}: ${word}, ${survives}; ${[`${formatCount(volumes)} volumes`, `${formatCount(stripes.total)} stripes`, ...wrong].join(', ')}`;
}

function stateStyles(state: ServiceStatus['state']): readonly Style[] {
  return state === 'ready' || state === 'answering' ? ['green'] : ['red'];
}
