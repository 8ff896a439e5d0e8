/** Whether there are nodes enough: a node holds one replica of a volume, whatever pools it has, and a move needs one more for a while. */
import { satisfiesNodeTopology, satisfiesPoolTopology } from '@couchestor/shared/placement/eligibility';
import { nodeOfPool } from '@couchestor/shared/placement/world';
import { amiss, type Check, count, ok, overMayastor } from '../check.ts';
import { atRest, policiesOf, policyTiers, worldOf } from '../tier-map.ts';

export const roomToGrow: Check = {
  id: 'room-to-grow',
  asks: 'Has every volume a node without a replica of it, and every tier more nodes than its volumes have replicas?',
  judge: (facts) =>
    overMayastor(facts, (mayastor) => {
      const rest = atRest(mayastor);
      const { volumes } = mayastor.cluster;
      const nodesOf = (pools: readonly Parameters<typeof nodeOfPool>[0][]): number => new Set(pools.map(nodeOfPool)).size;
      const stuck = volumes.flatMap((volume) => {
        const world = worldOf(volume, rest);
        const nodes = nodesOf(
          rest.pools.filter((pool) => satisfiesPoolTopology(world, pool) && satisfiesNodeTopology(world, nodeOfPool(pool))),
        );
        const { uuid, num_replicas: replicas } = volume.spec;
        return replicas < nodes ? [] : [`volume ${uuid}: ${count(replicas, 'replica')}, ${count(nodes, 'node')} that may hold one`];
      });
      const policies =
        facts.policies.kind === 'seen' ? policyTiers(facts.policies.value, { ...rest, diskPoolLabels: facts.diskPoolLabels }) : [];
      const narrow = policies.flatMap((policy) => {
        const replicasMax = Math.max(
          0,
          ...volumes.filter((volume) => policiesOf(volume, [policy]).length > 0).map(({ spec }) => spec.num_replicas),
        );
        return [...policy.pools]
          .filter(([, pools]) => pools.length > 0 && nodesOf(pools) <= replicasMax)
          .map(
            ([tier, pools]) =>
              `policy ${policy.name}: tier ${tier} has ${count(nodesOf(pools), 'node')}, its volumes up to ${count(replicasMax, 'replica')}`,
          );
      });
      const nodes = nodesOf(rest.pools);
      if (stuck.length + narrow.length === 0) {
        return ok(`${count(nodes, 'node')} with pools; every volume has room on one more`);
      }
      return amiss(stuck.length > 0 && stuck.length === volumes.length ? 'problem' : 'warning', {
        finding: `${count(nodes, 'node')} with pools; ${stuck.length} of ${count(volumes.length, 'volume')} cannot grow, so cannot move; ${count(narrow.length, 'tier')} with no node to spare`,
        details: [...stuck, ...narrow],
        cure: 'add a node, or pools of the tier on nodes that have none; or give the volumes fewer replicas',
      });
    }),
};
