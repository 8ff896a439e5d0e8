/** What one option may be, and how its text becomes a value. */
import { parseAddress } from './address.ts';
import { parseDurationMs } from './duration.ts';
import { redactUrls } from './redact-url.ts';

interface EntryBase {
  /** Without the dashes: `prometheus-url`. */
  readonly flag: string;
  /** Environment variables that give it; the first that is set wins. */
  readonly env?: string | readonly string[];
  /** One or two sentences for `--help`. */
  readonly description: string;
  /** May be absent: its value is then undefined. */
  readonly optional?: true;
  /** Its value is never shown, neither in errors nor in `--help`. */
  readonly secret?: true;
  /** Turns a looser way of writing the value into the one that `kind` expects. */
  readonly normalize?: (text: string) => string;
}

/** Durations are given as "5m" and come out as milliseconds, as do their `min`, `max` and numeric `default`. */
export type OptionEntry = EntryBase &
  (
    | { readonly kind: 'string' | 'address' | 'path'; readonly default?: string }
    /** Given several times as a flag, or with semicolons between its parts. Absent: its default, or empty. */
    | { readonly kind: 'list'; readonly default?: readonly string[] }
    | { readonly kind: 'url'; readonly default?: string /** As in `http`; any where absent. */; readonly protocols?: readonly string[] }
    | { readonly kind: 'integer' | 'number'; readonly default?: number; readonly min?: number; readonly max?: number }
    | { readonly kind: 'duration'; readonly default?: number | string; readonly min?: number; readonly max?: number }
    | { readonly kind: 'boolean'; readonly default?: boolean }
    | { readonly kind: 'enum'; readonly values: readonly string[]; readonly default?: string }
  );

/** A value that does not fit its entry. The message is the end of a sentence that began with the option's names. */
export class OptionValueError extends Error {}

/** The value of an option from its text. Throws OptionValueError. */
export function parseOptionValue(entry: OptionEntry, rawText: string): string | number | boolean | readonly string[] {
  const text = (entry.normalize?.(rawText) ?? rawText).trim();
  const shown = entry.secret ? 'the value given' : `"${redactUrls(text)}"`;
  switch (entry.kind) {
    case 'string':
    case 'path':
      return text === '' ? fail('must not be empty') : text;
    case 'list':
      return partsOf(text);
    case 'url':
      return checkUrl(entry, text, shown);
    case 'address':
      return rethrow(entry, shown, () => parseAddress(text) && text);
    case 'duration':
      return checkRange(
        entry,
        rethrow(entry, shown, () => parseDurationMs(text)),
        'ms',
      );
    case 'integer':
      return /^[+-]?\d+$/.test(text) && Number.isSafeInteger(Number(text))
        ? checkRange(entry, Number(text), '')
        : fail(`${shown} is not a whole number`);
    case 'number':
      return text !== '' && Number.isFinite(Number(text)) ? checkRange(entry, Number(text), '') : fail(`${shown} is not a number`);
    case 'boolean':
      return readBoolean(text, shown);
    case 'enum':
      return entry.values.includes(text) ? text : fail(`${shown} is not one of ${entry.values.join(', ')}`);
  }
}

/** What stands between the parts of a list. */
export const listSeparator = ';';

function partsOf(text: string): readonly string[] {
  const parts = text.split(listSeparator).map((part) => part.trim());
  const filled = parts.filter((part) => part !== '');
  return filled.length > 0 ? Object.freeze(filled) : fail('must not be empty');
}

function readBoolean(text: string, shown: string): boolean {
  switch (text.toLowerCase()) {
    case 'true':
    case '1':
      return true;
    case 'false':
    case '0':
      return false;
    default:
      return fail(`${shown} is neither true nor false; as a flag it takes no value`);
  }
}

function checkUrl(entry: OptionEntry & { kind: 'url' }, text: string, shown: string): string {
  const protocols = entry.protocols ?? [];
  const example = `${protocols[0] ?? 'http'}://host:port`;
  const url = text.includes('://') && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.host === '') {
    return fail(`${shown} is not a URL: write it as ${example}`);
  }
  if (protocols.length > 0 && !protocols.includes(url.protocol.slice(0, -1))) {
    return fail(`${shown} must begin with ${protocols.map((protocol) => `${protocol}://`).join(' or ')}`);
  }
  return text;
}

function checkRange(entry: { readonly min?: number; readonly max?: number }, value: number, unit: string): number {
  if (entry.min !== undefined && value < entry.min) {
    return fail(`${value}${unit} is too small: the least is ${entry.min}${unit}`);
  }
  if (entry.max !== undefined && value > entry.max) {
    return fail(`${value}${unit} is too large: the most is ${entry.max}${unit}`);
  }
  return value;
}

function rethrow<T>(entry: OptionEntry, shown: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    return fail(entry.secret || !(error instanceof RangeError) ? `${shown} cannot be read as ${entry.kind}` : error.message);
  }
}

function fail(message: string): never {
  throw new OptionValueError(message);
}

/** The environment variables of an option, the one that wins first. */
export function environmentNames(entry: OptionEntry): readonly string[] {
  return entry.env === undefined ? [] : typeof entry.env === 'string' ? [entry.env] : entry.env;
}

/** An option's flag and environment variables, as messages name it. */
export function namesOf(entry: OptionEntry): string {
  return [`--${entry.flag}`, ...environmentNames(entry)].join(' / ');
}
