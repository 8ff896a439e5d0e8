import { describe, expect, it } from 'vitest';
import { Freshness } from './freshness.ts';

const good = { name: 'Policies', synced: true, problem: undefined };
const broken = { name: 'Volumes', synced: true, problem: 'connection refused' };

describe('what was read from Kubernetes', () => {
  it('may not be decided on before all of it was read', () => {
    const freshness = new Freshness({ graceMs: 30_000 });
    expect(freshness.problem).toBeDefined();
    freshness.observe([good, { name: 'Volumes', synced: false, problem: 'not listed yet' }], 0);
    expect(freshness.problem).toBe('Volumes have not been read yet (not listed yet)');
    freshness.observe([good, { ...broken, problem: undefined }], 1_000);
    expect(freshness.problem).toBeUndefined();
  });

  it('counts for the grace when the API server is away, and no longer', () => {
    const freshness = new Freshness({ graceMs: 30_000 });
    freshness.observe([good, broken], 5_000);
    freshness.observe([good, broken], 34_999);
    expect(freshness.problem).toBeUndefined();
    freshness.observe([good, broken], 35_000);
    expect(freshness.problem).toMatch(/Volumes cannot be followed any more \(connection refused\)/);
    freshness.observe([good, { ...broken, problem: undefined }], 35_500);
    expect(freshness.problem).toBeUndefined();
  });

  it('has the whole grace again after it was up to date in between', () => {
    const freshness = new Freshness({ graceMs: 30_000 });
    freshness.observe([broken], 0);
    freshness.observe([{ ...broken, problem: undefined }], 29_000);
    freshness.observe([broken], 29_500);
    freshness.observe([broken], 59_000);
    expect(freshness.problem).toBeUndefined();
  });
});
