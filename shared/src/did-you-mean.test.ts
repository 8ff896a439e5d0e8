import { expect, test } from 'vitest';
import { didYouMean } from './did-you-mean.ts';

const known = ['dry-run', 'log-level', 'log-json', 'metrics-addr'];

test.each([
  ['dryrun', 'dry-run'],
  ['loglevel', 'log-level'],
  ['metric-adr', 'metrics-addr'],
  ['LOG-JSON', 'log-json'],
])('%s is taken for %s', (word, meant) => {
  expect(didYouMean(word, known)).toBe(meant);
});

test('a word that is near to none gets no suggestion', () => {
  expect(didYouMean('verbose', known)).toBeUndefined();
});
