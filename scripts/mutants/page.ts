/** docs/mutants.md: every rule with its mutants, and the test that caught each. */
import { code, table } from '../docs/markdown.ts';
import { type Mutant, rules } from './mutant.ts';

export const pagePath = 'docs/mutants.md';

const intro = `<!-- Written by \`npm run mutants\`. Change scripts/mutants, not this page. -->

# Mutation check

A rule that no test watches is a hope. So each rule of [safety](safety.md) and of [the decision](decision.md) is broken here on purpose, in a
copy of the source, one line at a time; the tests must notice every time. Where all of them still pass, the mutant has survived, and a test is
missing. One test that noticed is named for each: the first, for a run ends there.

\`\`\`sh
npm run mutants                                # all of them: about ten minutes
npm run mutants -- --only unbiased             # those whose name has this in it
npm run mutants -- --write-docs                # all of them, and what caught each into this page
\`\`\`

A mutant is an entry of ${code('scripts/mutants')}: a file, a text that occurs in it once, what is put in its place, and the tests to run.
${code('npm test')} only checks that every text is still there; a mutant whose text has gone is stale, and as much a failure as one that survives.`;

export interface Caught {
  readonly mutant: Mutant;
  readonly file: string;
  readonly test: string;
}

/** Every mutant that was caught, now or, where it was not run now, by the page as it was. */
export function page(o: {
  readonly mutants: readonly Mutant[];
  readonly run: readonly Mutant[];
  readonly caught: readonly Caught[];
  readonly former: string;
}): string {
  const before = catchersIn(o.former);
  const rows = inPageOrder(o.mutants).flatMap((mutant) => {
    const now = o.caught.find((one) => one.mutant === mutant);
    const by = now === undefined ? (o.run.includes(mutant) ? undefined : before.get(mutant.name)) : `${code(now.file)}: ${now.test}`;
    return by === undefined ? [] : [[rules[mutant.breaks], `${code(mutant.name)}: ${mutant.what}`, by]];
  });
  return `${intro}\n\n${table(['Rule', 'Mutant', 'Caught by'], rows)}\n`;
}

export function inPageOrder<T extends Pick<Mutant, 'breaks'>>(mutants: readonly T[]): T[] {
  return Object.keys(rules).flatMap((rule) => mutants.filter(({ breaks }) => breaks === rule));
}

/** What the page says of each mutant, by its name, as it was before it became a cell. */
export function catchersIn(text: string): ReadonlyMap<string, string> {
  const rows = text.matchAll(/^\| [^|]+ \| `([a-z0-9-]+)`: [^|]+ \| (.+?) *\|$/gm);
  return new Map([...rows].map(([, name = '', by = '']) => [name, by.replaceAll('\\|', '|').replaceAll('&lt;', '<')]));
}
