import { describe, expect, it } from 'vitest';
import { measured, roundOf, volumeId } from '../testing/fixtures.ts';
import { prometheusTrouble } from './prometheus-trouble.ts';

const unknown = (n: number, reason: string) => ({ status: 'unknown' as const, volumeId: volumeId(n), reason });

describe('trouble with Prometheus', () => {
  it('is told by the samples that it failed, of those that had to be measured', () => {
    const round = roundOf([
      measured(1, { id: volumeId(1) }),
      { status: 'idle', volumeId: volumeId(2) },
      unknown(3, 'not measured: PROM_UNREACHABLE: gone'),
      unknown(4, 'no series'),
    ]);
    expect(prometheusTrouble(round)).toEqual({ volumes: 1, of: 3, example: 'not measured: PROM_UNREACHABLE: gone' });
  });

  it('is none where Prometheus answered, or nobody knows', () => {
    expect(prometheusTrouble(roundOf([unknown(1, 'no series')]))).toBeUndefined();
    expect(prometheusTrouble(undefined)).toBeUndefined();
  });
});
