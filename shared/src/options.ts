/**
 * One table gives flags, environment variables, `--help` and documentation.
 *
 * A flag wins over its environment variable, and that over the default. An empty environment variable counts as not set. All bad options are
 * reported together, so that one run tells all there is to correct.
 */
import { formatDuration } from './duration.ts';
import { defineErrors } from './errors.ts';
import { type Given, splitArguments } from './option-arguments.ts';
import { environmentNames, listSeparator, namesOf, type OptionEntry, OptionValueError, parseOptionValue } from './option-values.ts';

export type OptionTable = Readonly<Record<string, OptionEntry>>;

type ValueOf<E extends OptionEntry> = E extends { kind: 'boolean' }
  ? boolean
  : E extends { kind: 'integer' | 'number' | 'duration' }
    ? number
    : E extends { kind: 'list' }
      ? readonly string[]
      : E extends { kind: 'enum'; values: readonly (infer V)[] }
        ? V
        : string;

export type OptionValues<T extends OptionTable> = {
  readonly [K in keyof T]: T[K] extends { optional: true } ? ValueOf<T[K]> | undefined : ValueOf<T[K]>;
};

/** `facts.problems` holds one line for each bad option, joined by newlines. */
export const ConfigError = defineErrors('CONFIG', {
  INVALID: { retry: false, help: 'The configuration cannot be used. Correct these and start again; --help lists all options.' },
});

/** Types the table; throws for a table that contradicts itself (two entries with one flag). */
export function defineOptions<const T extends OptionTable>(table: T): T {
  const flags = Object.values(table).map((entry) => entry.flag);
  const twice = flags.find((flag, index) => flags.indexOf(flag) !== index);
  if (twice !== undefined) {
    throw new TypeError(`the option table has --${twice} twice`);
  }
  return Object.freeze(table);
}

/** True where `--help` or `-h` stands before a `--`. */
export function wantsHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end === -1 ? argv : argv.slice(0, end)).some((word) => word === '--help' || word === '-h');
}

/**
 * Reads and checks all options. Throws ConfigError naming every bad one by flag and environment variable. Words that are neither flags nor
 * their values are returned, or, with `refuseWords`, are among what is bad.
 */
export function readOptions<T extends OptionTable>(
  table: T,
  input: { argv: readonly string[]; env: NodeJS.ProcessEnv; refuseWords?: boolean },
): { values: OptionValues<T>; positionals: string[] } {
  const problems: string[] = [];
  const { given, positionals } = splitArguments(table, input.argv, problems);
  if (input.refuseWords) {
    problems.push(...positionals.map((word) => `"${word}" is not expected here; flags such as --dry-run take no value`));
  }
  const values: Record<string, unknown> = {};
  for (const [key, entry] of Object.entries<OptionEntry>(table)) {
    const found = given.get(key) ?? fromEnvironment(entry, input.env);
    try {
      values[key] = found === undefined ? defaultOf(entry) : parseOptionValue(entry, found.text);
    } catch (error) {
      if (!(error instanceof OptionValueError)) {
        throw error;
      }
      problems.push(`${namesOf(entry)}: ${error.message}${found === undefined ? '' : ` (from ${found.from})`}`);
    }
  }
  if (problems.length > 0) {
    throw new ConfigError('INVALID', { problems: problems.join('\n') });
  }
  return { values: Object.freeze(values) as OptionValues<T>, positionals };
}

function fromEnvironment(entry: OptionEntry, env: NodeJS.ProcessEnv): Given | undefined {
  for (const name of environmentNames(entry)) {
    const text = env[name];
    if (text !== undefined && text.trim() !== '') {
      return { text, from: name };
    }
  }
  return undefined;
}

function defaultOf(entry: OptionEntry): unknown {
  if (entry.default !== undefined) {
    return entry.kind === 'duration' && typeof entry.default === 'string' ? parseOptionValue(entry, entry.default) : entry.default;
  }
  if (entry.kind === 'boolean') {
    return false;
  }
  if (entry.kind === 'list') {
    return [];
  }
  if (entry.optional) {
    return undefined;
  }
  throw new OptionValueError('is required and was not given');
}

const placeholders: Readonly<Record<Exclude<OptionEntry['kind'], 'boolean' | 'enum'>, string>> = {
  string: '<text>',
  url: '<url>',
  address: '<host:port>',
  integer: '<number>',
  number: '<number>',
  duration: '<duration>',
  path: '<path>',
  list: '<text>[;<text>...]',
};

/** The OPTIONS part of `--help`, in the table's order. */
export function renderOptions(table: OptionTable): string {
  return Object.values(table).map(renderOption).join('\n');
}

function renderOption(entry: OptionEntry): string {
  const notes = [
    ...environmentNames(entry).map((name) => `[env: ${name}]`),
    ...(entry.kind === 'boolean' ? [] : [`[${describeDefault(entry)}]`]),
  ];
  return `  --${entry.flag}${argumentOf(entry)}\n      ${entry.description}${notes.length === 0 ? '' : `\n      ${notes.join(' ')}`}`;
}

function argumentOf(entry: OptionEntry): string {
  switch (entry.kind) {
    case 'boolean':
      return '';
    case 'enum':
      return ` <${entry.values.join('|')}>`;
    default:
      return ` ${placeholders[entry.kind]}`;
  }
}

/** The default as it would be typed, for help and documentation. */
export function describeDefault(entry: OptionEntry): string {
  if (entry.default === undefined) {
    return entry.kind === 'boolean' ? 'default: false' : entry.optional || entry.kind === 'list' ? 'optional' : 'required';
  }
  if (entry.secret) {
    return 'default: hidden';
  }
  const text =
    entry.kind === 'duration' && typeof entry.default === 'number'
      ? formatDuration(entry.default).replaceAll(' ', '')
      : Array.isArray(entry.default)
        ? entry.default.join(listSeparator)
        : String(entry.default);
  return `default: ${text}`;
}
