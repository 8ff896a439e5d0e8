/** `couchestor ec ...`: a vault of ec-encoder, from serving it to the health of one volume. */
import { reindexOptions } from '@couchestor/ec-encoder/config';
import { defineOptions, type OptionTable } from '@couchestor/shared/options';
import { runServices } from '@couchestor/shared/service';
import { type Command, defineCommand, type Invocation } from '../command.ts';
import { driveSubcommands } from '../ec/drives.ts';
import { runOffline } from '../ec/offline.ts';
import { vaultSubcommands } from '../ec/operations.ts';
import { vaultOptions } from '../ec/options.ts';
import { takeWords, type VaultRequest } from '../ec/request.ts';
import { volumeOptions, volumeSubcommands } from '../ec/volumes.ts';
import { withVault } from '../ec/with-vault.ts';
import { exitCodes, unknownSubcommand } from '../errors.ts';

interface Subcommand<R> {
  readonly takes: readonly string[];
  run(request: R): Promise<number>;
}

/** A command whose first word says which of these is meant. */
function group<T extends OptionTable & typeof vaultOptions>(o: {
  name: string;
  summary: string;
  options: T;
  subcommands: Readonly<Record<string, Subcommand<never>>>;
}): Command {
  const forms = Object.entries(o.subcommands).map(([word, { takes }]) => [`couchestor ${o.name}`, word, ...takes, '[options]'].join(' '));
  const wordsMax = 1 + Math.max(...Object.values(o.subcommands).map(({ takes }) => takes.length));
  return defineCommand(
    { usage: forms, summary: o.summary, options: o.options, positionalsMax: wordsMax },
    async ({ values, positionals: [word = '', ...words], invocation }) => {
      const subcommand = Object.hasOwn(o.subcommands, word) ? o.subcommands[word] : undefined;
      if (subcommand === undefined) {
        throw unknownSubcommand(o.name, word, Object.keys(o.subcommands));
      }
      takeWords(`${o.name} ${word}`, subcommand.takes, words);
      // The table that the values were read by is the one that the subcommands were written for.
      const shared = values as unknown as VaultRequest['values'];
      return withVault({ values: shared, env: invocation.env }, (client) =>
        subcommand.run({ values: shared, client, invocation, words } as never),
      );
    },
  );
}

const volume = group({
  name: 'ec volume',
  summary:
    'Block volumes: thin, with snapshots, served over NBD under their names. Sizes are written as 10GiB. `show` draws the health of a volume; exit code 1 where a part of it is lost.\nJSON: {volumes: [...]} for list, one volume or snapshot otherwise.',
  options: volumeOptions,
  subcommands: volumeSubcommands,
});

const drive = group({
  name: 'ec drive',
  summary:
    'Drives of the vault. `fail` gives one up at once; `drain` empties one first; `replace` puts an empty folder in the place of one and waits until its shards are there.\nJSON: {drives: [...]} for list, the drive or the result of the operation otherwise.',
  options: vaultOptions,
  subcommands: driveSubcommands,
});

const vault = group({
  name: 'ec',
  summary:
    'How a vault is, and what is done to all of it. scrub reads and verifies every shard and heals what is wrong; verify only reads and reports; rebuild waits until nothing is left to rebuild. They go on when the command is interrupted. Exit code 1 where something is found that could not be made good.\nJSON: the status, {operations: [...]}, or the result of the operation.',
  options: vaultOptions,
  subcommands: vaultSubcommands,
});

const reindex = defineCommand(
  {
    usage: ['couchestor ec reindex --data-dir <folder> --drive <path> [--drive <path>...] [options]'],
    summary:
      'Makes the index of a vault anew from its drives, where it was lost. No process may serve the vault meanwhile. Give all its drives, and its journal where that is not on them. JSON: the result, {message, stripesLost?, ...}.',
    options: defineOptions({ ...reindexOptions, json: vaultOptions.json }),
    positionalsMax: 0,
  },
  async ({ values: { json, ...config }, invocation }) => {
    const { reindex: run } = await import('@couchestor/ec-encoder/offline');
    return runOffline({ invocation, json, kind: 'reindex' }, (call) => run(config, call));
  },
);

const serve: Command = {
  async run({ argv, env }) {
    const { ecEncoder } = await import('@couchestor/ec-encoder/service');
    return runServices({ name: 'couchestor ec serve', services: [ecEncoder], argv, env });
  },
};

const commands: Readonly<Record<string, { readonly command: Command; readonly summary: string }>> = {
  serve: { command: serve, summary: 'Serve a vault in this process, over NBD and its API. Makes it where there is none yet.' },
  status: { command: vault, summary: 'How the vault is, and what failures it survives.' },
  volume: { command: volume, summary: 'create, list, show, resize, delete, snapshot or clone volumes.' },
  drive: { command: drive, summary: 'list, add, fail, drain or replace drives.' },
  scrub: { command: vault, summary: 'Read and verify every shard, and heal what is wrong.' },
  rebuild: { command: vault, summary: 'Rebuild what is lost now, and wait for it.' },
  verify: { command: vault, summary: 'Read everything that volumes and blobs point at, and report.' },
  operations: { command: vault, summary: 'What takes long and was begun since the vault was started.' },
  cancel: { command: vault, summary: 'End an operation.' },
  reindex: { command: reindex, summary: 'Make the index anew from the drives, while nothing serves the vault.' },
};

/** Those of `vault` are words of one command; the others are commands of their own. */
function wordsFor(word: string, command: Command, rest: readonly string[]): readonly string[] {
  return command === vault ? [word, ...rest] : rest;
}

export const ec: Command = {
  async run(invocation: Invocation): Promise<number> {
    const [word = '--help', ...rest] = invocation.argv;
    if (word === '--help' || word === '-h') {
      invocation.output.print(helpText());
      return exitCodes.ok;
    }
    const found = Object.hasOwn(commands, word) ? commands[word] : undefined;
    if (found === undefined) {
      throw unknownSubcommand('ec', word, Object.keys(commands));
    }
    return found.command.run({ ...invocation, argv: wordsFor(word, found.command, rest) });
  },
};

function helpText(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  return [
    'Erasure-coded volumes on drives of your own.',
    '',
    'USAGE:',
    '  couchestor ec <command> [options]',
    '',
    'COMMANDS:',
    ...Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'Every command answers --help, and --json.',
  ].join('\n');
}
