import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, parseDurationMs } from './duration.ts';

const unitsMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

describe('parsing a duration', () => {
  it.each([
    ['90s', 90_000],
    ['30m', 1_800_000],
    ['24h', 86_400_000],
    ['1d12h', 129_600_000],
    ['1h30m', 5_400_000],
    ['1H30M', 5_400_000],
    [' 5m ', 300_000],
    ['45', 45_000],
    ['1m30', 90_000],
    ['0h5m', 300_000],
  ])('reads %j as %d ms', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  it.each(['', ' ', 'h', '5 m', '-5m', '1.5h', '5w', '5ms', '1h-30m', 'abc', '٣m'])('refuses %j and says how to write one', (text) => {
    expect(() => parseDurationMs(text)).toThrow(/is not a duration: write digits and a unit, for example 90s, 30m/);
  });

  it.each(['0', '0s', '0h0m', '99999999999999999d'])('refuses %j, which is of no use', (text) => {
    expect(() => parseDurationMs(text)).toThrow(/must be above zero/);
  });

  it('adds up any sequence of counts and units', () => {
    const term = fc.tuple(fc.integer({ min: 0, max: 10_000 }), fc.constantFrom('s', 'm', 'h', 'd'), fc.boolean());
    fc.assert(
      fc.property(fc.array(term, { minLength: 1, maxLength: 6 }), (terms) => {
        const sumMs = terms.reduce((sum, [count, unit]) => sum + count * unitsMs[unit as keyof typeof unitsMs], 0);
        fc.pre(sumMs > 0);
        expect(parseDurationMs(terms.map(([count, unit, upper]) => `${count}${upper ? unit.toUpperCase() : unit}`).join(''))).toBe(sumMs);
      }),
    );
  });

  it('answers with a positive whole number or a RangeError, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          const ms = parseDurationMs(text);
          expect(Number.isSafeInteger(ms) && ms > 0).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });
});

describe('writing a duration', () => {
  it.each([
    [0, '0ms'],
    [320, '320ms'],
    [1_000, '1s'],
    [45_400, '45s'],
    [90_000, '1m 30s'],
    [5_400_000, '1h 30m'],
    [5_401_000, '1h 30m'],
    [86_400_000, '1d'],
    [129_600_000, '1d 12h'],
  ])('writes %d ms as %j', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it('is read back, but for what two units leave out', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 * 86_400 }), (seconds) => {
        const readMs = parseDurationMs(formatDuration(seconds * 1_000).replaceAll(' ', ''));
        expect(readMs).toBeLessThanOrEqual(seconds * 1_000);
        expect(readMs).toBeGreaterThan(seconds * 1_000 * 0.9);
      }),
    );
  });
});
