/** What of ours stands in Mayastor, by its marks, and what explains it. Pure. */
import { nodeCordonLabels, poolCordonedForReplicas, poolLabels, volumeReplicas } from '@couchestor/shared/mayastor/read';
import type { Node, Pool, Volume } from '@couchestor/shared/mayastor/schema';
import { undoCalls } from '@couchestor/shared/mayastor/undo-gates';
import {
  findLeftovers,
  findVolumeMarks,
  gateMarkKey,
  isVolumeMarkKey,
  type Leftover,
  moveIdOfCordonLabel,
  parseGateMark,
  parseVolumeMark,
  volumeMarkKey,
} from '@couchestor/shared/placement/marks';

export interface Cluster {
  readonly pools: readonly Pool[];
  readonly nodes: readonly Node[];
  readonly volumes: readonly Volume[];
}

/** An open move of the journal, in short. */
export interface OpenMove {
  readonly moveId: string;
  readonly volumeId: string;
  readonly step: string;
}

/** A cordon of ours, or a label that we took off: it stands for seconds while a move runs, and is left where one died. */
export interface GateFinding {
  readonly where: string;
  readonly what: string;
  readonly moveId: string;
  /** The step of the open move that it belongs to. Undefined: none is known. */
  readonly explainedBy: string | undefined;
  /** What `--undo-gates` would do, in its order. */
  readonly undo: readonly string[];
  readonly leftover: Leftover;
}

export interface ExtraReplica {
  readonly uuid: string;
  readonly pool: string;
  readonly node: string;
  readonly state: string;
}

/** The mark that a move leaves on a volume's destination pool, and what the volume looks like. */
export interface VolumeFinding {
  readonly volumeId: string;
  readonly moveId: string;
  readonly pool: string;
  readonly label: string;
  /** True where the move ended and left one replica more on purpose. */
  readonly kept: boolean;
  readonly originalReplicas: number;
  /** Undefined: there is no such volume any more. */
  readonly numReplicas: number | undefined;
  /** The replica that the move added. Undefined: there is none too many, or none lies where the mark is. */
  readonly extra: ExtraReplica | undefined;
  readonly explainedBy: string | undefined;
}

export interface Findings {
  readonly gates: readonly GateFinding[];
  readonly volumes: readonly VolumeFinding[];
  /** Labels that look like ours and cannot be read. */
  readonly unreadable: readonly { readonly pool: string; readonly label: string; readonly value: string }[];
  /** Cordons without a mark of ours: an administrator's, which nothing of ours ever lifts. */
  readonly foreignCordons: readonly string[];
}

export function findingsOf(cluster: Cluster, open: readonly OpenMove[]): Findings {
  const { pools, nodes } = cluster;
  return {
    gates: findLeftovers(pools, nodes).map((leftover) => gateFinding(leftover, open)),
    volumes: findVolumeMarks(pools).map((mark) => volumeFinding(mark, cluster.volumes, open)),
    unreadable: pools.flatMap((pool) =>
      Object.entries(poolLabels(pool))
        .filter(([label, value]) => isUnreadable(label, value))
        .map(([label, value]) => ({ pool: pool.id, label, value })),
    ),
    foreignCordons: [
      ...pools
        .filter((pool) => poolCordonedForReplicas(pool) && parseGateMark(poolLabels(pool)[gateMarkKey] ?? '')?.kind !== 'cordon')
        .map(({ id }) => `pool ${id}`),
      ...nodes.flatMap((node) =>
        nodeCordonLabels(node)
          .filter((label) => moveIdOfCordonLabel(label) === undefined)
          .map((label) => `node ${node.id} (${label})`),
      ),
    ],
  };
}

/** Nothing is left that no open move will see to. */
export function isClean({ gates, volumes, unreadable }: Findings): boolean {
  return unreadable.length === 0 && [...gates, ...volumes].every(({ explainedBy }) => explainedBy !== undefined);
}

function gateFinding(leftover: Leftover, open: readonly OpenMove[]): GateFinding {
  const moveId = leftover.on === 'node' ? (moveIdOfCordonLabel(leftover.label) ?? '') : leftover.moveId;
  return {
    where: leftover.on === 'node' ? `node ${leftover.node}` : `pool ${leftover.pool}`,
    what:
      leftover.on === 'node'
        ? `cordoned by ${leftover.label}`
        : leftover.kind === 'cordon'
          ? 'cordoned'
          : `label ${leftover.key}=${leftover.value} taken off`,
    moveId,
    explainedBy: open.find((move) => move.moveId === moveId)?.step,
    undo: undoCalls(leftover).map(({ words }) => words),
    leftover,
  };
}

function volumeFinding(
  mark: ReturnType<typeof findVolumeMarks>[number],
  volumes: readonly Volume[],
  open: readonly OpenMove[],
): VolumeFinding {
  const volume = volumes.find(({ spec }) => spec.uuid === mark.volumeId);
  const tooMany = volume !== undefined && volume.spec.num_replicas > mark.originalReplicas;
  const extra = tooMany ? volumeReplicas(volume).find(({ pool }) => pool === mark.pool) : undefined;
  return {
    ...mark,
    label: volumeMarkKey(mark.volumeId),
    numReplicas: volume?.spec.num_replicas,
    extra: extra && { uuid: extra.uuid, pool: mark.pool, node: extra.node ?? '', state: extra.childStatus ?? extra.state },
    explainedBy: mark.kept ? undefined : open.find(({ volumeId }) => volumeId === mark.volumeId)?.step,
  };
}

function isUnreadable(label: string, value: string): boolean {
  return (label === gateMarkKey && parseGateMark(value) === undefined) || (isVolumeMarkKey(label) && parseVolumeMark(value) === undefined);
}
