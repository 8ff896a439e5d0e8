/** Why a move is refused before anything is touched, in words that a person can act on. Codes are stable and stand in docs/errors.md. */

export const refusals = {
  UNSUPPORTED_MAYASTOR:
    'This Mayastor has no pool cordon, without which placement cannot be steered. Upgrade to Mayastor 2.10 (OpenEBS 4.4) or newer.',
  UNPUBLISHED: 'The volume is not published, and a replica added to it would never be rebuilt. It can move once a workload mounts it.',
  NOT_HEALTHY: 'The volume or one of its replicas is not healthy. It can move once Mayastor reports all of it Online.',
  REBUILDING: 'A rebuild is already running on the volume. It can move once that has ended.',
  HAS_SNAPSHOTS:
    'The volume has snapshots or is a clone; they would stay behind on the old pool. Set allowSnapshots: true in the policy to accept that, or delete them.',
  AFFINITY_GROUP:
    'The volume is a single replica in an affinity group, and Mayastor may refuse to go back from two replicas to one. Take it out of the group, or give it two replicas.',
  NO_POOL_IN_TIER: 'No pool belongs to the tier. Label a pool so that this tier’s selector, and no other’s, matches it.',
  PINNED:
    'The volume was created with a pool topology that no pool of the tier satisfies, and Mayastor cannot change that afterwards. Recreate it from a StorageClass with poolHasTopologyKey instead of a tier’s value.',
  NO_FREE_NODE:
    'Every node with a pool of the tier already holds a replica of the volume, and Mayastor puts one replica on a node. Add a node, or a pool of the tier on another node.',
  TIER_FULL: 'No pool of the tier has room for the volume below the capacity watermark. Add capacity, or raise capacityWatermarkPercent.',
  TIER_UNAVAILABLE:
    'The pools of the tier that could take the volume are offline, cordoned, excluded by node topology, or differ from the volume’s other pools in encryption or cluster size. Bring one back, lift the cordon, or add a pool like the others.',
  NO_BIAS:
    'Mayastor could not be made to remove the old replica rather than another one. Put a gate label on every pool and create volumes with poolHasTopologyKey, or lift node cordons.',
  TIMEOUT_TOO_SHORT: 'At the measured rebuild rate the sync would outlast the timeout. Raise migrationTimeout.',
  EXTRA_REPLICA: 'An earlier move left one replica more than the volume had. Set num_replicas back; until then it is not moved again.',
} as const;

export type RefusalCode = keyof typeof refusals;

export interface Refusal {
  readonly code: RefusalCode;
  /** The help of the code, preceded by the names and numbers of this case. */
  readonly message: string;
  /** Changes when, and only when, what caused the refusal changes. */
  readonly causeFingerprint: string;
}

/** @param facts what the refusal rests on: in the message as written, in the fingerprint sorted */
export function refuse(code: RefusalCode, facts: { readonly words: string; readonly cause: readonly (string | number)[] }): Refusal {
  return {
    code,
    message: facts.words === '' ? refusals[code] : `${facts.words}. ${refusals[code]}`,
    causeFingerprint: fingerprint([code, ...facts.cause.map(String).sort()]),
  };
}

/** FNV-1a over the parts, twice with different seeds: short, stable, and not worth an attacker's while. */
function fingerprint(parts: readonly string[]): string {
  const text = parts.join('\u0000');
  return [0x811c9dc5, 0x9747b28c]
    .map((seed) => {
      let hash = seed;
      for (let index = 0; index < text.length; index += 1) {
        hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
      }
      return (hash >>> 0).toString(16).padStart(8, '0');
    })
    .join('');
}
