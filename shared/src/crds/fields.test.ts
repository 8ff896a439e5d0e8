import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDurationMs } from '../duration.ts';
import { durationSchema } from './fields.ts';

const schema = durationSchema('Any.');
const messages = (text: string) => schema.safeParse(text).error?.issues.map(({ message }) => message) ?? [];

function isDuration(text: string): boolean {
  try {
    return parseDurationMs(text) > 0;
  } catch {
    return false;
  }
}

describe('the pattern of durations, which the API server checks too', () => {
  it('takes what the grammar takes, in groups of up to eight digits', () => {
    const group = fc.tuple(fc.integer({ min: 0, max: 9_999 }), fc.constantFrom(...'smhdSMHD', '0s'));
    const text = fc
      .tuple(fc.array(group, { maxLength: 4 }), fc.constantFrom('', '0', '7', ' ', 'x', '-1'))
      .map(([groups, end]) => `${groups.map(([digits, unit]) => `${digits}${unit}`).join('')}${end}`);
    fc.assert(
      fc.property(text, (written) => {
        expect(schema.safeParse(written).success).toBe(isDuration(written) && written.length <= 32);
      }),
      { numRuns: 1_000 },
    );
  });

  it('refuses what is no duration', () => {
    for (const text of ['', ' ', '0', '0s', '0h0m', 'h', '1 h', '1.5h', '-1h', '1w', '1ms', '1h ', 'eternity'].filter(
      (one) => !isDuration(one),
    )) {
      expect(messages(text), text).toEqual(['not a duration: write digits and a unit, for example 90s, 30m, 24h or 1d12h']);
    }
  });

  it('refuses one whose milliseconds do not fit a number, in its own words', () => {
    expect(messages('99999999d')).toEqual([]);
    expect(messages('99999999d99999999d')).toEqual(['too long: its milliseconds do not fit a number']);
  });
});
