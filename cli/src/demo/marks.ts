/** What a move leaves in Mayastor while it is under way, and must not leave behind. Pure. */
import type { Node, Pool } from '@couchestor/shared/mayastor/schema';

const poolMark = /^couchestor-(gate$|move-)/;
const nodeMark = /^couchestor-/;

/** One line for each pool label, pool cordon and node cordon that is left. */
export function leftoverMarks(o: { pools: readonly Pool[]; nodes: readonly Node[] }): string[] {
  const onPools = o.pools.flatMap(({ id, spec }) => [
    ...Object.keys(spec?.labels ?? {})
      .filter((key) => poolMark.test(key))
      .map((key) => `pool ${id} still has the label ${key}`),
    ...(Object.values(spec?.cordonDrain?.cordoned ?? {}).some((flag) => flag === true) ? [`pool ${id} is still cordoned`] : []),
  ]);
  const onNodes = o.nodes.flatMap(({ id, spec }) =>
    (spec?.cordondrainstate?.cordonedstate?.cordonlabels ?? [])
      .filter((label) => nodeMark.test(label))
      .map((label) => `node ${id} is still cordoned by ${label}`),
  );
  return [...onPools, ...onNodes];
}
