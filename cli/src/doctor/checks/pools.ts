/** Whether the pools are labelled so that every tier has somewhere to put replicas. */
import { poolLabels } from '@couchestor/shared/mayastor/read';
import type { Pool } from '@couchestor/shared/mayastor/schema';
import { poolInclusion } from '@couchestor/shared/placement/eligibility';
import { amiss, type Check, count, notChecked, ok, overMayastor, overSeen } from '../check.ts';
import type { Facts, MayastorFacts } from '../facts.ts';
import { gateKeysOf, isMayastorClass } from '../storage-class.ts';
import { atRest, type PolicyTiers, policiesOf, policyTiers, worldOf } from '../tier-map.ts';

export const poolsInTiers: Check = {
  id: 'pools-in-tiers',
  asks: 'Is every pool in exactly one tier of some policy, and has every tier a pool?',
  judge: (facts) =>
    overMayastor(facts, (mayastor) =>
      overSeen(facts.policies, ({ policies: given }) => {
        if (given.length === 0) {
          return notChecked('there is no policy');
        }
        const { pools } = atRest(mayastor);
        const policies = policyTiers({ policies: given, unreadable: 0 }, { pools, diskPoolLabels: facts.diskPoolLabels });
        const ambiguous = policies.flatMap(({ name, tierOf }) =>
          pools
            .filter(({ id }) => tierOf.get(id) === 'ambiguous')
            .map(({ id }) => `pool ${id}: in two tiers of policy ${name}, and so in none`),
        );
        const empty = policies.flatMap(({ name, pools: ofTiers }) =>
          [...ofTiers].filter(([, found]) => found.length === 0).map(([tier]) => `policy ${name}: no pool is in tier ${tier}`),
        );
        const outside = pools
          .filter(({ id }) => policies.every(({ tierOf }) => tierOf.get(id) === 'none'))
          .map(({ id }) => `pool ${id}: in no tier of any policy`);
        const details = [...ambiguous, ...empty, ...outside];
        if (details.length === 0) {
          return ok(
            `each of ${count(pools.length, 'pool')} is in one tier, and each tier of ${count(policies.length, 'policy', 'policies')} has pools`,
          );
        }
        return amiss(ambiguous.length + empty.length > 0 ? 'problem' : 'warning', {
          finding: `${ambiguous.length} in two tiers, ${outside.length} in none, of ${count(pools.length, 'pool')}; ${count(empty.length, 'tier')} without a pool`,
          details,
          cure: 'label pools so that one selector of each policy matches: kubectl mayastor label pool <pool> <key>=<value>',
        });
      }),
    ),
};

export const gateLabels: Check = {
  id: 'gate-labels',
  asks: 'Has every pool of a tier the label keys that volumes and StorageClasses ask for?',
  judge: (facts) =>
    overMayastor(facts, (mayastor) => {
      const rest = atRest(mayastor);
      const policies =
        facts.policies.kind === 'seen' ? policyTiers(facts.policies.value, { ...rest, diskPoolLabels: facts.diskPoolLabels }) : undefined;
      const wanted = [...wantedByVolumes(mayastor, rest, policies), ...wantedByClasses(facts, rest.pools, policies)];
      const keys = new Set(wanted.map(({ key }) => key));
      if (keys.size === 0) {
        return ok(
          'no volume and no StorageClass that was seen asks for a gate label: moves cordon the node of the old replica for some seconds instead',
        );
      }
      const lacking = new Map<string, number>();
      for (const { key, pools } of wanted) {
        for (const pool of pools.filter((candidate) => poolLabels(candidate)[key] === undefined)) {
          const line = `pool ${pool.id} lacks ${key}`;
          lacking.set(line, (lacking.get(line) ?? 0) + 1);
        }
      }
      const all = [...keys].join(', ');
      return lacking.size === 0
        ? ok(`every pool has ${all}`)
        : amiss('warning', {
            finding: `${count(lacking.size, 'pool')} without a label key that is asked for (${all}): nothing moves there`,
            details: [...lacking].map(([line, times]) => `${line}, asked for by ${count(times, 'volume or class', 'volumes or classes')}`),
            cure: 'kubectl mayastor label pool <pool> <key>=true',
          });
    }),
};

interface Wanted {
  readonly key: string;
  /** Where it should be. */
  readonly pools: readonly Pool[];
}

function wantedByVolumes(
  { cluster }: MayastorFacts,
  rest: ReturnType<typeof atRest>,
  policies: readonly PolicyTiers[] | undefined,
): readonly Wanted[] {
  return cluster.volumes.flatMap((volume) => {
    const keys = Object.entries(poolInclusion(worldOf(volume, rest))).filter(([, value]) => value === '');
    const pools = policies === undefined ? rest.pools : policiesOf(volume, policies).flatMap(poolsOfTiers);
    return keys.map(([key]) => ({ key, pools }));
  });
}

function wantedByClasses({ storageClasses }: Facts, all: readonly Pool[], policies: readonly PolicyTiers[] | undefined): readonly Wanted[] {
  const classes = storageClasses.kind === 'seen' ? storageClasses.value.filter(isMayastorClass) : [];
  return classes.flatMap((storageClass) => {
    const pools =
      policies === undefined
        ? all
        : policies.filter(({ storageClassName }) => storageClassName === storageClass.name).flatMap(poolsOfTiers);
    return gateKeysOf(storageClass).map((key) => ({ key, pools }));
  });
}

function poolsOfTiers({ pools }: PolicyTiers): Pool[] {
  return [...pools.values()].flat();
}
