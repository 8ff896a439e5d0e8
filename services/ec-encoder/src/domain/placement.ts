/**
 * Which drives get the shards of a stripe: weighted rendezvous hashing within the limits of the spread.
 *
 * Every drive draws a number from the stripe's id and its own, and is better placed the more room it has; the best ones that the limits allow
 * are taken. So the answer is the same whoever asks, room fills evenly, and a drive more or less moves no more shards than it has to. Limits on
 * nested domains form a laminar matroid, in which taking the best that still fits always ends with all shards placed.
 */
import { countBy, type DomainPath, type DriveDomain, domainLevels, pathOf, type SpreadLimits, spreadLimits } from './spread.ts';

export type { DriveDomain } from './spread.ts';

export interface PlacementDrive {
  readonly number: number;
  readonly domain: DriveDomain;
  /** What a shard may take of it; without the reserve, unless this is a rebuild. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export interface Placement {
  readonly stripeId: number;
  /** Of the whole stripe. */
  readonly shards: number;
  readonly parityShards: number;
  /** Those that may be written to. */
  readonly drives: readonly PlacementDrive[];
  /** The drive of each place that keeps its shard; they get no second one. */
  readonly taken?: readonly (number | undefined)[];
  /** Where the drives are that keep a shard and are not among `drives`, such as one that is drained. */
  readonly domains?: ReadonlyMap<number, DriveDomain>;
  readonly shardBytes: number;
}

/** The drive of each place: the taken ones as they are, undefined where no drive is left. */
export function placeShards(o: Placement): (number | undefined)[] {
  const places = Array.from({ length: o.shards }, (_, place) => o.taken?.[place]);
  const keeping = new Set(places.filter((drive) => drive !== undefined));
  const open = places.length - places.filter((drive) => drive !== undefined).length;
  const free = o.drives
    .filter((drive) => !keeping.has(drive.number) && drive.freeBytes >= o.shardBytes)
    .map((drive) => ({ number: drive.number, path: pathOf(drive.domain), score: scoreOf(o.stripeId, drive) }));
  const taken = [...keeping].flatMap((number) => {
    const domain = o.domains?.get(number) ?? o.drives.find((drive) => drive.number === number)?.domain;
    return domain === undefined ? [] : [pathOf(domain)];
  });
  const limits = spreadLimits({ free: free.map(({ path }) => path), taken, shards: open, parityShards: o.parityShards });
  free.sort((a, b) => a.score - b.score || a.number - b.number);
  const chosen = chooseWithin(limits, { free, taken, wanted: open });
  return places.map((drive) => drive ?? chosen.shift());
}

function chooseWithin(
  limits: SpreadLimits,
  o: { free: readonly { number: number; path: DomainPath }[]; taken: readonly DomainPath[]; wanted: number },
): number[] {
  const counts = domainLevels.map((_, level) => countBy(o.taken, level));
  const chosen: number[] = [];
  for (const { number, path } of o.free) {
    if (chosen.length === o.wanted) {
      break;
    }
    if (path.every((name, level) => (counts[level]?.get(name) ?? 0) < (limits[level] ?? 0))) {
      for (const [level, name] of path.entries()) {
        counts[level]?.set(name, (counts[level].get(name) ?? 0) + 1);
      }
      chosen.push(number);
    }
  }
  return chosen;
}

/** Lower is better. Of drives with the same room each is as likely to be the best; with twice the room, twice as likely. */
function scoreOf(stripeId: number, drive: PlacementDrive): number {
  return -Math.log(fractionOf(stripeId, drive.number)) / Math.max(1, drive.freeBytes);
}

/** Above 0, up to 1, and without a pattern: murmur3's way of mixing, over both halves of the id and the drive. */
function fractionOf(stripeId: number, drive: number): number {
  let hash = mix(0x9e37_79b9, stripeId >>> 0);
  hash = mix(hash, Math.floor(stripeId / 2 ** 32));
  hash = mix(hash, drive);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (((hash ^ (hash >>> 16)) >>> 0) + 1) / 2 ** 32;
}

function mix(hash: number, value: number): number {
  const scrambled = Math.imul(value, 0xcc9e_2d51);
  const turned = Math.imul((scrambled << 15) | (scrambled >>> 17), 0x1b87_3593);
  const joined = hash ^ turned;
  return (Math.imul((joined << 13) | (joined >>> 19), 5) + 0xe654_6b64) | 0;
}
