/** The flags and the other words of a command line. */
import { didYouMean } from './did-you-mean.ts';
import { listSeparator, namesOf, type OptionEntry } from './option-values.ts';

/** The text of an option's value and where it was found. */
export interface Given {
  readonly text: string;
  readonly from: string;
}

/** Splits a command line by the table. What is wrong with it is added to `problems`. */
export function splitArguments(
  table: Readonly<Record<string, OptionEntry>>,
  argv: readonly string[],
  problems: string[],
): { given: Map<string, Given>; positionals: string[] } {
  const keyOf = new Map(Object.entries(table).map(([key, entry]) => [entry.flag, key]));
  const given = new Map<string, Given>();
  const positionals: string[] = [];
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? '';
    if (word === '--') {
      positionals.push(...argv.slice(index + 1));
      break;
    }
    if (!/^--?[a-zA-Z]/.test(word)) {
      positionals.push(word);
      continue;
    }
    const [, flag = '', inline] = /^--?([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    const key = word.startsWith('--') ? keyOf.get(flag) : undefined;
    const entry = key === undefined ? undefined : table[key];
    if (key === undefined || entry === undefined) {
      const meant = didYouMean(flag, keyOf.keys());
      problems.push(
        `${word.startsWith('--') ? '--' : '-'}${flag}: there is no such option${meant === undefined ? '' : `; did you mean --${meant}?`}`,
      );
      continue;
    }
    const from = `--${flag}`;
    if (entry.kind === 'boolean') {
      given.set(key, { text: inline ?? 'true', from });
    } else if (inline !== undefined) {
      give(key, entry, inline);
    } else {
      const next = argv[index + 1];
      if (next === undefined || next.startsWith('--')) {
        problems.push(`${namesOf(entry)}: needs a value`);
      } else {
        give(key, entry, next);
        index += 1;
      }
    }
  }
  return { given, positionals };

  /** The last one wins, but for a list, which has them all. */
  function give(key: string, entry: OptionEntry, text: string): void {
    const before = entry.kind === 'list' ? given.get(key)?.text : undefined;
    given.set(key, { text: before === undefined ? text : `${before}${listSeparator}${text}`, from: `--${entry.flag}` });
  }
}
