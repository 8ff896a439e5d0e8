/**
 * Whether a move that was requested still stands: asked for every open request in every round, and by the migrator just before each SCALE UP.
 *
 * A move stands as long as a policy wants it. Its numbers are not measured again: a decision was made, and the volume has been on its way
 * since. A new generation of the policy withdraws it only where that generation, given the same numbers, would have decided otherwise.
 */
import type { MoveRequest } from '@couchestor/shared/contracts/migration';
import { type ActivePolicy, selectsVolume } from './active-policy.ts';
import { decideTier } from './decide-tier.ts';
import type { KnownVolume } from './known-volume.ts';

export interface Standing {
  readonly stands: boolean;
  readonly reason: string;
}

export function standingOf(
  request: MoveRequest,
  o: { readonly policies: readonly ActivePolicy[]; readonly volume: KnownVolume | undefined },
): Standing {
  const { name, uid, generation } = request.policy;
  const active = o.policies.find(({ policy }) => policy.uid === uid);
  if (active === undefined) {
    return no(`policy ${name} was deleted or is no longer valid`);
  }
  if (!active.policy.spec.enabled) {
    return no(`policy ${name} was disabled`);
  }
  if (active.dryRun) {
    return no(`policy ${name} is in dry run`);
  }
  const { volume } = o;
  if (volume === undefined) {
    return no('the volume no longer exists');
  }
  const claims = o.policies.filter(({ policy }) => policy.spec.enabled && selectsVolume(policy, volume));
  if (!claims.includes(active)) {
    return no(`policy ${name} no longer selects the volume`);
  }
  if (claims.length > 1) {
    return no(`policies ${claims.map(({ policy }) => policy.name).join(' and ')} both select the volume`);
  }
  if (active.policy.generation !== generation) {
    const changed = supersededBecause(request, active);
    if (changed !== undefined) {
      return no(`policy ${name} has changed: ${changed}`);
    }
  }
  return { stands: true, reason: `policy ${name} wants the volume in ${request.to}` };
}

function supersededBecause(request: MoveRequest, { policy, ...active }: ActivePolicy): string | undefined {
  if (JSON.stringify(active.selectors) !== JSON.stringify(request.selectors)) {
    return 'its pool selectors are others';
  }
  if (active.preservationMode !== request.preservationMode || policy.spec.allowSnapshots !== request.allowSnapshots) {
    return 'preservationMode or allowSnapshots is another';
  }
  if (policy.spec.capacityWatermarkPercent !== request.capacityWatermarkPercent) {
    return 'capacityWatermarkPercent is another';
  }
  // Of a mixed volume it is asked whether the tier that it is brought together in would be left again at once.
  const current = request.from === 'mixed' ? request.to : request.from;
  const { to } = decideTier({ current, iops: request.triggerIops, watermarks: active.watermarks, destinations: active.destinations });
  return to === request.to ? undefined : `at ${Math.round(request.triggerIops)} IOPS it now wants ${to} and not ${request.to}`;
}

function no(reason: string): Standing {
  return { stands: false, reason };
}
