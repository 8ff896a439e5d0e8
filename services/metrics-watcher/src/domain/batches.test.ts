import { sampleBatchBytesMax, type VolumeSample } from '@couchestor/shared/contracts/volume-sampled';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchSamples } from './batches.ts';

const sample = fc.oneof(
  fc.record({ status: fc.constant('idle' as const), volumeId: fc.uuid() }),
  fc.record({ status: fc.constant('unknown' as const), volumeId: fc.uuid(), reason: fc.string({ unit: 'grapheme', maxLength: 200 }) }),
);

describe('batchSamples', () => {
  it('keeps every sample once and in order, each batch below the limit', () => {
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 200 }), (samples: VolumeSample[]) => {
        const bytesMax = 8_192;
        const batches = batchSamples(samples, bytesMax);
        expect(batches.flat()).toEqual(samples);
        expect(batches.length).toBeGreaterThan(0);
        for (const batch of batches) {
          expect(Buffer.byteLength(JSON.stringify(batch)) <= bytesMax || batch.length === 1).toBe(true);
        }
      }),
    );
  });

  it('gives one empty batch for no samples', () => {
    expect(batchSamples([])).toEqual([[]]);
  });

  it('puts about 2,500 measured volumes into a batch', () => {
    const measured: VolumeSample = {
      status: 'measured',
      volumeId: '5f4e5f0c-6a5b-4c51-9e0d-0d5c8b8f0a01',
      readIops: 12345.678,
      writeIops: 12345.678,
      iops: 24691.356,
      readLatencyUs: 12345.6,
      writeLatencyUs: 12345.6,
      coverage: 0.9166,
    };
    const batches = batchSamples(Array.from({ length: 10_000 }, () => measured));
    expect(batches.length).toBeLessThanOrEqual(5);
    expect(Math.max(...batches.map((batch) => JSON.stringify(batch).length))).toBeLessThan(sampleBatchBytesMax);
  });
});
