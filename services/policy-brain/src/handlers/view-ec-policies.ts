/** Erasure coding policies as they are shown: their shape, and how many volumes are watched by the policies that refer to each. */
import type { EcPolicyView } from '@couchestor/shared/contracts/brain';
import { storageEfficiencyOf } from '@couchestor/shared/erasure-coding-policy';
import type { Brain } from '../brain.ts';
import { ecPhase } from '../domain/ec-policy-status.ts';

export function viewEcPolicies(brain: Brain): EcPolicyView[] {
  return (brain.policySet?.ecPolicies ?? []).map(({ name, source, spec }) => {
    const volumes = volumesByEcPolicy(brain, name);
    return {
      name,
      source,
      phase: ecPhase(volumes),
      dataShards: spec.dataShards,
      parityShards: spec.parityShards,
      storageEfficiency: storageEfficiencyOf(spec),
      activeVolumes: volumes ?? 0,
    };
  });
}

/** Undefined before the first round. */
export function volumesByEcPolicy({ policySet, round }: Brain, name: string): number | undefined {
  const referring = (policySet?.policies ?? []).filter(({ policy: { spec } }) => spec.ecPolicyRef === name);
  const volumes = referring.map(({ policy }) => round?.outcome.counts.get(policy.name)?.volumes ?? 0);
  return round === undefined ? undefined : volumes.reduce((sum, count) => sum + count, 0);
}
