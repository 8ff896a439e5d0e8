import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readVector, type Series } from './vector.ts';

const id = '5f4e5f0c-6a5b-4c51-9e0d-0d5c8b8f0a01';

function series(value: string, name: string | undefined = `pvc-${id}`): Series {
  return { labels: name === undefined ? {} : { pv_name: name }, value };
}

const options = { label: 'pv_name', nanIsAbsent: false };

describe('readVector', () => {
  it('finds volumes by pv name and by bare id, in any case', () => {
    expect(readVector([series('12.5')], options).byVolume.get(id)).toEqual({ value: 12.5 });
    expect(readVector([series('1e3', id.toUpperCase())], options).byVolume.get(id)).toEqual({ value: 1_000 });
  });

  it.each([
    ['NaN', 'not-a-number', 'not a number'],
    ['+Inf', 'infinite', 'infinite'],
    ['-Inf', 'infinite', 'infinite'],
    ['1e999', 'infinite', 'infinite'],
    ['-0.5', 'negative', 'negative'],
    ['', 'not-a-number', 'not a number'],
    ['12 apples', 'not-a-number', 'not a number'],
  ] as const)('turns the value "%s" into a problem and not into a number', (value, kind, word) => {
    const readings = readVector([series(value)], options);
    expect(readings.byVolume.get(id)).toEqual({ problem: expect.stringContaining(word) });
    expect([...readings.problems]).toEqual([[kind, 1]]);
  });

  it('takes NaN for nothing to tell where that is what it means, but no other bad value', () => {
    const readings = readVector([series('NaN'), series('+Inf', 'pvc-other')], { label: 'pv_name', nanIsAbsent: true });
    expect(readings.byVolume.has(id)).toBe(false);
    expect(readings.byVolume.get('other')).toHaveProperty('problem');
  });

  it('believes neither of two series of one volume', () => {
    const readings = readVector([series('1'), series('2'), series('3', 'pvc-other')], options);
    expect(readings.byVolume.get(id)).toEqual({ problem: expect.stringContaining('several series') });
    expect(readings.byVolume.get('other')).toEqual({ value: 3 });
    expect([...readings.problems]).toEqual([['duplicate-series', 1]]);
  });

  it('counts series without the label and goes on', () => {
    const readings = readVector([{ labels: {}, value: '1' }, series('1', ''), series('2')], options);
    expect(readings.byVolume.size).toBe(1);
    expect([...readings.problems]).toEqual([['no-label', 2]]);
  });

  it('gives finite numbers from zero up, or problems, whatever comes', () => {
    const text = fc.oneof(fc.string(), fc.double().map(String), fc.constantFrom('NaN', '+Inf', '-Inf', 'Inf', '0x10', '1_000'));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('pvc-a', 'pvc-b', 'c', ''), text)), (pairs) => {
        for (const reading of readVector(
          pairs.map(([name, value]) => series(value, name)),
          options,
        ).byVolume.values()) {
          expect('problem' in reading || (Number.isFinite(reading.value) && reading.value >= 0)).toBe(true);
        }
      }),
    );
  });
});
