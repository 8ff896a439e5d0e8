import { describe, expect, it } from 'vitest';
import { erasureCodingPolicySpecSchema } from '../erasure-coding-policy.ts';
import { erasureCodingPolicies, storagePolicies } from './resources.ts';

const metadata = { name: 'gold', uid: 'u', resourceVersion: '7', generation: 2 };
const storage = (status: unknown) => storagePolicies.schema.parse({ metadata, spec: { enabled: true }, status });
const ec = (status: unknown) => erasureCodingPolicies.schema.parse({ metadata, spec: {}, status });

describe('a custom resource as it is read', () => {
  it('is read without a status', () => {
    expect(storagePolicies.schema.parse({ metadata, spec: {} }).status).toBeUndefined();
    expect(storage(null).status).toBeUndefined();
    expect(erasureCodingPolicies.schema.parse({ metadata, spec: {} })).toMatchObject({ metadata, spec: {} });
    expect(storagePolicies.schema.parse({ metadata }).spec).toBeUndefined();
  });

  it('is not lost by a field of its status that makes no sense, nor are the other fields', () => {
    const conditions = [{ type: 'Approved', status: 'True' }];
    const odd = { phase: 'Sleeping', watchedVolumes: Number.MAX_SAFE_INTEGER + 5, migrationHistory: [{ odd: true }], newer: 1 };
    expect(storage({ ...odd, totalMigrations: 90, failedMigrations: 30, conditions })).toEqual({
      metadata,
      spec: { enabled: true },
      status: { totalMigrations: 90, failedMigrations: 30, conditions },
    });
    expect(storage({ totalMigrations: 'many', failedMigrations: 30 }).status).toEqual({ failedMigrations: 30 });
    expect(storage('odd').status).toBeUndefined();
  });

  it('tells of an accepted spec that is there and cannot be read', () => {
    const acceptedSpec = erasureCodingPolicySpecSchema.parse({ dataShards: 8, parityShards: 2 });
    expect(ec({ acceptedSpec, phase: 'Later' })).toMatchObject({ status: { acceptedSpec }, acceptedSpecProblem: undefined });
    const newer = ec({ acceptedSpec: { ...acceptedSpec, algorithm: 'Newer' }, activeVolumes: 3 });
    expect(newer.status).toEqual({ activeVolumes: 3 });
    expect(newer.acceptedSpecProblem).toMatch(/^algorithm: /);
    expect(ec({ acceptedSpec: null }).acceptedSpecProblem).toBeUndefined();
    expect(ec({ acceptedSpec: 'odd' }).acceptedSpecProblem).toBeDefined();
  });
});
