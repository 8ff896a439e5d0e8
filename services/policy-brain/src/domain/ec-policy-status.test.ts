import { judgeErasureCodingPolicy } from '@couchestor/shared/crds/judge';
import { erasureCodingPolicySpecSchema, erasureCodingPolicyStatusSchema } from '@couchestor/shared/erasure-coding-policy';
import { describe, expect, it } from 'vitest';
import { nowMs } from '../testing/fixtures.ts';
import { type EcPolicy, type EcStatusFacts, ecStatus } from './ec-policy-status.ts';

const spec = erasureCodingPolicySpecSchema.parse({ dataShards: 4, parityShards: 2 });
const valid: EcPolicy = { name: 'ec', uid: 'u', generation: 3, spec, problems: [], accepted: undefined };

function statusOf(o: Partial<EcStatusFacts> = {}) {
  return ecStatus({ policy: valid, volumes: 0, vaults: undefined, before: undefined, nowMs, ...o });
}

describe('the status of an ErasureCodingPolicy', () => {
  it.each([
    ['Pending', undefined],
    ['Ready', 0],
    ['Active', 12],
  ])('is %s where %s volumes are watched by it', (phase, volumes) => {
    expect(statusOf({ volumes })).toMatchObject({ phase, activeVolumes: volumes ?? 0, observedGeneration: 3 });
  });

  it('accepts a valid spec, tells its efficiency, and says nothing of stripes while there are none', () => {
    const status = statusOf();
    expect(status).toMatchObject({ acceptedSpec: spec, lastValidationTime: new Date(nowMs).toISOString() });
    expect(status.storageEfficiency).toBeCloseTo(4 / 6);
    expect(status).not.toHaveProperty('totalStripes');
    expect(erasureCodingPolicyStatusSchema.parse(status)).toEqual(status);
  });

  const vaults = { volumes: 4, stripes: { total: 9, healthy: 6, degraded: 3, rebuilding: 1 }, degraded: undefined };

  it('is Active and counts volumes and stripes where vaults keep them', () => {
    const status = statusOf({ volumes: 2, vaults });
    expect(status).toMatchObject({
      phase: 'Active',
      activeVolumes: 6,
      totalStripes: 9,
      healthyStripes: 6,
      degradedStripes: 3,
      rebuildingStripes: 1,
      message: 'The policy is valid, and a vault keeps volumes by it.',
    });
    expect(status.conditions).toMatchObject([
      { type: 'Ready', status: 'True' },
      { type: 'Degraded', status: 'False', reason: 'AllWell' },
    ]);
    expect(erasureCodingPolicyStatusSchema.parse(status)).toEqual(status);
  });

  it('is Degraded with the reason while a vault is, and remembers since when', () => {
    const degraded = { reason: 'OneDisk', message: 'Vault v: all drives are on one disk.' };
    const before = statusOf({ vaults: { ...vaults, degraded } });
    const later = statusOf({ vaults: { ...vaults, degraded }, before, nowMs: nowMs + 60_000 });
    expect(later.conditions?.[1]).toEqual({
      type: 'Degraded',
      status: 'True',
      observedGeneration: 3,
      ...degraded,
      lastTransitionTime: new Date(nowMs).toISOString(),
    });
  });

  it('says nothing of Degraded any more when its last vault is gone', () => {
    const before = statusOf({ vaults });
    expect(statusOf({ before }).conditions).toMatchObject([{ type: 'Ready' }]);
  });

  it('is Invalid where a field changed on which stripes depend, and the accepted spec stands', () => {
    const judged = judgeErasureCodingPolicy({ dataShards: 8, parityShards: 2 }, spec);
    const problems = 'problems' in judged ? judged.problems : [];
    const status = statusOf({ policy: { ...valid, generation: 4, spec: undefined, problems, accepted: spec } });
    expect(status).toMatchObject({
      phase: 'Invalid',
      acceptedSpec: spec,
      storageEfficiency: 4 / 6,
      conditions: [{ type: 'Ready', status: 'False', reason: 'Invalid' }],
    });
    expect(status.message).toMatch(/dataShards.*cannot be changed.*acceptedSpec/);
  });

  it('takes a changed field on which no stripe depends', () => {
    const changed = erasureCodingPolicySpecSchema.parse({ dataShards: 4, parityShards: 2, scrubbingEnabled: true });
    expect(statusOf({ policy: { ...valid, spec: changed, accepted: spec } })).toMatchObject({ phase: 'Ready', acceptedSpec: changed });
  });

  it('is Invalid without an accepted spec where it never was valid', () => {
    const status = statusOf({ policy: { ...valid, spec: undefined, problems: ['spec.codec: no'] } });
    expect(status).toMatchObject({ phase: 'Invalid', message: 'spec.codec: no.' });
    expect(status).not.toHaveProperty('acceptedSpec');
  });

  it('leaves conditions of others in the list', () => {
    const theirs = { type: 'Approved', status: 'True' as const };
    const { conditions = [] } = statusOf();
    expect(statusOf({ before: { conditions: [theirs, ...conditions] } }).conditions).toEqual([...conditions, theirs]);
  });

  it('does not change by being looked at again', () => {
    const before = statusOf({ volumes: 3 });
    expect(statusOf({ volumes: 3, before, nowMs: nowMs + 10 ** 7 })).toEqual(before);
    expect(statusOf({ volumes: 3, before, policy: { ...valid, generation: 4 }, nowMs: nowMs + 5_000 }).lastValidationTime).toBe(
      new Date(nowMs + 5_000).toISOString(),
    );
  });
});
