import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatSelector, type LabelSelector, labelSelectorSchema, matchesSelector } from './label-selector.ts';

const labels = { tier: 'hot', zone: 'a', empty: '' };

describe('a label selector', () => {
  it.each<[string, LabelSelector, boolean]>([
    ['matches everything where it is empty', {}, true],
    ['matches equal labels', { matchLabels: { tier: 'hot' } }, true],
    ['needs all of its labels', { matchLabels: { tier: 'hot', zone: 'b' } }, false],
    ['does not take a missing label for an empty one', { matchLabels: { missing: '' } }, false],
    ['matches an empty value', { matchLabels: { empty: '' } }, true],
    ['In: matches one of its values', { matchExpressions: [{ key: 'zone', operator: 'In', values: ['b', 'a'] }] }, true],
    ['In: does not match another value', { matchExpressions: [{ key: 'zone', operator: 'In', values: ['b'] }] }, false],
    ['In: does not match a missing key', { matchExpressions: [{ key: 'missing', operator: 'In', values: [''] }] }, false],
    ['NotIn: does not match one of its values', { matchExpressions: [{ key: 'zone', operator: 'NotIn', values: ['a'] }] }, false],
    ['NotIn: matches another value', { matchExpressions: [{ key: 'zone', operator: 'NotIn', values: ['b'] }] }, true],
    ['NotIn: matches a missing key', { matchExpressions: [{ key: 'missing', operator: 'NotIn', values: ['b'] }] }, true],
    ['Exists: matches any value', { matchExpressions: [{ key: 'empty', operator: 'Exists' }] }, true],
    ['Exists: does not match a missing key', { matchExpressions: [{ key: 'missing', operator: 'Exists' }] }, false],
    ['DoesNotExist: matches a missing key', { matchExpressions: [{ key: 'missing', operator: 'DoesNotExist' }] }, true],
    ['DoesNotExist: does not match a present key', { matchExpressions: [{ key: 'empty', operator: 'DoesNotExist' }] }, false],
    [
      'needs labels and expressions both',
      { matchLabels: { tier: 'hot' }, matchExpressions: [{ key: 'zone', operator: 'In', values: ['b'] }] },
      false,
    ],
  ])('%s', (_behaviour, selector, expected) => {
    expect(matchesSelector(selector, labels)).toBe(expected);
  });

  it('never finds an inherited property to be a label', () => {
    expect(matchesSelector({ matchExpressions: [{ key: 'constructor', operator: 'Exists' }] }, {})).toBe(false);
  });

  const key = fc.constantFrom('a', 'b', 'c');
  const value = fc.constantFrom('1', '2', '');
  const someLabels = fc.dictionary(key, value);
  const expression = fc.oneof(
    fc.record({ key, operator: fc.constantFrom('In' as const, 'NotIn' as const), values: fc.array(value, { minLength: 1, maxLength: 3 }) }),
    fc.record({ key, operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const) }),
  );

  it('matches where, and only where, each of its terms alone does', () => {
    fc.assert(
      fc.property(someLabels, fc.dictionary(key, value), fc.array(expression, { maxLength: 4 }), (have, matchLabels, matchExpressions) => {
        const each = [
          ...Object.entries(matchLabels).map(([name, wanted]) => matchesSelector({ matchLabels: { [name]: wanted } }, have)),
          ...matchExpressions.map((one) => matchesSelector({ matchExpressions: [one] }, have)),
        ];
        expect(matchesSelector({ matchLabels, matchExpressions }, have)).toBe(each.every(Boolean));
      }),
    );
  });

  it('matches with exactly one of two opposite operators', () => {
    fc.assert(
      fc.property(someLabels, key, fc.array(value, { minLength: 1 }), (have, name, values) => {
        const matches = (one: NonNullable<LabelSelector['matchExpressions']>[number]): boolean =>
          matchesSelector({ matchExpressions: [one] }, have);
        expect(matches({ key: name, operator: 'In', values })).toBe(!matches({ key: name, operator: 'NotIn', values }));
        expect(matches({ key: name, operator: 'Exists' })).toBe(!matches({ key: name, operator: 'DoesNotExist' }));
      }),
    );
  });

  it('is refused where values are missing or out of place, or a field is unknown', () => {
    for (const selector of [
      { matchExpressions: [{ key: 'a', operator: 'In' }] },
      { matchExpressions: [{ key: 'a', operator: 'NotIn', values: [] }] },
      { matchExpressions: [{ key: 'a', operator: 'Exists', values: ['b'] }] },
      { matchExpressions: [{ key: 'a', operator: 'Gt', values: ['1'] }] },
      { matchLabels: { a: 1 } },
      { matchLabel: { a: 'b' } },
    ]) {
      expect(labelSelectorSchema.safeParse(selector).success).toBe(false);
    }
  });

  it('is written as kubectl writes it', () => {
    expect(
      formatSelector({
        matchLabels: { tier: 'hot' },
        matchExpressions: [
          { key: 'zone', operator: 'In', values: ['a', 'b'] },
          { key: 'rack', operator: 'NotIn', values: ['9'] },
          { key: 'ssd', operator: 'Exists' },
          { key: 'retired', operator: 'DoesNotExist' },
        ],
      }),
    ).toBe('tier=hot,zone in (a,b),rack notin (9),ssd,!retired');
    expect(formatSelector({})).toBe('(everything)');
  });
});
