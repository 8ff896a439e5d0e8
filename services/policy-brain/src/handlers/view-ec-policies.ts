/** Erasure coding policies as they are shown: their shape, and how many volumes are watched by the policies that refer to each. */
import type { EcPolicyView } from '@couchestor/shared/contracts/brain';
import { storageEfficiencyOf } from '@couchestor/shared/erasure-coding-policy';
import type { Brain } from '../brain.ts';
import { ecPhase } from '../domain/ec-policy-status.ts';
import { sumOfVaults, type VaultsSum, vaultsOf } from '../domain/vaults.ts';

export function viewEcPolicies(brain: Brain, nowMs: number): EcPolicyView[] {
  return (brain.policySet?.ecPolicies ?? []).map(({ name, uid, source, spec }) => {
    const volumes = volumesByEcPolicy(brain, name);
    const vaults = vaultsByEcPolicy(brain, { name, uid: uid ?? `file:${name}`, nowMs });
    return {
      name,
      source,
      phase: ecPhase(volumes, vaults),
      dataShards: spec.dataShards,
      parityShards: spec.parityShards,
      storageEfficiency: storageEfficiencyOf(spec),
      activeVolumes: (volumes ?? 0) + (vaults?.volumes ?? 0),
    };
  });
}

/** Undefined before the first round. */
export function volumesByEcPolicy({ policySet, round }: Brain, name: string): number | undefined {
  const referring = (policySet?.policies ?? []).filter(({ policy: { spec } }) => spec.ecPolicyRef === name);
  const volumes = referring.map(({ policy }) => round?.outcome.counts.get(policy.name)?.volumes ?? 0);
  return round === undefined ? undefined : volumes.reduce((sum, count) => sum + count, 0);
}

export function vaultsByEcPolicy({ vaults }: Brain, o: { name: string; uid: string; nowMs: number }): VaultsSum | undefined {
  return sumOfVaults(vaultsOf(vaults.values(), o), o.nowMs);
}
