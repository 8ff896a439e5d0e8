/** What Mayastor says at one moment about a volume and the places where its replicas could lie. Read-only input of all placement rules. */

import { poolLabels, volumeReplicas } from '../mayastor/read.ts';
import type { Node, Pool, Volume } from '../mayastor/schema.ts';
import { type PoolTier, type TierSelectors, tierOfPool } from '../tiers.ts';

export interface World {
  readonly volume: Volume;
  readonly pools: readonly Pool[];
  readonly nodes: readonly Node[];
  /** Further labels by pool id, of the DiskPool custom resources. Where Mayastor has a label of the same key, Mayastor's counts. */
  readonly diskPoolLabels?: ReadonlyMap<string, Readonly<Record<string, string>>>;
}

export interface Replica {
  readonly uuid: string;
  readonly pool: string;
  readonly node: string;
}

export function poolById(world: World, id: string): Pool | undefined {
  return world.pools.find((pool) => pool.id === id);
}

export function nodeById(world: World, id: string): Node | undefined {
  return world.nodes.find((node) => node.id === id);
}

export function nodeOfPool(pool: Pool): string {
  return pool.spec?.node ?? pool.state?.node ?? '';
}

/** The labels that tier selectors are matched against. */
export function selectableLabels(world: World, pool: Pool): Readonly<Record<string, string>> {
  return { ...world.diskPoolLabels?.get(pool.id), ...poolLabels(pool) };
}

export function tierOf(world: World, pool: Pool, selectors: TierSelectors): PoolTier {
  return tierOfPool(selectableLabels(world, pool), selectors);
}

/** The volume's replicas with their places; one whose place Mayastor does not know (node lost) keeps an empty pool. */
export function placedReplicas(volume: Volume): Replica[] {
  return volumeReplicas(volume).map(({ uuid, pool, node }) => ({ uuid, pool: pool ?? '', node: node ?? '' }));
}
