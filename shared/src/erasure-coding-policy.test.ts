import { describe, expect, it } from 'vitest';
import {
  erasureCodingPolicySpecSchema,
  erasureCodingPolicyStatusSchema,
  erasureCodingProblems,
  storageEfficiencyOf,
} from './erasure-coding-policy.ts';

const specOf = (spec: object = {}) => erasureCodingPolicySpecSchema.parse(spec);

/** Path and message of each fault. */
function faultsOf(spec: unknown): string[] {
  const checked = erasureCodingPolicySpecSchema.safeParse(spec);
  return checked.success ? [] : checked.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
}

describe('an erasure coding policy', () => {
  it('has the published defaults, and those of a journal that is not written or written in part', () => {
    const journalConfig = { journalSizeBytes: 10_737_418_240, replicationFactor: 3, destageThresholdPercent: 80, destageInterval: '30s' };
    expect(specOf()).toEqual({
      dataShards: 4,
      parityShards: 2,
      stripeSizeBytes: 1_048_576,
      algorithm: 'ReedSolomon',
      codec: 'isal-compatible',
      journalConfig,
      scrubbingEnabled: false,
      scrubInterval: '7d',
    });
    expect(specOf({ journalConfig: { replicationFactor: 1 } }).journalConfig).toEqual({ ...journalConfig, replicationFactor: 1 });
  });

  it('takes any shape up to 255 shards', () => {
    for (const [dataShards, parityShards] of [
      [1, 1],
      [254, 1],
      [1, 254],
      [200, 55],
    ]) {
      expect(faultsOf({ dataShards, parityShards })).toEqual([]);
    }
    expect(faultsOf({ dataShards: 200, parityShards: 56 })).toEqual([
      'parityShards: must be at most 255 together with dataShards (200 + 56 = 256)',
    ]);
  });

  it('says clearly that LRC is not supported', () => {
    expect(faultsOf({ algorithm: 'LRC' })).toEqual(['algorithm: LRC is not supported: write ReedSolomon, or leave it out']);
    expect(faultsOf({ algorithm: 'Raid5' })[0]).toMatch(/^algorithm: .*ReedSolomon/);
  });

  it('keeps within the limits of the ronomon codec where that is chosen', () => {
    expect(faultsOf({ codec: 'ronomon', dataShards: 24, parityShards: 6 })).toEqual([]);
    expect(faultsOf({ dataShards: 25, parityShards: 7 })).toEqual([]);
    for (const [dataShards, parityShards] of [
      [25, 6],
      [24, 7],
    ]) {
      expect(faultsOf({ codec: 'ronomon', dataShards, parityShards })).toEqual([
        `codec: ronomon takes at most 24 data and 6 parity shards: lower them, or write isal-compatible (${dataShards} + ${parityShards})`,
      ]);
    }
  });

  it('wants no fewer healthy shards than reading needs, and no more than there are', () => {
    for (const minHealthyShards of [4, 5, 6]) {
      expect(faultsOf({ minHealthyShards })).toEqual([]);
    }
    for (const minHealthyShards of [3, 7]) {
      expect(faultsOf({ minHealthyShards })).toEqual([
        `minHealthyShards: must be from dataShards to dataShards + parityShards (${minHealthyShards} is not from 4 to 6)`,
      ]);
    }
  });

  it('wants a journal that holds two stripes', () => {
    const stripeSizeBytes = 67_108_864;
    expect(faultsOf({ stripeSizeBytes, journalConfig: { journalSizeBytes: 2 * stripeSizeBytes } })).toEqual([]);
    expect(faultsOf({ stripeSizeBytes, journalConfig: { journalSizeBytes: 2 * stripeSizeBytes - 1 } })).toEqual([
      'journalConfig.journalSizeBytes: must hold at least two stripes (134217727 is less than 2 * 67108864)',
    ]);
  });

  it('is compared with what was accepted, field by field', () => {
    const accepted = specOf();
    const changed = specOf({ stripeSizeBytes: 2_097_152, scrubInterval: '1d' });
    expect(erasureCodingProblems(changed)).toEqual([]);
    expect(erasureCodingProblems(accepted, accepted)).toEqual([]);
    expect(erasureCodingProblems(changed, accepted)).toEqual([
      expect.stringMatching(/^spec\.stripeSizeBytes: cannot be changed .*\(1048576 was accepted, 2097152 is written\)$/),
    ]);
  });

  it('tells how much of what is stored is data', () => {
    expect(storageEfficiencyOf(specOf())).toBeCloseTo(2 / 3);
    expect(storageEfficiencyOf({ dataShards: 8, parityShards: 8 })).toBe(0.5);
  });

  it('has a status that stays readable when a rule about its accepted spec is added', () => {
    const acceptedSpec = { ...specOf(), algorithm: 'LRC' };
    expect(erasureCodingPolicyStatusSchema.parse({ acceptedSpec, later: 1 })).toEqual({ acceptedSpec });
  });
});
