/** `couchestor status`: does it run, what does it hold, what needs a person. Exit code 1 where a service is not well. */

import { gatherStatus } from '../client/gather-status.ts';
import { clientOptions } from '../client/options.ts';
import { printJson } from '../client/print-json.ts';
import { withBus } from '../client/with-bus.ts';
import { defineCommand } from '../command.ts';
import { exitCodes } from '../errors.ts';
import { statusPage } from '../view/status-page.ts';

export const status = defineCommand(
  {
    usage: ['couchestor status [options]'],
    summary:
      'Health of the services, counts, and what needs attention.\nJSON: {healthy, natsUrl, services: [{name, state, checks}], volumes: {total, placement, decision}, migrations: {open, finished}, policies: {total, phase}, vaults: [{vaultId, policy, phase, survives, volumes, stripes, problems, at}], attention: [{policy, text}], deadLetters}.',
    options: clientOptions,
    positionalsMax: 0,
  },
  async ({ values, invocation: { env, output } }) => {
    const found = await withBus({ values, env }, gatherStatus);
    if (values.json) {
      printJson(output, found);
    } else {
      statusPage(found, { paint: output.paint, columns: output.columns }).forEach(output.print);
    }
    return found.healthy ? exitCodes.ok : exitCodes.failed;
  },
);
