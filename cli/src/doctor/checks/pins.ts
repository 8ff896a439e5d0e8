/** Whether volumes can leave their tier at all: Mayastor fixes at creation on which pools a volume may ever lie. */
import { poolLabels } from '@couchestor/shared/mayastor/read';
import type { Pool } from '@couchestor/shared/mayastor/schema';
import { poolInclusion, satisfiesPoolTopology } from '@couchestor/shared/placement/eligibility';
import { amiss, type Check, count, ok, overMayastor, overSeen } from '../check.ts';
import type { Facts, StorageClassFacts } from '../facts.ts';
import { gateKeysOf, isMayastorClass, misspeltParameters, pinsOf, topologyParameters } from '../storage-class.ts';
import { atRest, type PolicyTiers, policiesOf, policyTiers, worldOf } from '../tier-map.ts';

/** On every volume that the CSI driver makes, and on every pool. */
const reservedKey = 'openebs.io/created-by';
/** Where no class tells another one. */
const usualGateKey = 'couchestor-managed';

export const pinnedClasses: Check = {
  id: 'pinned-classes',
  asks: 'Does a StorageClass tie its volumes to a tier, for ever?',
  judge: (facts) =>
    overSeen(facts.storageClasses, (all) => {
      const classes = all.filter(isMayastorClass);
      const policies = policiesSeen(facts);
      const found = classes.map((storageClass) => ({ storageClass, lines: classProblems(storageClass, policies) }));
      const bad = found.filter(({ lines }) => lines.length > 0);
      if (bad.length === 0) {
        return ok(`none of ${count(classes.length, 'Mayastor StorageClass', 'Mayastor StorageClasses')} is tied to a tier`);
      }
      const used = bad.some(({ storageClass: { name } }) => policies?.some(({ storageClassName }) => storageClassName === name));
      return amiss(used ? 'problem' : 'warning', {
        finding: `${bad.length} of ${classes.length} Mayastor StorageClasses, ${used ? 'one of a policy among them' : 'none of them of a policy that was seen'}`,
        details: bad.flatMap(({ storageClass: { name }, lines }) => lines.map((line) => `StorageClass ${name}: ${line}`)),
        cure: cureOf(facts),
      });
    }),
};

export const pinnedVolumes: Check = {
  id: 'pinned-volumes',
  asks: 'Which volumes were created so that they can never lie on the pools of some tier?',
  judge: (facts) =>
    overMayastor(facts, (mayastor) => {
      const rest = atRest(mayastor);
      const policies = policiesSeen(facts);
      const { volumes } = mayastor.cluster;
      const details = volumes.flatMap((volume) => {
        const world = worldOf(volume, rest);
        const pins = Object.entries(poolInclusion(world)).filter(([key, value]) => key !== reservedKey && value !== '');
        const shut =
          policies === undefined
            ? pins.map(([key, value]) => `pools without ${key}=${value}`)
            : policiesOf(volume, policies).flatMap((policy) => shutTiers(policy, (pool) => satisfiesPoolTopology(world, pool)));
        return shut.length === 0 ? [] : [`volume ${volume.spec.uuid}: never on ${[...new Set(shut)].join(', ')}`];
      });
      return details.length === 0
        ? ok(`none of ${count(volumes.length, 'volume')} is tied to a tier`)
        : amiss('warning', { finding: `${details.length} of ${count(volumes.length, 'volume')}`, details, cure: cureOf(facts) });
    }),
};

/** The key that volumes are to ask for is that of a class which ties none to a tier, as far as one was seen. */
function cureOf({ storageClasses }: Facts): string {
  const classes = storageClasses.kind === 'seen' ? storageClasses.value.filter(isMayastorClass) : [];
  const free = classes.filter((storageClass) => classProblems(storageClass, undefined).length === 0);
  const key = free.flatMap(gateKeysOf)[0] ?? usualGateKey;
  return `make a StorageClass with poolHasTopologyKey: ${key}, label every pool with that key, and copy the data to new volumes of it: Mayastor cannot change a volume that exists`;
}

function policiesSeen({ mayastor, policies, diskPoolLabels }: Facts): readonly PolicyTiers[] | undefined {
  return policies.kind === 'seen' && mayastor.kind === 'seen'
    ? policyTiers(policies.value, { pools: atRest(mayastor.value).pools, diskPoolLabels })
    : undefined;
}

function classProblems(storageClass: StorageClassFacts, policies: readonly PolicyTiers[] | undefined): string[] {
  const pins = pinsOf(storageClass, 'pool');
  const pinned = Object.entries(pins).map(([key, value]) => `${key}=${value}`);
  const ofClass = policies?.filter(({ storageClassName }) => storageClassName === storageClass.name) ?? [];
  const admits = (pool: Pool): boolean =>
    Object.entries(pins).every(([key, value]) => poolLabels(pool)[key] === value) &&
    gateKeysOf(storageClass).every((key) => poolLabels(pool)[key] !== undefined);
  // Where no policy names the class, a pin can only be told to be one.
  const shut =
    ofClass.length === 0 ? (pinned.length === 0 ? [] : ['all other pools']) : ofClass.flatMap((policy) => shutTiers(policy, admits));
  const topology = topologyParameters.filter((name) => storageClass.parameters[name] !== undefined);
  const onNodes = Object.entries(pinsOf(storageClass, 'node')).map(([key, value]) => `${key}=${value}`);
  return [
    ...(shut.length === 0
      ? []
      : [
          `its volumes never go to ${shut.join(', ')} (${pinned.join(', ') || `poolHasTopologyKey ${gateKeysOf(storageClass).join(', ')}`})`,
        ]),
    ...(onNodes.length === 0 ? [] : [`its volumes stay on nodes with ${onNodes.join(', ')}`]),
    ...misspeltParameters(storageClass).map((name) => `parameter ${name} is ignored: Mayastor spells it otherwise`),
    ...(topology.length > 1 ? [`${topology.join(' and ')}: Mayastor accepts only one of them`] : []),
  ];
}

/** Tiers of which not one pool is admitted. */
function shutTiers({ name, pools }: PolicyTiers, admits: (pool: Pool) => boolean): string[] {
  return [...pools].filter(([, found]) => found.length > 0 && !found.some(admits)).map(([tier]) => `the ${tier} tier of policy ${name}`);
}
