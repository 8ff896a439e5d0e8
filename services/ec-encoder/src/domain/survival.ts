/** What a code of k + m over these drives survives, in whole zones, nodes, pools, disks and drives. */
import { countBy, type DriveDomain, domainLevels, pathOf, spreadLimits } from './spread.ts';

export interface Survival {
  /** How many of each may be lost, whichever they are, so that every stripe can still be read. */
  readonly zones: number;
  readonly nodes: number;
  readonly pools: number;
  readonly disks: number;
  readonly drives: number;
  /** Whether there is a drive for each shard of a stripe. */
  readonly isEnough: boolean;
  readonly sentence: string;
}

const nouns = [
  ['zone', 'zones'],
  ['node', 'nodes'],
  ['pool', 'pools'],
  ['disk', 'disks'],
] as const;

/** Of stripes that were placed over these drives; their own places tell of each stripe. */
export function survivalOf(o: { dataShards: number; parityShards: number; drives: readonly { domain: DriveDomain }[] }): Survival {
  const { dataShards, parityShards } = o;
  const shards = dataShards + parityShards;
  const free = o.drives.map((drive) => pathOf(drive.domain));
  const limits = spreadLimits({ free, taken: [], shards, parityShards });
  // Stripes that lack a drive for some shard have lost these before anything fails.
  const spare = Math.max(0, Math.min(parityShards, free.length - dataShards));
  const domains = domainLevels.map((_, level) => [...countBy(free, level).values()]);
  const [zones = 0, nodes = 0, pools = 0, disks = 0] = domains.map((sizes, level) =>
    lossesWithin(
      spare,
      sizes.map((drives) => Math.min(drives, limits[level] ?? 0)),
    ),
  );
  const isEnough = free.length >= shards;
  const counts = domains.map((sizes) => sizes.length);
  return {
    zones,
    nodes,
    pools,
    disks,
    drives: spare,
    isEnough,
    sentence: sentenceOf({ shards, spare, isEnough, drives: free.length, counts, losses: [zones, nodes, pools, disks] }),
  };
}

/** So many of the domains may be lost, were they those with the most shards, as a stripe can do without `spare` shards. */
function lossesWithin(spare: number, shardsByDomain: readonly number[]): number {
  let left = spare;
  let losses = 0;
  for (const shards of [...shardsByDomain].sort((a, b) => b - a)) {
    left -= shards;
    if (left < 0) {
      return losses;
    }
    losses += 1;
  }
  // All of them: that can only be where there are none.
  return losses;
}

function sentenceOf(o: {
  shards: number;
  spare: number;
  isEnough: boolean;
  drives: number;
  counts: readonly number[];
  losses: readonly number[];
}): string {
  const parts = [`survives any ${o.spare} of ${o.drives} drives`];
  for (const [level, [one, many]] of nouns.entries()) {
    const count = o.counts[level] ?? 0;
    const losses = o.losses[level] ?? 0;
    if (losses > 0) {
      parts.push(`${losses} of ${count} ${many}`);
    } else if (one === 'disk' || count > 1) {
      parts.push(`0 ${one} losses${count === 1 ? `: all drives are on one ${one}` : ''}`);
    }
  }
  const lack = o.isEnough ? '' : ` (a stripe wants ${o.shards} drives, and there are ${o.drives}: new stripes are degraded)`;
  return `${parts.join('; ')}${lack}`;
}
