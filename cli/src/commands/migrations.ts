/** `couchestor migrations [list|show|watch|cancel|retry]`. */
import { retryVolume } from '@couchestor/shared/contracts/brain';
import { cancelMove, listMoves, showMove } from '@couchestor/shared/contracts/migrator';
import { defineOptions } from '@couchestor/shared/options';
import { allVolumes, findVolumeId } from '../client/find-volume.ts';
import { clientOptions } from '../client/options.ts';
import { printJson } from '../client/print-json.ts';
import { watchMoves } from '../client/watch-moves.ts';
import { type Client, withBus } from '../client/with-bus.ts';
import { defineCommand, type Invocation } from '../command.ts';
import { exitCodes, unknownSubcommand, usageError } from '../errors.ts';
import { moveStory, movesTable } from '../view/moves.ts';

const options = defineOptions({
  ...clientOptions,
  finishedLimit: {
    flag: 'limit',
    kind: 'integer',
    default: 20,
    min: 0,
    max: 1_000,
    description: 'list: the newest finished moves to show.',
  },
});

type Values = Parameters<Parameters<typeof defineCommand<typeof options>>[1]>[0]['values'];

interface Request {
  readonly values: Values;
  readonly client: Client;
  readonly invocation: Invocation;
}

const subcommands = {
  list: { takes: undefined, run: list },
  show: { takes: '<move or volume>', run: show },
  watch: { takes: undefined, run: watch },
  cancel: { takes: '<move or volume>', run: cancel },
  retry: { takes: '<volume>', run: retry },
} as const;

export const migrations = defineCommand(
  {
    usage: [
      'couchestor migrations [list] [options]',
      'couchestor migrations show <move or volume> [options]',
      'couchestor migrations watch [options]',
      'couchestor migrations cancel <move or volume> [options]',
      'couchestor migrations retry <volume> [options]',
    ],
    summary:
      'Moves: list the open and the newest finished ones, show the story of one, watch steps as they happen, cancel one (its volume ends as it was), or let a volume whose moves failed or were refused try again.\nJSON: as `migrator.list-moves`, `show-move`, `cancel-move` and `brain.retry-volume` answer; watch prints one event a line.',
    options,
    positionalsMax: 2,
  },
  async ({ values, positionals: [word = 'list', target], invocation }) => {
    if (!isSubcommand(word)) {
      throw unknownSubcommand('migrations', word, Object.keys(subcommands));
    }
    const { takes, run } = subcommands[word];
    if ((takes === undefined) !== (target === undefined)) {
      const problem = takes === undefined ? `"${target}" is not expected here:` : `${takes} is missing:`;
      throw usageError(`${problem} couchestor migrations ${word}${takes === undefined ? '' : ` ${takes}`}`);
    }
    return withBus({ values, env: invocation.env }, (client) => run({ values, client, invocation }, target ?? ''));
  },
);

async function list({ values, client, invocation: { output } }: Request): Promise<number> {
  const answer = await client.ask(listMoves, { finishedLimit: values.finishedLimit });
  if (values.json) {
    printJson(output, answer);
    return exitCodes.ok;
  }
  const names = new Map((await allVolumes(client)).map(({ volumeId, name }) => [volumeId, name]));
  const lines = movesTable([...answer.open, ...answer.finished], { names, now: Date.now(), paint: output.paint, columns: output.columns });
  if (lines.length === 0) {
    output.note('No volume has been moved yet.');
  }
  lines.forEach(output.print);
  return exitCodes.ok;
}

async function show({ values, client, invocation: { output } }: Request, target: string): Promise<number> {
  const answer = await client.ask(showMove, { move: await moveOrVolume(client, target) });
  if (values.json) {
    printJson(output, answer);
  } else {
    moveStory(answer, { paint: output.paint, columns: output.columns, now: Date.now() }).forEach(output.print);
  }
  return exitCodes.ok;
}

async function watch({ values, client, invocation: { output } }: Request): Promise<number> {
  await watchMoves({ client, json: values.json, output });
  return exitCodes.ok;
}

async function cancel({ values, client, invocation: { output } }: Request, target: string): Promise<number> {
  const answer = await client.ask(cancelMove, { move: await moveOrVolume(client, target) });
  if (values.json) {
    printJson(output, answer);
  } else {
    output.print(`${answer.moveId}: ${answer.message}`);
  }
  return exitCodes.ok;
}

async function retry({ values, client, invocation: { output } }: Request, target: string): Promise<number> {
  const answer = await client.ask(retryVolume, { volume: await findVolumeId(client, target) });
  if (values.json) {
    printJson(output, answer);
  } else {
    output.print(`${answer.volumeId}: ${answer.message}`);
  }
  return exitCodes.ok;
}

function isSubcommand(word: string): word is keyof typeof subcommands {
  return Object.hasOwn(subcommands, word);
}

async function moveOrVolume(client: Client, text: string): Promise<string> {
  return /^m[0-9a-f]{16}$/.test(text) ? text : findVolumeId(client, text);
}
