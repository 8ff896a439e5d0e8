/** `couchestor policies`: what is decided by, and what is wrong with it. */
import { type EcPolicyView, listPolicies, type PolicyView } from '@couchestor/shared/contracts/brain';
import { clientOptions } from '../client/options.ts';
import { printJson } from '../client/print-json.ts';
import { withBus } from '../client/with-bus.ts';
import { defineCommand } from '../command.ts';
import { exitCodes } from '../errors.ts';
import type { Style } from '../terminal/ansi.ts';
import { formatCount } from '../terminal/format.ts';
import { renderTable } from '../terminal/table.ts';
import { attention } from '../view/attention.ts';

export const policies = defineCommand(
  {
    usage: ['couchestor policies [options]'],
    summary: 'Policies with phase, counters and conditions, and erasure coding policies. JSON: as `brain.list-policies` answers it.',
    options: clientOptions,
    positionalsMax: 0,
  },
  async ({ values, invocation: { env, output } }) => {
    const answer = await withBus({ values, env }, (client) => client.ask(listPolicies, {}));
    if (values.json) {
      printJson(output, answer);
      return exitCodes.ok;
    }
    if (answer.policies.length === 0 && answer.ecPolicies.length === 0) {
      output.note('The brain has read no policy yet.');
      return exitCodes.ok;
    }
    const lines = renderTable(
      answer.policies,
      [
        { title: 'POLICY', value: ({ name }) => name, shrinkTo: 10 },
        { title: 'PHASE', value: ({ phase, dryRun }) => (dryRun ? `${phase} (dry run)` : phase), style: ({ phase }) => phaseStyles(phase) },
        {
          title: 'COLD≤ / WARM / HOT≥',
          value: ({ watermarks: w }) => (w === undefined ? '-' : [w.low, w.warm, w.high].map(formatCount).join(' / ')),
          align: 'right',
        },
        { title: 'WINDOW', value: ({ samplingWindow }) => samplingWindow ?? '-', align: 'right' },
        { title: 'VOLUMES', value: ({ watchedVolumes }) => formatCount(watchedVolumes), align: 'right' },
        { title: 'H/W/C', value: (p) => `${p.hotVolumes}/${p.warmVolumes}/${p.coldVolumes}`, align: 'right' },
        { title: 'MOVING', value: ({ activeMigrations }) => formatCount(activeMigrations), align: 'right' },
        { title: 'MOVED', value: ({ totalMigrations }) => formatCount(totalMigrations), align: 'right' },
        { title: 'FAILED', value: ({ failedMigrations }) => formatCount(failedMigrations), align: 'right' },
        { title: 'SOURCE', value: ({ source }) => source, shrinkTo: 8 },
      ],
      { columns: output.columns, paint: output.paint },
    );
    lines.forEach(output.print);
    if (answer.ecPolicies.length > 0) {
      output.print('');
      renderEcPolicies(answer.ecPolicies, { columns: output.columns, paint: output.paint }).forEach(output.print);
    }
    for (const { policy, text } of attention(answer.policies)) {
      output.print(`${output.paint('!', 'yellow')} ${policy}: ${text}`);
    }
    return exitCodes.ok;
  },
);

function renderEcPolicies(ecPolicies: readonly EcPolicyView[], o: Parameters<typeof renderTable>[2]): string[] {
  return renderTable(
    ecPolicies,
    [
      { title: 'EC POLICY', value: ({ name }) => name, shrinkTo: 10 },
      { title: 'PHASE', value: ({ phase }) => phase },
      { title: 'SHARDS', value: ({ dataShards, parityShards }) => `${dataShards} + ${parityShards}`, align: 'right' },
      { title: 'EFFICIENCY', value: ({ storageEfficiency }) => `${Math.round(storageEfficiency * 100)} %`, align: 'right' },
      { title: 'VOLUMES', value: ({ activeVolumes }) => formatCount(activeVolumes), align: 'right' },
      { title: 'SOURCE', value: ({ source }) => source, shrinkTo: 8 },
    ],
    o,
  );
}

function phaseStyles(phase: PolicyView['phase']): readonly Style[] {
  return phase === 'Active' ? ['green'] : phase === 'Error' ? ['red'] : ['yellow'];
}
