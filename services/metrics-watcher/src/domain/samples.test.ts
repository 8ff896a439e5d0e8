import { volumeSampleSchema } from '@couchestor/shared/contracts/volume-sampled';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Quantity, quantities, shardsFor, volumesPerQueryMax } from './queries.ts';
import { joinSamples, type ShardReadings, type WindowReadings } from './samples.ts';
import type { Reading } from './vector.ts';

const id = '5f4e5f0c-6a5b-4c51-9e0d-0d5c8b8f0a01';

function readingsOf(found: Partial<Record<Quantity, Reading>>, volumeId = id): ShardReadings {
  return Object.fromEntries(
    quantities.map((quantity) => {
      const reading = found[quantity];
      return [quantity, { byVolume: new Map(reading === undefined ? [] : [[volumeId, reading]]), problems: new Map() }];
    }),
  );
}

function oneShard(shard: ShardReadings | { failed: string }): WindowReadings {
  return { shards: shardsFor(0), byShard: new Map([['all', shard]]) };
}

const whole: Record<Quantity, Reading> = {
  readIops: { value: 100.00049 },
  writeIops: { value: 50 },
  coverage: { value: 1 },
  readLatencyUs: { value: 812.34 },
  writeLatencyUs: { value: 0 },
};

function sampleFor(found: Partial<Record<Quantity, Reading>>, published = true) {
  const [sample] = joinSamples([{ id, published }], oneShard(readingsOf(found)));
  return sample;
}

describe('joinSamples', () => {
  it('measures a published volume of which everything is known', () => {
    expect(sampleFor(whole)).toEqual({
      status: 'measured',
      volumeId: id,
      readIops: 100,
      writeIops: 50,
      iops: 150,
      readLatencyUs: 812.3,
      writeLatencyUs: 0,
      coverage: 1,
    });
  });

  it('calls an unpublished volume idle, whatever Prometheus says or does not say', () => {
    expect(sampleFor(whole, false)).toEqual({ status: 'idle', volumeId: id });
    expect(joinSamples([{ id, published: false }], oneShard({ failed: 'down' }))).toEqual([{ status: 'idle', volumeId: id }]);
  });

  it('tells true zeros from silence', () => {
    expect(sampleFor({ readIops: { value: 0 }, writeIops: { value: 0 }, coverage: { value: 1 } })).toEqual({
      status: 'measured',
      volumeId: id,
      readIops: 0,
      writeIops: 0,
      iops: 0,
      coverage: 1,
    });
    expect(sampleFor({})).toMatchObject({ status: 'unknown', reason: expect.stringContaining('no read IOPS') });
  });

  it.each<[string, Partial<Record<Quantity, Reading>>, string]>([
    ['there are no writes among the answers', { readIops: { value: 1 }, coverage: { value: 1 } }, 'no write IOPS'],
    ['the coverage is missing', { readIops: { value: 1 }, writeIops: { value: 1 } }, 'no coverage'],
    ['the coverage is 0', { ...whole, coverage: { value: 0 } }, 'no part of this window was measured'],
    [
      'the reads are NaN',
      { ...whole, readIops: { problem: 'Prometheus gave "NaN", which is not a number' } },
      'read IOPS: Prometheus gave "NaN"',
    ],
    ['the coverage is a problem', { ...whole, coverage: { problem: 'odd' } }, 'coverage: odd'],
  ])('calls a volume unknown where %s', (_name, found, reason) => {
    expect(sampleFor(found)).toMatchObject({ status: 'unknown', reason: expect.stringContaining(reason) });
  });

  it('leaves a bad latency out and keeps the sample', () => {
    const sample = sampleFor({ ...whole, readLatencyUs: { problem: 'Prometheus gave "+Inf", which is infinite' } });
    expect(sample).toMatchObject({ status: 'measured', iops: 150 });
    expect(sample).not.toHaveProperty('readLatencyUs');
  });

  it('never raises a coverage by rounding, nor lets it pass 1', () => {
    expect(sampleFor({ ...whole, coverage: { value: 0.79999 } })).toMatchObject({ coverage: 0.7999 });
    expect(sampleFor({ ...whole, coverage: { value: 0.7999999999999999 } })).toMatchObject({ coverage: 0.8 });
    expect(sampleFor({ ...whole, coverage: { value: 13 / 12 } })).toMatchObject({ coverage: 1 });
  });

  it('measures coverage by what most volumes show where Prometheus scrapes more often than it is said to', () => {
    const others = Array.from({ length: 4 }, (_, n) => `0000000${n}-0000-4000-8000-000000000000`);
    const byVolume = new Map<string, Reading>([[id, { value: 1.2 }], ...others.map((other) => [other, { value: 2 }] as const)]);
    const shard: ShardReadings = {
      readIops: { byVolume: new Map([[id, { value: 1 }]]), problems: new Map() },
      writeIops: { byVolume: new Map([[id, { value: 1 }]]), problems: new Map() },
      coverage: { byVolume, problems: new Map() },
    };
    expect(joinSamples([{ id, published: true }], oneShard(shard))).toMatchObject([{ coverage: 0.6 }]);
  });

  it('makes only the volumes of a failed shard unknown', () => {
    const other = `a${id.slice(1)}`;
    const readings: WindowReadings = {
      shards: shardsFor(volumesPerQueryMax + 1),
      byShard: new Map<string, ShardReadings | { failed: string }>([
        ['5', readingsOf(whole)],
        ['a', { failed: 'PROM_TIMEOUT' }],
      ]),
    };
    const samples = joinSamples(
      [id, other, `b${id.slice(1)}`].map((volumeId) => ({ id: volumeId, published: true })),
      readings,
    );
    expect(samples).toMatchObject([
      { status: 'measured' },
      { status: 'unknown', reason: 'PROM_TIMEOUT' },
      { status: 'unknown', reason: expect.stringContaining('not measured in this round') },
    ]);
  });

  it('always gives samples that the contract takes, one for each volume', () => {
    const reading = fc.oneof(
      fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map((value) => ({ value })),
      fc.string({ maxLength: 400 }).map((problem) => ({ problem })),
    );
    const found = fc.record(
      { readIops: reading, writeIops: reading, coverage: reading, readLatencyUs: reading, writeLatencyUs: reading },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(found, fc.boolean(), fc.uuid(), (some, published, volumeId) => {
        // Sums and products of the largest numbers overflow; real ones are far below.
        fc.pre(Object.values(some).every((each) => !('value' in each) || each.value < 1e300));
        const samples = joinSamples(
          [{ id: volumeId, published }],
          oneShard(readingsOf(some as Partial<Record<Quantity, Reading>>, volumeId)),
        );
        expect(samples.map((sample) => volumeSampleSchema.parse(sample).volumeId)).toEqual([volumeId]);
      }),
    );
  });
});
