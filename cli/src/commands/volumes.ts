/** `couchestor volumes`: every volume with its measurement, place and decision. */
import { allVolumes } from '../client/find-volume.ts';
import { clientOptions } from '../client/options.ts';
import { printJson } from '../client/print-json.ts';
import { withBus } from '../client/with-bus.ts';
import { defineCommand } from '../command.ts';
import { exitCodes } from '../errors.ts';
import { formatBytes } from '../terminal/format.ts';
import { renderTable } from '../terminal/table.ts';
import { decisionText, iopsText, placementText, poolsText, tierStyles, verbStyles } from '../view/words.ts';

export const volumes = defineCommand(
  {
    usage: ['couchestor volumes [options]'],
    summary: 'Volumes with IOPS, tier, pools and the decision on each. JSON: {volumes: [...]}, each as `brain.list-volumes` answers it.',
    options: clientOptions,
    positionalsMax: 0,
  },
  async ({ values, invocation: { env, output } }) => {
    const found = await withBus({ values, env }, allVolumes);
    if (values.json) {
      printJson(output, { volumes: found });
      return exitCodes.ok;
    }
    if (found.length === 0) {
      output.note('No volumes are known yet.');
      return exitCodes.ok;
    }
    const lines = renderTable(
      found,
      [
        { title: 'VOLUME', value: ({ name }) => name, shrinkTo: 10 },
        { title: 'SIZE', value: ({ sizeBytes }) => formatBytes(sizeBytes), align: 'right' },
        { title: 'IOPS', value: iopsText, align: 'right' },
        { title: 'TIER', value: placementText, style: (volume) => tierStyles(placementText(volume)) },
        { title: 'STATUS', value: ({ status }) => status },
        { title: 'POOLS', value: poolsText, shrinkTo: 10 },
        { title: 'DECISION', value: decisionText, style: ({ decision }) => verbStyles(decision?.verb), shrinkTo: 20 },
      ],
      { columns: output.columns, paint: output.paint },
    );
    lines.forEach(output.print);
    return exitCodes.ok;
  },
);
