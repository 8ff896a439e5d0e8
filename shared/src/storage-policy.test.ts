import { describe, expect, it } from 'vitest';
import { storagePolicyProblems, storagePolicySchema, storagePolicySpecSchema, storagePolicyStatusSchema } from './storage-policy.ts';

/** Path and message of each fault. */
function faultsOf(spec: unknown): string[] {
  const checked = storagePolicySpecSchema.safeParse(spec);
  return checked.success ? [] : checked.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
}

describe('a storage policy', () => {
  it('has the published defaults', () => {
    expect(storagePolicySpecSchema.parse({})).toEqual({
      highWatermarkIOPS: 5_000,
      warmWatermarkIOPS: 2_000,
      lowWatermarkIOPS: 500,
      samplingWindow: '1h',
      cooldownPeriod: '24h',
      storageClassName: 'mayastor',
      capacityWatermarkPercent: 85,
      allowSnapshots: false,
      preservationMode: false,
      enabled: true,
      dryRun: false,
      ecMinVolumeSizeBytes: 10_737_418_240,
    });
  });

  it('is read from a whole document', () => {
    const document = {
      apiVersion: 'storage.billyronks.io/v1',
      kind: 'StoragePolicy',
      metadata: { name: 'databases', annotations: { any: 'thing' } },
      spec: { hotPoolSelector: { matchLabels: { 'storage-tier': 'hot' } } },
    };
    expect(storagePolicySchema.safeParse(document).success).toBe(true);
    for (const wrong of [{ kind: 'Storagepolicy' }, { apiVersion: 'v1' }, { metadata: { name: 'Not_a_DNS_name' } }, { extra: 1 }]) {
      expect(storagePolicySchema.safeParse({ ...document, ...wrong }).success).toBe(false);
    }
  });

  it('has watermarks in their order', () => {
    expect(faultsOf({ highWatermarkIOPS: 100, warmWatermarkIOPS: 50, lowWatermarkIOPS: 10 })).toEqual([]);
    expect(faultsOf({ highWatermarkIOPS: 100, warmWatermarkIOPS: 0, lowWatermarkIOPS: 10 })).toEqual([]);
    expect(faultsOf({ highWatermarkIOPS: 10, warmWatermarkIOPS: 0, lowWatermarkIOPS: 10 })).toEqual([
      'highWatermarkIOPS: must be above lowWatermarkIOPS (10 is not above 10)',
    ]);
    for (const warm of [10, 100, 5, 200]) {
      expect(faultsOf({ highWatermarkIOPS: 100, warmWatermarkIOPS: warm, lowWatermarkIOPS: 10 })).toEqual([
        `warmWatermarkIOPS: must be 0 (no warm tier) or between low and high (10 < ${warm} < 100 does not hold)`,
      ]);
    }
  });

  it('names the field at fault and the cure', () => {
    expect(faultsOf({ samplingWindow: 'soon' })).toEqual([
      'samplingWindow: not a duration: write digits and a unit, for example 90s, 30m, 24h or 1d12h',
    ]);
    expect(faultsOf({ cooldownPeriod: '0s' })[0]).toMatch(/^cooldownPeriod: not a duration/);
    expect(faultsOf({ migrationTimeout: '' })[0]).toMatch(/^migrationTimeout: /);
    expect(faultsOf({ highWatermarkIops: 1 })[0]).toMatch(/highWatermarkIops/);
    expect(faultsOf({ highWatermarkIOPS: 1.5 })[0]).toMatch(/^highWatermarkIOPS: /);
    expect(faultsOf({ highWatermarkIOPS: '5000' })[0]).toMatch(/^highWatermarkIOPS: /);
    expect(faultsOf({ maxConcurrentMigrations: 0 })[0]).toMatch(/^maxConcurrentMigrations: /);
    expect(faultsOf({ capacityWatermarkPercent: 101 })[0]).toMatch(/^capacityWatermarkPercent: /);
    expect(faultsOf({ hotPoolSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } })[0]).toMatch(
      /^hotPoolSelector\.matchExpressions\.0/,
    );
  });

  it('reports all faults together', () => {
    expect(faultsOf({ samplingWindow: 'x', storageClassName: '', enabled: 'yes' })).toHaveLength(3);
  });

  it('has the same rules as a function, for specs that the schema did not see', () => {
    const spec = storagePolicySpecSchema.parse({});
    expect(storagePolicyProblems(spec)).toEqual([]);
    expect(storagePolicyProblems({ ...spec, lowWatermarkIOPS: 3_000 })).toEqual([
      'spec.warmWatermarkIOPS: must be 0 (no warm tier) or between low and high (3000 < 2000 < 5000 does not hold)',
    ]);
  });

  it('has a status that may be written in part, and forgets fields that it does not know', () => {
    expect(storagePolicyStatusSchema.parse({})).toEqual({});
    expect(storagePolicyStatusSchema.parse({ phase: 'Active', later: 1 })).toEqual({ phase: 'Active' });
    expect(storagePolicyStatusSchema.safeParse({ migrationHistory: Array.from({ length: 51 }, () => ({})) }).success).toBe(false);
  });

  it('bounds its selectors', () => {
    const labels = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 'v']));
    expect(faultsOf({ volumeSelector: { matchLabels: labels(64) } })).toEqual([]);
    expect(faultsOf({ volumeSelector: { matchLabels: labels(65) } })).toEqual([
      'volumeSelector.matchLabels: must not hold more than 64 labels',
    ]);
  });
});
