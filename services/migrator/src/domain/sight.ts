/**
 * What a move sees: Mayastor as just read, sorted into one of a few kinds relative to what the journal says of the move.
 */
import type { MoveRecord, PlacedReplica } from '@couchestor/shared/contracts/migrator';
import { isSynced, type VolumeReplica, volumeReplicas } from '@couchestor/shared/mayastor/read';
import type { Node, Pool, Volume } from '@couchestor/shared/mayastor/schema';
import { placedReplicas, poolById, tierOf, type World } from '@couchestor/shared/placement/world';

/** How the PUT of replica_count that this process made in this step was answered. `unsent`: the fence held it back. */
export interface Answer {
  readonly kind: 'ok' | 'ambiguous' | 'conflict' | 'precondition' | 'no-resources' | 'refused' | 'unsent';
  readonly message: string;
  readonly ageMs: number;
}

/** Everything that Mayastor was asked for in one look. `volume` is undefined where there is no such volume any more. */
export interface Reading {
  readonly volume: Volume | undefined;
  readonly pools: readonly Pool[];
  readonly nodes: readonly Node[];
}

export interface Sight {
  /** Undefined where Mayastor could not be read. */
  readonly reading: Reading | undefined;
  readonly nowMs: number;
  /** How long this process has been at this step. */
  readonly atStepMs: number;
  /** A person asked to cancel the move. */
  readonly cancelled: boolean;
  /** The brain's answer, in the steps that ask. No answer is not a yes. */
  readonly standing: { readonly kind: 'stands' | 'withdrawn' | 'unanswered' | 'not-asked'; readonly reason: string };
  /** For how long consecutive readings have all met the predicate of "synced". */
  readonly syncedForMs: number;
  /**
   * `held`: and this process has placed cordons or a bias since it took the gate. `fresh`: taken, everything of ours undone, nothing placed
   * since, whatever a reading from Mayastor's cache may still show. `none`: this step needs no gate.
   */
  readonly gate: 'held' | 'fresh' | 'none';
  readonly answer?: Answer;
}

export const sightKinds = [
  /** Mayastor could not be read. */
  'unreadable',
  /** There is no such volume any more. */
  'gone',
  /** An operation is in flight on the volume: what is read now need not be its outcome. */
  'busy',
  /** There are not as many replicas as num_replicas says: the count is new and the state not yet, or self-healing is at work. */
  'unsettled',
  /** n replicas, and none that is new to us. */
  'at-n',
  /** n replicas: the source has gone and the new one is there. */
  'moved',
  /** n replicas: the new one and the source are there, another one has gone. */
  'wrong-removed',
  /** n + 1, exactly one new, where we want it; not synced. */
  'grown',
  /** As `grown`, and the new replica is Faulted. */
  'grown-faulted',
  /** As `grown`, and the predicate of "synced" is met in this reading. */
  'grown-synced',
  /** n + 1, exactly one new, on a pool that we do not want. */
  'grown-misplaced',
  /** n + 1, and not exactly one new. */
  'grown-unclear',
  /** num_replicas is neither n nor n + 1: somebody else set it. */
  'external',
] as const;
export type SightKind = (typeof sightKinds)[number];

export function kindOfSight(move: MoveRecord, sight: Sight): SightKind {
  if (sight.reading === undefined) {
    return 'unreadable';
  }
  const world = worldOf(move, sight);
  if (world === undefined) {
    return 'gone';
  }
  const { volume } = world;
  if ((volume.spec.operation ?? undefined) !== undefined) {
    return 'busy';
  }
  const n = move.originalReplicas ?? volume.spec.num_replicas;
  if (volume.spec.num_replicas !== n && volume.spec.num_replicas !== n + 1) {
    return 'external';
  }
  if (volumeReplicas(volume).length !== volume.spec.num_replicas) {
    return 'unsettled';
  }
  const fresh = newReplicas(move, world);
  return volume.spec.num_replicas === n ? kindAtN(move, world, fresh.length) : kindGrown(move, world, fresh);
}

/**
 * The world where the volume was read; undefined where it was not, or is gone. Of a replica whose node is down Mayastor may not say where it
 * lies; a replica never changes its place, so what the journal knows of it still holds.
 */
export function worldOf(move: MoveRecord, { reading }: Sight): World | undefined {
  if (reading?.volume === undefined) {
    return undefined;
  }
  const { volume, pools, nodes } = reading;
  const known = [...(move.before ?? []), move.newReplica, move.plan?.source].filter((replica) => replica !== undefined);
  const replicaTopology = Object.fromEntries(
    Object.entries(volume.state.replica_topology).map(([uuid, replica]) => {
      const place = known.find((one) => one.uuid === uuid);
      return [uuid, place === undefined ? replica : { ...replica, pool: replica.pool ?? place.pool, node: replica.node ?? place.node }];
    }),
  );
  const placed = { ...volume, state: { ...volume.state, replica_topology: replicaTopology } };
  const { poolLabels } = move.request;
  return { volume: placed, pools, nodes, ...(poolLabels === undefined ? {} : { diskPoolLabels: new Map(Object.entries(poolLabels)) }) };
}

/**
 * The replicas that were not there before the PUT. Exactly one of them is ours, or none can be told to be. One that was adopted stays ours,
 * whatever self-healing places beside it.
 */
export function newReplicas(move: MoveRecord, world: World): PlacedReplica[] {
  if (move.before === undefined) {
    return [];
  }
  const before = new Set(move.before.map(({ uuid }) => uuid));
  const fresh = placedReplicas(world.volume).filter(({ uuid }) => !before.has(uuid));
  const adopted = fresh.filter(({ uuid }) => uuid === move.newReplica?.uuid);
  return adopted.length > 0 ? adopted : fresh;
}

/** True where this reading calls the replica whole. The volume's own state is for the predicate of "synced". */
export function isHealthy(replica: VolumeReplica): boolean {
  return (
    replica.state === 'Online' && replica.childStatus === 'Online' && replica.rebuildProgress === undefined && replica.healthy !== false
  );
}

/** How many whole replicas are left once `victim` has gone (S2). */
export function syncedWithout(world: World, victim: string): number {
  return volumeReplicas(world.volume).filter((replica) => replica.uuid !== victim && isHealthy(replica)).length;
}

function kindAtN(move: MoveRecord, { volume }: World, fresh: number): SightKind {
  if (fresh === 0) {
    return 'at-n';
  }
  const sourceThere = move.plan !== undefined && volumeReplicas(volume).some(({ uuid }) => uuid === move.plan?.source.uuid);
  return sourceThere ? 'wrong-removed' : 'moved';
}

function kindGrown(move: MoveRecord, world: World, fresh: readonly PlacedReplica[]): SightKind {
  const [replica, ...more] = fresh;
  if (replica === undefined || more.length > 0) {
    return 'grown-unclear';
  }
  if (!isWanted(move, world, replica)) {
    return 'grown-misplaced';
  }
  if (isSynced(world.volume, replica.uuid)) {
    return 'grown-synced';
  }
  return world.volume.state.replica_topology[replica.uuid]?.state === 'Faulted' ? 'grown-faulted' : 'grown';
}

/** The planned pool, or, where self-heal replaced our replica by another one, any pool of the wanted tier. */
function isWanted(move: MoveRecord, world: World, replica: PlacedReplica): boolean {
  const pool = poolById(world, replica.pool);
  return (
    replica.pool === move.plan?.destination.pool || (pool !== undefined && tierOf(world, pool, move.request.selectors) === move.request.to)
  );
}
