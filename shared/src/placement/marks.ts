/**
 * The marks that a move leaves in Mayastor itself, so that what it changed can be undone with NATS and Redis both empty.
 *
 * On a pool, label `couchestor-gate`: `<moveId>..cordon` (we cordoned it) or `<moveId>..label..<key>..<value>` (we took that label off).
 * On a destination pool, label `couchestor-move-<volumeId>`: `<moveId>..<num_replicas before the move>`, and `..kept` where the move ended
 * with one replica more on purpose.
 * On a node, the cordon label `couchestor-<moveId>`.
 */
import { nodeCordonLabels, poolLabels } from '../mayastor/read.ts';
import type { Node, Pool } from '../mayastor/schema.ts';

export const gateMarkKey = 'couchestor-gate';

const separator = '..';
const volumeMarkPrefix = 'couchestor-move-';

export type GateMark =
  | { readonly kind: 'cordon'; readonly moveId: string }
  | { readonly kind: 'label'; readonly moveId: string; readonly key: string; readonly value: string };

/** One thing of ours that stands in Mayastor and is to be undone. */
export type Leftover =
  | ({ readonly on: 'pool'; readonly pool: string } & GateMark)
  | { readonly on: 'node'; readonly node: string; readonly label: string };

export function formatGateMark(mark: GateMark): string {
  return [mark.moveId, mark.kind, ...(mark.kind === 'label' ? [mark.key, mark.value] : [])].join(separator);
}

/** None where the label is not of our making. */
export function parseGateMark(value: string): GateMark | undefined {
  const [moveId = '', kind, key, ...rest] = value.split(separator);
  if (!/^m[0-9a-f]{16}$/.test(moveId)) {
    return undefined;
  }
  if (kind === 'cordon' && key === undefined) {
    return { kind, moveId };
  }
  return kind === 'label' && key !== undefined && key !== '' ? { kind, moveId, key, value: rest.join(separator) } : undefined;
}

export function volumeMarkKey(volumeId: string): string {
  return `${volumeMarkPrefix}${volumeId}`;
}

/** True for the label of a volume's mark, whether its value can be read or not. */
export function isVolumeMarkKey(label: string): boolean {
  return label.startsWith(volumeMarkPrefix);
}

export interface VolumeMark {
  readonly moveId: string;
  readonly originalReplicas: number;
  /** The move ended and left its extra replica. */
  readonly kept: boolean;
}

export function formatVolumeMark(mark: VolumeMark): string {
  return [mark.moveId, mark.originalReplicas, ...(mark.kept ? ['kept'] : [])].join(separator);
}

export function parseVolumeMark(value: string): VolumeMark | undefined {
  const match = /^(m[0-9a-f]{16})\.\.(\d{1,3})(\.\.kept)?$/.exec(value);
  return match?.[1] === undefined ? undefined : { moveId: match[1], originalReplicas: Number(match[2]), kept: match[3] !== undefined };
}

/** Every mark of a move on a pool, with the volume it speaks of. */
export function findVolumeMarks(pools: readonly Pool[]): (VolumeMark & { readonly pool: string; readonly volumeId: string })[] {
  return pools.flatMap((pool) =>
    Object.entries(poolLabels(pool)).flatMap(([key, value]) => {
      const mark = isVolumeMarkKey(key) ? parseVolumeMark(value) : undefined;
      return mark === undefined ? [] : [{ ...mark, pool: pool.id, volumeId: key.slice(volumeMarkPrefix.length) }];
    }),
  );
}

export function nodeCordonLabel(moveId: string): string {
  return `couchestor-${moveId}`;
}

/** The move that cordoned a node under this label; undefined where somebody else did. */
export function moveIdOfCordonLabel(label: string): string | undefined {
  return /^couchestor-(m[0-9a-f]{16})$/.exec(label)?.[1];
}

/** Everything of ours that gates or biases: what the holder of the gate lock undoes before it begins, whoever left it. */
export function findLeftovers(pools: readonly Pool[], nodes: readonly Node[]): Leftover[] {
  return [
    ...pools.flatMap((pool): Leftover[] => {
      const mark = parseGateMark(poolLabels(pool)[gateMarkKey] ?? '');
      return mark === undefined ? [] : [{ on: 'pool', pool: pool.id, ...mark }];
    }),
    ...nodes.flatMap((node) =>
      nodeCordonLabels(node)
        .filter(isNodeCordonLabel)
        .map((label): Leftover => ({ on: 'node', node: node.id, label })),
    ),
  ];
}

/** The pools and nodes as they are once every gate and bias of ours is undone: what a plan is made on, for they stand for seconds only. */
export function withoutGates<T extends { readonly pools: readonly Pool[]; readonly nodes: readonly Node[] }>(world: T): T {
  const leftovers = findLeftovers(world.pools, world.nodes);
  if (leftovers.length === 0) {
    return world;
  }
  const onPool = new Map(leftovers.flatMap((leftover) => (leftover.on === 'pool' ? [[leftover.pool, leftover]] : [])));
  return {
    ...world,
    pools: world.pools.map((pool) => {
      const mark = onPool.get(pool.id);
      if (mark === undefined || !pool.spec) {
        return pool;
      }
      const undone = mark.kind === 'cordon' ? { cordonDrain: null } : { labels: { [mark.key]: mark.value, ...pool.spec.labels } };
      return { ...pool, spec: { ...pool.spec, ...undone } };
    }),
    nodes: world.nodes.map((node) => withoutOurCordons(node)),
  };
}

/** Pools that carry the mark of a move of this volume. */
export function poolsMarkedFor(pools: readonly Pool[], volumeId: string): string[] {
  return pools.filter((pool) => poolLabels(pool)[volumeMarkKey(volumeId)] !== undefined).map(({ id }) => id);
}

function isNodeCordonLabel(label: string): boolean {
  return moveIdOfCordonLabel(label) !== undefined;
}

function withoutOurCordons(node: Node): Node {
  const { spec } = node;
  const cordoned = spec?.cordondrainstate?.cordonedstate?.cordonlabels;
  if (!spec || !cordoned?.some(isNodeCordonLabel)) {
    return node;
  }
  const cordonlabels = cordoned.filter((label) => !isNodeCordonLabel(label));
  const cordondrainstate = cordonlabels.length === 0 ? null : { ...spec.cordondrainstate, cordonedstate: { cordonlabels } };
  return { ...node, spec: { ...spec, cordondrainstate } };
}
