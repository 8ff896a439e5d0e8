/** docs/kubernetes.md says what the code says: every condition, and every reason of an Event. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { nowMs, policyOf } from '../testing/fixtures.ts';
import { eventReasons } from './move-news.ts';
import { policyView } from './policy-status.ts';

const page = readFileSync(new URL('../../../../docs/kubernetes.md', import.meta.url), 'utf8');

function tableBelow(heading: string): string[][] {
  const section = page
    .slice(page.indexOf(`${heading}\n`))
    .split('\n')
    .slice(1);
  const start = section.findIndex((line) => line.startsWith('|'));
  const rows = section.slice(start + 2);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
}

describe('the page on Kubernetes', () => {
  it('lists every condition', () => {
    const { conditions } = policyView({
      policy: policyOf('gold'),
      source: 'storagepolicy/gold',
      windowMeasured: true,
      round: undefined,
      counts: undefined,
      poolTiers: undefined,
      mayastorProblem: undefined,
      kubernetesProblem: undefined,
      prometheus: undefined,
      ecPolicy: 'usable',
      poolCordon: undefined,
      dryRun: false,
      moves: { active: 0, total: 0, failed: 0 },
      before: [],
      nowMs,
    });
    const listed = tableBelow('### Conditions of a StoragePolicy').map(([type]) => type);
    expect(listed.sort()).toEqual(conditions.map(({ type }) => type).sort());
  });

  it('lists every reason of an Event with its type and meaning', () => {
    const listed = tableBelow('## Events').map(([reason = '', type, says]) => [reason, { type, says }]);
    expect(Object.fromEntries(listed)).toEqual(eventReasons);
  });
});
