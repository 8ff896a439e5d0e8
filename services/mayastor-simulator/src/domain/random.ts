/** A small seeded generator whose state is one number, so that it is stored and cloned with the cluster that owns it. */

export interface Random {
  state: number;
}

export function seededRandom(seed: number): Random {
  return { state: mix(seed >>> 0) };
}

export function nextUint32(random: Random): number {
  random.state = (random.state + 0x9e3779b9) >>> 0;
  return mix(random.state);
}

/** From 0 (included) to 1 (excluded). */
export function nextFraction(random: Random): number {
  return nextUint32(random) / 2 ** 32;
}

/** One of the items, each as likely as any other. The list must not be empty. */
export function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[Math.floor(nextFraction(random) * items.length)];
  if (item === undefined) {
    throw new Error('nothing to pick from');
  }
  return item;
}

export function nextUuid(random: Random): string {
  return formatUuid([nextUint32(random), nextUint32(random), nextUint32(random), nextUint32(random)]);
}

/** The same uuid for the same name, so that a volume keeps its id when a scenario file gains or loses other volumes. */
export function uuidOfName(name: string): string {
  const words: number[] = [];
  for (let lane = 1; lane <= 4; lane += 1) {
    let hash = 0x811c9dc5 ^ mix(lane);
    for (let index = 0; index < name.length; index += 1) {
      hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
    }
    words.push(mix(hash >>> 0));
  }
  return formatUuid(words);
}

function mix(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function formatUuid(words: readonly number[]): string {
  const hex = words.map((word) => word.toString(16).padStart(8, '0')).join('');
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
