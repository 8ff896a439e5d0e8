/** Which pool is in which tier of which policy, as the checks of placement need it. Pure. */
import type { Labels } from '@couchestor/shared/label-selector';
import { poolLabels } from '@couchestor/shared/mayastor/read';
import type { Node, Pool, Volume } from '@couchestor/shared/mayastor/schema';
import { withoutGates } from '@couchestor/shared/placement/marks';
import { placedReplicas, type World } from '@couchestor/shared/placement/world';
import { type PoolTier, type Tier, tierOfPool, tiersFastestFirst } from '@couchestor/shared/tiers';
import type { Facts, MayastorFacts, PolicyFacts } from './facts.ts';

export interface PolicyTiers {
  readonly name: string;
  readonly storageClassName: string;
  /** Of every pool. */
  readonly tierOf: ReadonlyMap<string, PoolTier>;
  /** Of the tiers that have a selector. */
  readonly pools: ReadonlyMap<Tier, readonly Pool[]>;
}

/** Pools and nodes as they are between two moves: what a gate in hand has cordoned or unlabelled is no finding. */
export function atRest({ cluster }: MayastorFacts): { readonly pools: readonly Pool[]; readonly nodes: readonly Node[] } {
  const { pools, nodes } = withoutGates(cluster);
  return { pools: pools.filter(({ spec }) => Boolean(spec)), nodes };
}

export function policyTiers(
  { policies }: PolicyFacts,
  o: { pools: readonly Pool[]; diskPoolLabels: Facts['diskPoolLabels'] },
): readonly PolicyTiers[] {
  const extra: ReadonlyMap<string, Labels> = o.diskPoolLabels.kind === 'seen' ? o.diskPoolLabels.value : new Map();
  return policies.map(({ name, storageClassName, selectors }) => {
    const tierOf = new Map(o.pools.map((pool) => [pool.id, tierOfPool({ ...poolLabels(pool), ...extra.get(pool.id) }, selectors)]));
    const given = tiersFastestFirst.filter((tier) => selectors[tier] !== undefined);
    return {
      name,
      storageClassName,
      tierOf,
      pools: new Map(given.map((tier) => [tier, o.pools.filter(({ id }) => tierOf.get(id) === tier)])),
    };
  });
}

/** The policies that a volume may be under, by where it lies: its StorageClass is not known everywhere. */
export function policiesOf(volume: Volume, policies: readonly PolicyTiers[]): readonly PolicyTiers[] {
  const pools = placedReplicas(volume).map(({ pool }) => pool);
  return policies.filter(({ tierOf }) => pools.some((pool) => (tierOf.get(pool) ?? 'none') !== 'none'));
}

export function worldOf(volume: Volume, rest: ReturnType<typeof atRest>): World {
  return { volume, ...rest };
}
