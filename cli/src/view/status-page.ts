/** The page that `couchestor status` prints. */
import type { ServiceStatus, SystemStatus } from '../client/gather-status.ts';
import type { Paint, Style } from '../terminal/ansi.ts';
import { formatCount } from '../terminal/format.ts';
import { renderTable } from '../terminal/table.ts';

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
    ...status.attention.map(({ policy, text }) => `${paint('!', 'yellow')} ${policy}: ${text}`),
  ];
}

function stateStyles(state: ServiceStatus['state']): readonly Style[] {
  return state === 'ready' || state === 'answering' ? ['green'] : ['red'];
}
