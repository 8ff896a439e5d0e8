/**
 * How evenly the shards of a stripe can be spread: at most how many of them go to one zone, node, pool and disk.
 *
 * A drive gets one shard of a stripe. First comes safety: no more shards than the code can lose in one disk, then in one pool, node and zone,
 * as far as the drives allow it; where they do not, as few more as can be. Then these bounds are lowered as far as all shards still find a
 * drive, for zones first. Domains are nested: the pool `a` of one node is not the pool `a` of another.
 */

export interface DriveDomain {
  readonly zone: string;
  readonly node: string;
  readonly pool: string;
  readonly disk: string;
}

export const domainLevels = ['zone', 'node', 'pool', 'disk'] as const;

/** The names of the domains that a drive is in, one for each level, each of them whole. */
export type DomainPath = readonly [zone: string, node: string, pool: string, disk: string];

/** The most shards of a stripe in one domain, by level. */
export type SpreadLimits = readonly number[];

export function pathOf({ zone, node, pool, disk }: DriveDomain): DomainPath {
  const inNode = JSON.stringify([zone, node]);
  const inPool = JSON.stringify([zone, node, pool]);
  return [zone, inNode, inPool, JSON.stringify([zone, node, pool, disk])];
}

export interface Spread {
  /** Of the drives that may take a shard. */
  readonly free: readonly DomainPath[];
  /** Of the shards that have their place already. */
  readonly taken: readonly DomainPath[];
  /** To be placed. */
  readonly shards: number;
  readonly parityShards: number;
}

/** Where the drives are too few, limits by which each of them gets its shard. */
export function spreadLimits(spread: Spread): SpreadLimits {
  const wanted = Math.min(spread.shards, spread.free.length);
  const safe = Math.max(1, spread.parityShards);
  const most = spread.shards + spread.taken.length;
  const limits = domainLevels.map(() => most);
  const fits = (): boolean => roomFor(spread, limits) >= wanted;
  for (let level = domainLevels.length - 1; level >= 0; level -= 1) {
    limits[level] = safe;
    while (!fits()) {
      limits[level] = (limits[level] ?? 0) + 1;
    }
  }
  for (const level of domainLevels.keys()) {
    const allowed = limits[level] ?? 1;
    limits[level] = 1;
    while (limits[level] < allowed && !fits()) {
      limits[level] += 1;
    }
  }
  return limits;
}

/** How many more shards find a drive within the limits. */
function roomFor({ free, taken }: Spread, limits: SpreadLimits): number {
  // Shards there, and drives left, of each domain; from the disks up a domain has as much room as what is in it, and as its limit leaves.
  let rooms = new Map<string, { count: number; path: DomainPath }>();
  for (const path of free) {
    const disk = path[3];
    const seen = rooms.get(disk);
    rooms.set(disk, { count: (seen?.count ?? 0) + 1, path });
  }
  for (let level = domainLevels.length - 1; level >= 0; level -= 1) {
    const used = countBy(taken, level);
    const above = new Map<string, { count: number; path: DomainPath }>();
    for (const [name, { count, path }] of rooms) {
      const room = Math.min(count, Math.max(0, (limits[level] ?? 0) - (used.get(name) ?? 0)));
      const parent = level === 0 ? '' : (path[level - 1] ?? '');
      above.set(parent, { count: (above.get(parent)?.count ?? 0) + room, path });
    }
    rooms = above;
  }
  return rooms.get('')?.count ?? 0;
}

/** How many of them are in each domain of a level. */
export function countBy(paths: readonly DomainPath[], level: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (const path of paths) {
    const name = path[level] ?? '';
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}
