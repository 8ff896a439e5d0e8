/** From the command line to the command. */
import { didYouMean } from '@couchestor/shared/did-you-mean';
import { CodedError, describeError } from '@couchestor/shared/errors';
import { ConfigError } from '@couchestor/shared/options';
import type { Invocation } from './command.ts';
import { commandTable, type TableEntry } from './command-table.ts';
import { CliError, exitCodes, usageError } from './errors.ts';
import { version } from './version.ts';

/** Runs what the words ask for. Never throws: everything that goes wrong is told on stderr and becomes the exit code. */
export async function dispatch(invocation: Invocation): Promise<number> {
  const { argv, output } = invocation;
  const [first, ...rest] = argv;
  try {
    if (first === undefined || first === 'help' || first === '--help' || first === '-h') {
      output.print(renderHelp());
      return exitCodes.ok;
    }
    if (first === '--version' || first === 'version') {
      output.print(version());
      return exitCodes.ok;
    }
    const entry = first.startsWith('-') ? named('operator') : named(first);
    const command = await entry.load();
    return await command.run({ ...invocation, argv: first.startsWith('-') ? argv : rest });
  } catch (error) {
    output.note(`couchestor: ${tell(error)}`);
    return ConfigError.is(error) || CliError.is(error, 'USAGE') ? exitCodes.usage : exitCodes.failed;
  }
}

function named(word: string): TableEntry {
  const entry = commandTable.find(({ name }) => name === word);
  if (entry === undefined) {
    const meant = didYouMean(
      word,
      commandTable.map(({ name }) => name),
    );
    throw usageError(
      `there is no command "${word}"${meant === undefined ? '' : `; did you mean \`couchestor ${meant}\`?`}\nSee couchestor --help.`,
    );
  }
  return entry;
}

/** A failure in words for the person at the terminal: without the code, without a stack trace. */
function tell(error: unknown): string {
  if (!(error instanceof CodedError)) {
    return describeError(error);
  }
  if (error.code === 'CONFIG_INVALID') {
    return `${error.help}\n${String(error.facts['problems']).replaceAll(/^/gm, '  ')}`;
  }
  if (error.code === 'CLI_USAGE') {
    return String(error.facts['problem']);
  }
  if (error.code === 'BUS_RPC_REFUSED') {
    return String(error.facts['message']);
  }
  const facts = Object.entries(error.facts).filter(([, value]) => value !== undefined);
  const cause = error.cause === undefined ? '' : `\n  caused by: ${describeError(error.cause)}`;
  return `${error.help}${facts.map(([name, value]) => `\n  ${words(name)}: ${value}`).join('')}${cause}`;
}

/** `didYouMean` as a person would write it. */
function words(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function renderHelp(): string {
  const width = Math.max(...commandTable.map(({ name }) => name.length));
  return [
    'couchestor: moves Mayastor volumes between hot, warm and cold pools by how hard they work.',
    '',
    'USAGE:',
    '  couchestor <command> [options]',
    '  couchestor [options]              the same as `couchestor operator [options]`',
    '',
    'COMMANDS:',
    ...commandTable.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'Every command answers --help. Commands that show something take --json.',
  ].join('\n');
}
