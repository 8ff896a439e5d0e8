import type { RawErasureCodingPolicy, RawStoragePolicy } from '@couchestor/shared/crds/resources';
import { erasureCodingPolicySpecSchema } from '@couchestor/shared/erasure-coding-policy';
import { describe, expect, it } from 'vitest';
import { policySetOf, type Stored } from './policy-set.ts';

const metadata = (name: string) => ({ name, uid: `uid-${name}`, resourceVersion: '1', generation: 3 });
const stored = <T extends { metadata: { name: string } }>(objects: T[], invalid: [string, string][] = []): Stored<T> => ({
  store: new Map(objects.map((object) => [object.metadata.name, object])),
  invalid: new Map(invalid),
});
const none = stored<RawErasureCodingPolicy>([]);
const noPolicies = stored<RawStoragePolicy>([]);

describe('the policies of the custom resources', () => {
  it('have uid and generation of the object, and defaults where the server has none', () => {
    const { policies } = policySetOf({ storage: stored([{ metadata: metadata('gold'), spec: { highWatermarkIOPS: 9_000 } }]), ec: none });
    expect(policies).toMatchObject([
      {
        source: 'storagepolicy/gold',
        policy: { name: 'gold', uid: 'uid-gold', generation: 3, spec: { highWatermarkIOPS: 9_000, lowWatermarkIOPS: 500, enabled: true } },
      },
    ]);
  });

  it('leave out a policy that is wrong, and say what is wrong with it and of which spec', () => {
    const storage = stored<RawStoragePolicy>([
      { metadata: metadata('gold'), spec: {} },
      { metadata: metadata('bad'), spec: { highWatermarkIOPS: 5, lowWatermarkIOPS: 10, samplingWindow: 'soon' } },
      { metadata: metadata('empty'), spec: undefined },
    ]);
    const { policies, problems } = policySetOf({ storage, ec: none });
    expect(policies.map(({ policy }) => policy.name)).toEqual(['empty', 'gold']);
    expect(problems).toMatchObject([{ name: 'bad', source: 'storagepolicy/bad', object: { uid: 'uid-bad', generation: 3 } }]);
    expect(problems[0]?.message).toMatch(/^storagepolicy\/bad: .*spec\.samplingWindow: not a duration/);
  });

  it('leave out what is being deleted, and objects that cannot be read at all, which are problems', () => {
    const storage = stored<RawStoragePolicy>(
      [{ metadata: { ...metadata('gone'), deletionTimestamp: '2026-03-01T00:00:00Z' }, spec: {} }],
      [['odd', 'metadata.generation: Invalid input']],
    );
    expect(policySetOf({ storage, ec: none })).toMatchObject({
      policies: [],
      problems: [{ name: 'odd', message: 'storagepolicy/odd: metadata.generation: Invalid input' }],
    });
  });

  it('take erasure coding policies that are valid, and not those that changed what they must not', () => {
    const accepted = erasureCodingPolicySpecSchema.parse({ dataShards: 4, parityShards: 2 });
    const ec = stored<RawErasureCodingPolicy>([
      { metadata: metadata('good'), spec: { dataShards: 8, parityShards: 3 } },
      { metadata: metadata('kept'), spec: { dataShards: 4, parityShards: 2, scrubbingEnabled: true }, status: { acceptedSpec: accepted } },
      { metadata: metadata('changed'), spec: { dataShards: 5, parityShards: 2 }, status: { acceptedSpec: accepted } },
      { metadata: metadata('lrc'), spec: { algorithm: 'LRC' } },
      { metadata: metadata('newer'), spec: { dataShards: 4, parityShards: 2 }, status: {}, acceptedSpecProblem: 'codec: Invalid option' },
    ]);
    const set = policySetOf({ storage: noPolicies, ec });
    expect(set.ecPolicies.map(({ name, spec }) => [name, spec.dataShards])).toEqual([
      ['good', 8],
      ['kept', 4],
    ]);
    expect(set.problems.map(({ name, kind }) => [name, kind])).toEqual([
      ['changed', 'ErasureCodingPolicy'],
      ['lrc', 'ErasureCodingPolicy'],
      ['newer', 'ErasureCodingPolicy'],
    ]);
    expect(set.problems.at(-1)?.message).toMatch(/status\.acceptedSpec cannot be read \(codec: Invalid option\)/);
  });
});
