/** Whether Mayastor answers, and whether it is one that moves can be made on. */
import type { Node } from '@couchestor/shared/mayastor/schema';
import { amiss, type Check, count, ok, overMayastor } from '../check.ts';

export const mayastorAnswers: Check = {
  id: 'mayastor',
  asks: "Does Mayastor's REST API answer?",
  judge: ({ mayastor }) =>
    mayastor.kind === 'seen'
      ? ok(
          `it answers at ${mayastor.value.url}: ${count(mayastor.value.cluster.nodes.length, 'node')}, ${count(mayastor.value.cluster.pools.length, 'pool')}, ${count(mayastor.value.cluster.volumes.length, 'volume')}`,
        )
      : amiss('problem', {
          finding: mayastor.why,
          cure: 'give --mayastor-url, or --mayastor-namespace, of the api-rest service; kubectl get services -A | grep api-rest names it',
        }),
};

export const mayastorVersion: Check = {
  id: 'mayastor-version',
  asks: 'Is it new enough: has it pool cordon, without which nothing moves, and is it the same on all nodes?',
  judge: (facts) =>
    overMayastor(facts, ({ poolCordon, cluster }) => {
      const versions = [...new Set(cluster.nodes.map(versionOf))].sort();
      const told = versions.join(', ') || 'no node tells its version';
      if (!poolCordon) {
        return amiss('problem', {
          finding: `no pool cordon (${told}): decisions are made and explained, and every move is refused`,
          cure: 'upgrade to Mayastor 2.10 (OpenEBS 4.4) or newer, or let --mayastor-url lead straight to the api-rest service',
        });
      }
      return versions.length > 1
        ? amiss('warning', {
            finding: `it has pool cordon; nodes differ: ${told}`,
            details: cluster.nodes.map((node) => `node ${node.id}: ${versionOf(node)}`),
            cure: 'finish the upgrade of Mayastor before volumes move',
          })
        : ok(`it has pool cordon; ${told}`);
    }),
};

function versionOf({ spec, state }: Node): string {
  const ofSpec = spec?.['version'];
  return state?.version ?? (typeof ofSpec === 'string' ? ofSpec : 'version not told');
}
