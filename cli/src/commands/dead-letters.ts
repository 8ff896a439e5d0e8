/** `couchestor dead-letters [list|replay]`: messages that could not be handled are kept, never dropped. */
import { defineOptions } from '@couchestor/shared/options';
import { clientOptions } from '../client/options.ts';
import { printJson } from '../client/print-json.ts';
import { type Client, withBus } from '../client/with-bus.ts';
import { defineCommand } from '../command.ts';
import { exitCodes, unknownSubcommand, usageError } from '../errors.ts';
import type { Output } from '../terminal/output.ts';
import { renderTable } from '../terminal/table.ts';

const replayMax = 1_000;

export const deadLetters = defineCommand(
  {
    usage: ['couchestor dead-letters [list] [options]', 'couchestor dead-letters replay <sequence | all> [options]'],
    summary:
      'Messages that no consumer could handle, with the error; replay hands one (or all) to its consumer again.\nJSON: list {total, deadLetters: [...]}, replay {replayed: [sequence...], failed: [{sequence, error}...]}.',
    options: defineOptions({
      ...clientOptions,
      limit: { flag: 'limit', kind: 'integer', default: 50, min: 1, max: replayMax, description: 'list: the most to show.' },
    }),
    positionalsMax: 2,
  },
  async ({ values, positionals: [word = 'list', target], invocation: { env, output } }) => {
    switch (word) {
      case 'list':
        return withBus({ values, env }, (client) => list({ client, output, limit: values.limit, json: values.json }));
      case 'replay': {
        if (target !== 'all' && !/^[1-9]\d*$/.test(target ?? '')) {
          const problem = target === undefined ? 'which one?' : `"${target}" is not a sequence number`;
          throw usageError(`${problem} couchestor dead-letters replay <sequence | all>`);
        }
        return withBus({ values, env }, (client) => replay({ client, output, target: target ?? '', json: values.json }));
      }
      default:
        throw unknownSubcommand('dead-letters', word, ['list', 'replay']);
    }
  },
);

async function list({
  client: { bus },
  output,
  limit,
  json,
}: {
  client: Client;
  output: Output;
  limit: number;
  json: boolean;
}): Promise<number> {
  const [total, found] = await Promise.all([bus.deadLetters.count(), bus.deadLetters.list({ limit })]);
  if (json) {
    printJson(output, { total, deadLetters: found });
    return exitCodes.ok;
  }
  if (found.length === 0) {
    output.note('There are no dead letters.');
    return exitCodes.ok;
  }
  const lines = renderTable(
    found,
    [
      { title: 'SEQUENCE', value: ({ sequence }) => String(sequence), align: 'right' },
      { title: 'FAILED AT', value: ({ failedAt }) => failedAt.toISOString() },
      { title: 'EVENT', value: ({ eventType }) => eventType, shrinkTo: 12 },
      { title: 'SERVICE', value: ({ service }) => service },
      { title: 'TRIES', value: ({ deliveries }) => String(deliveries), align: 'right' },
      { title: 'ERROR', value: ({ errorCode, errorMessage }) => `${errorCode}: ${errorMessage}`, shrinkTo: 24 },
    ],
    { columns: output.columns, paint: output.paint },
  );
  lines.forEach(output.print);
  if (total > found.length) {
    output.note(`${total - found.length} more; --limit shows them.`);
  }
  return exitCodes.ok;
}

async function replay({
  client: { bus },
  output,
  target,
  json,
}: {
  client: Client;
  output: Output;
  target: string;
  json: boolean;
}): Promise<number> {
  const sequences =
    target === 'all' ? (await bus.deadLetters.list({ limit: replayMax })).map(({ sequence }) => sequence) : [Number(target)];
  const replayed: number[] = [];
  const failed: { sequence: number; error: string }[] = [];
  for (const sequence of sequences) {
    try {
      await bus.deadLetters.replay(sequence);
      replayed.push(sequence);
    } catch (error) {
      failed.push({ sequence, error: error instanceof Error ? error.message : String(error) });
    }
  }
  if (json) {
    printJson(output, { replayed, failed });
  } else {
    output.print(`${replayed.length} replayed, ${failed.length} failed.`);
    for (const { sequence, error } of failed) {
      output.note(`  ${sequence}: ${error}`);
    }
  }
  return failed.length === 0 ? exitCodes.ok : exitCodes.failed;
}
