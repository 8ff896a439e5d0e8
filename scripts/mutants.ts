/**
 * `npm run mutants [-- --only <part of a name>] [--write-docs]`: breaks every rule on purpose, in a copy of the source, and says which test
 * noticed. Ends with 1 where a mutant survives, is stale, or could not be judged. See docs/mutants.md.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineOptions, readOptions } from '@couchestor/shared/options';
import { mutants } from './mutants/list.ts';
import { type Mutant, mutate, type Suite } from './mutants/mutant.ts';
import { type Caught, page, pagePath } from './mutants/page.ts';
import { runSuite } from './mutants/run-suite.ts';
import { Tree } from './mutants/tree.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

const options = defineOptions({
  only: { flag: 'only', env: 'MUTANTS_ONLY', kind: 'string', optional: true, description: 'Part of the names of the mutants to run.' },
  writeDocs: { flag: 'write-docs', kind: 'boolean', description: 'Write into docs/mutants.md what caught each.' },
});

type Verdict =
  | { readonly kind: 'caught'; readonly caught: Caught }
  | { readonly kind: 'survived' | 'stale' | 'not judged'; readonly why: string };

async function main(argv: readonly string[]): Promise<number> {
  const { only, writeDocs } = readOptions(options, { argv, env: process.env, refuseWords: true }).values;
  const chosen = mutants.filter(({ name }) => only === undefined || name.includes(only));
  if (chosen.length === 0) {
    tell(`no mutant has "${only}" in its name`);
    return 2;
  }
  const tree = new Tree(root);
  process.once('exit', () => tree.remove());
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => process.exit(1));
  }
  const sound = new Map<string, string | undefined>();
  const caught: Caught[] = [];
  for (const [index, mutant] of chosen.entries()) {
    const verdict = await judge(tree, mutant, sound);
    const words = verdict.kind === 'caught' ? `caught by ${verdict.caught.file}: ${verdict.caught.test}` : verdict.kind.toUpperCase();
    tell(`${index + 1}/${chosen.length} ${mutant.name}: ${words}${verdict.kind === 'caught' ? '' : `: ${verdict.why}`}`);
    if (verdict.kind === 'caught') {
      caught.push(verdict.caught);
    }
  }
  tell(`${caught.length} of ${chosen.length} mutants were caught`);
  if (writeDocs) {
    const former = await readFile(join(root, pagePath), 'utf8').catch(() => '');
    await writeFile(join(root, pagePath), page({ mutants, run: chosen, caught, former }));
    tell(`${pagePath} written`);
  }
  return caught.length === chosen.length ? 0 : 1;
}

/** @param sound the suites that were run on the unbroken source already, each with what was wrong with it */
async function judge(tree: Tree, mutant: Mutant, sound: Map<string, string | undefined>): Promise<Verdict> {
  const source = tree.read(mutant.file);
  let broken: string;
  try {
    broken = mutate(source, mutant);
  } catch (error) {
    if (!(error instanceof RangeError)) {
      throw error;
    }
    return { kind: 'stale', why: error.message };
  }
  for (const suite of mutant.suites) {
    // A test that fails anyway catches nothing.
    const problem = await whyUnsound(tree, suite, sound);
    if (problem !== undefined) {
      return { kind: 'not judged', why: `${suite.file} does not pass on the unbroken source: ${problem}` };
    }
    tree.write(mutant.file, broken);
    const result = await runSuite(tree.root, suite);
    tree.write(mutant.file, source);
    if (result.kind === 'failed') {
      return { kind: 'caught', caught: { mutant, file: suite.file, test: result.test } };
    }
    if (result.kind === 'broken') {
      return { kind: 'not judged', why: result.why };
    }
  }
  return { kind: 'survived', why: `${mutant.file} ${mutant.what}, and no test noticed` };
}

async function whyUnsound(tree: Tree, suite: Suite, sound: Map<string, string | undefined>): Promise<string | undefined> {
  const key = JSON.stringify(suite);
  if (!sound.has(key)) {
    const result = await runSuite(tree.root, suite);
    sound.set(key, result.kind === 'passed' ? undefined : result.kind === 'failed' ? result.test : result.why);
  }
  return sound.get(key);
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exitCode = await main(process.argv.slice(2));
