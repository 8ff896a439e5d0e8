/**
 * Making Mayastor remove the replica that we mean.
 *
 * PUT replica_count names no replica: Mayastor sorts them and removes the first. The keys, most removable first: not healthy; not attached,
 * or a worse child state, or less rebuilt; then, in an order that differs by version and is in part unproven, node topology broken, pool
 * topology broken, node cordoned, perhaps pool cordoned; then remote from the nexus. A bias puts the victim before all others by health, or,
 * where all are equally healthy, makes it worse in one of the middle keys while no other is worse in any, so that neither their order nor
 * locality can decide. Without such a bias we do not shrink.
 */
import type { Bias } from '../contracts/migrator.ts';
import { nodeCordonLabels, poolCordonedForReplicas, poolLabels, volumeReplicas } from '../mayastor/read.ts';
import { poolInclusion, satisfiesNodeTopology, satisfiesPoolTopology } from './eligibility.ts';
import { nodeById, poolById, type World } from './world.ts';

/** A label that Mayastor's own operator sets on every pool and does not let go. */
export const reservedPoolLabel = 'openebs.io/created-by';

/** The bias that surely removes `victim`, or none. The pool label is preferred: it touches one pool, a cordon a whole node. */
export function chooseBias(world: World, victim: string): Bias | undefined {
  return candidates(world, victim).find((bias) => surelyGoes(withBias(world, bias), victim));
}

/**
 * True where a shrink surely removes `victim`: by what is read, and too if the victim were synced. Its rebuild may end between the reading
 * and the call, and then nothing but the bias speaks against it.
 */
function surelyGoes(world: World, victim: string): boolean {
  return certainVictim(world) === victim && certainVictim(withSynced(world, victim)) === victim;
}

/** The replica that a shrink now surely removes; none where an unproven tie-break would decide. */
export function certainVictim(world: World): string | undefined {
  const ranked = volumeReplicas(world.volume).map((replica) => ({ uuid: replica.uuid, ...removalKeys(world, replica) }));
  return ranked.find((one) => ranked.every((other) => other === one || precedes(one, other)))?.uuid;
}

/** The world as it will look once the bias is in place. */
export function withBias(world: World, bias: Bias): World {
  if (bias.kind === 'node-cordon') {
    const cordondrainstate = { cordonedstate: { cordonlabels: ['couchestor-bias'] } };
    return {
      ...world,
      nodes: world.nodes.map((node) => (node.id === bias.node ? { ...node, spec: { id: node.id, ...node.spec, cordondrainstate } } : node)),
    };
  }
  return {
    ...world,
    pools: world.pools.map((pool) => {
      if (pool.id !== bias.pool || pool.spec === undefined || pool.spec === null) {
        return pool;
      }
      const { [bias.key]: _removed, ...labels } = pool.spec.labels ?? {};
      return { ...pool, spec: { ...pool.spec, labels } };
    }),
  };
}

/** True where the bias is in place, is that of the victim's own pool or node, and surely removes it: what must hold when the call is made. */
export function biasHolds(world: World, o: { bias: Bias; victim: string; cordonLabel: string }): boolean {
  const replica = volumeReplicas(world.volume).find(({ uuid }) => uuid === o.victim);
  const aimed = o.bias.kind === 'pool-label' ? o.bias.pool === replica?.pool : o.bias.node === replica?.node;
  return aimed && biasPlaced(world, o.bias, o.cordonLabel) && surelyGoes(world, o.victim);
}

/** True where the bias is in place, as read from Mayastor. */
export function biasPlaced(world: World, bias: Bias, cordonLabel: string): boolean {
  if (bias.kind === 'node-cordon') {
    const node = nodeById(world, bias.node);
    return node !== undefined && nodeCordonLabels(node).includes(cordonLabel);
  }
  const pool = poolById(world, bias.pool);
  return pool !== undefined && poolLabels(pool)[bias.key] === undefined;
}

function candidates(world: World, victim: string): Bias[] {
  const replica = volumeReplicas(world.volume).find(({ uuid }) => uuid === victim);
  if (replica?.pool === undefined || replica.node === undefined) {
    return [];
  }
  const pool = poolById(world, replica.pool);
  const labels = pool === undefined ? {} : poolLabels(pool);
  const keys = Object.entries(poolInclusion(world))
    // Our marks carry key and value in one label, and no fact says that a slash passes in the path.
    .filter(([key, wanted]) => wanted === '' && key !== reservedPoolLabel && !key.includes('/') && labels[key] !== undefined)
    .map(([key]) => key);
  // Whether a spread key ranks above a cordon is known, who clashes is not: with one, only the label is a bias.
  const spread = Object.keys(world.volume.spec.topology?.node_topology?.labelled?.exclusion ?? {}).length > 0;
  return [
    ...keys.map((key): Bias => ({ kind: 'pool-label', pool: replica.pool ?? '', key, value: labels[key] ?? '' })),
    ...(spread ? [] : [{ kind: 'node-cordon', node: replica.node } satisfies Bias]),
  ];
}

interface RemovalKeys {
  /** In their proven order; smaller is removed first. */
  readonly health: readonly number[];
  /** Of unproven order; 0 is removed before 1. Locality is left out on purpose: it must never decide. */
  readonly place: readonly number[];
  /** It may count or not: what is worse by it alone is not surely removed, but it may keep another one from being so. */
  readonly perhaps: readonly number[];
}

function removalKeys(world: World, replica: ReturnType<typeof volumeReplicas>[number]): RemovalKeys {
  const node = replica.node === undefined ? undefined : nodeById(world, replica.node);
  const pool = replica.pool === undefined ? undefined : poolById(world, replica.pool);
  return {
    health: [replica.healthy === false ? 0 : 1, childRank(replica.childStatus), replica.rebuildProgress ?? 100],
    place: [
      node !== undefined && satisfiesNodeTopology(world, node.id) ? 1 : 0,
      pool !== undefined && satisfiesPoolTopology(world, pool) ? 1 : 0,
      node !== undefined && nodeCordonLabels(node).length > 0 ? 0 : 1,
    ],
    perhaps: [pool !== undefined && poolCordonedForReplicas(pool) ? 0 : 1],
  };
}

function withSynced(world: World, uuid: string): World {
  const { volume } = world;
  const replica = volume.state.replica_topology[uuid];
  if (replica === undefined) {
    return world;
  }
  // Without a target there are no children, and nothing is rebuilt.
  const childStatus = volume.state.target ? 'Online' : replica['child-status'];
  const synced = { ...replica, state: 'Online', 'child-status': childStatus, 'rebuild-progress': null, healthy: true };
  return {
    ...world,
    volume: { ...volume, state: { ...volume.state, replica_topology: { ...volume.state.replica_topology, [uuid]: synced } } },
  };
}

function childRank(childStatus: string | undefined): number {
  switch (childStatus) {
    case undefined:
      return 0;
    case 'Faulted':
      return 1;
    case 'Online':
      return 3;
    default:
      return 2;
  }
}

function precedes(one: RemovalKeys, other: RemovalKeys): boolean {
  for (const [index, value] of one.health.entries()) {
    const against = other.health[index] ?? value;
    if (value !== against) {
      return value < against;
    }
  }
  const worse = one.place.some((value, index) => value < (other.place[index] ?? value));
  const better = [...one.place, ...one.perhaps].some((value, index) => value > ([...other.place, ...other.perhaps][index] ?? value));
  return worse && !better;
}
