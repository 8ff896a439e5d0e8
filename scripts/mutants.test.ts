import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mutants } from './mutants/list.ts';
import { mutate, rules } from './mutants/mutant.ts';
import { catchersIn, inPageOrder, page, pagePath } from './mutants/page.ts';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

describe('the mutants', () => {
  it.each(mutants)('$name finds what it breaks exactly once', (mutant) => {
    const source = read(mutant.file);
    expect(mutate(source, mutant)).not.toBe(source);
  });

  it('have names of their own, and tests that are there', () => {
    const names = mutants.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)]);
    const files = [...new Set(mutants.flatMap(({ suites }) => suites.map(({ file }) => file)))];
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
    expect(mutants.filter(({ suites }) => suites.length === 0)).toEqual([]);
  });

  it('break every rule of the list', () => {
    expect([...new Set(mutants.map(({ breaks }) => breaks))].sort()).toEqual(Object.keys(rules).sort());
  });

  it('stand each in the page, with the test that caught it (npm run mutants -- --write-docs)', () => {
    expect([...catchersIn(read(pagePath)).keys()]).toEqual(inPageOrder(mutants).map(({ name }) => name));
  });
});

it('a text that is gone or there twice makes a mutant stale', () => {
  const mutant = { name: 'm', file: 'f.ts', changes: [{ find: 'a < b', put: '$& true' }] };
  expect(mutate('if (a < b)', mutant)).toBe('if ($& true)');
  expect(() => mutate('if (a <= b)', mutant)).toThrow(/m is stale: in f.ts its text occurs 0 times: a < b/);
  expect(() => mutate('a < b || a < b', mutant)).toThrow(/occurs 2 times/);
});

describe('the page', () => {
  const [first, second] = mutants;
  const chosen = mutants.slice(0, 2);

  it('keeps what it says of a mutant that is not run, and forgets one that survives', () => {
    if (first === undefined || second === undefined) {
      throw new Error('there are no mutants');
    }
    const caught = [first, second].map((mutant) => ({ mutant, file: 'a.test.ts', test: `has a | for ${mutant.name}` }));
    const whole = page({ mutants, run: chosen, caught, former: '' });
    expect([...catchersIn(whole)].sort()).toEqual(chosen.map(({ name }) => [name, `\`a.test.ts\`: has a | for ${name}`]).sort());
    expect(page({ mutants, run: [], caught: [], former: whole })).toBe(whole);
    expect([...catchersIn(page({ mutants, run: [first], caught: [], former: whole })).keys()]).toEqual([second.name]);
  });
});
