/** `couchestor explain <volume>`: the last decision, in words and with the numbers that it used. */
import { explainVolume } from '@couchestor/shared/contracts/brain';
import { findVolumeId } from '../client/find-volume.ts';
import { clientOptions } from '../client/options.ts';
import { printJson } from '../client/print-json.ts';
import { withBus } from '../client/with-bus.ts';
import { defineCommand } from '../command.ts';
import { exitCodes, usageError } from '../errors.ts';
import { explanation } from '../view/explanation.ts';

export const explain = defineCommand(
  {
    usage: ['couchestor explain <volume> [options]'],
    summary:
      'Why a volume is where it is. <volume>: its id, name, PV name, or a unique beginning of one. JSON: as `brain.explain-volume` answers it.',
    options: clientOptions,
    positionalsMax: 1,
  },
  async ({ values, positionals: [volume], invocation: { env, output } }) => {
    if (volume === undefined) {
      throw usageError('which volume? couchestor explain <volume>');
    }
    const answer = await withBus({ values, env }, async (client) =>
      client.ask(explainVolume, { volume: await findVolumeId(client, volume) }),
    );
    if (values.json) {
      printJson(output, answer);
    } else {
      explanation(answer, { paint: output.paint, columns: output.columns, now: Date.now() }).forEach(output.print);
    }
    return exitCodes.ok;
  },
);
