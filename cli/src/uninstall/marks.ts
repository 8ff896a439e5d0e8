/** Marks of volumes that tell of nothing any more. Those of a volume with a replica too many stay: they tell which one it is. */
import type { MayastorClient } from '@couchestor/shared/mayastor/client';
import { isAlreadySo } from '@couchestor/shared/mayastor/undo-gates';
import type { Findings, VolumeFinding } from '../doctor/findings.ts';
import type { Step } from './step.ts';

export function unmarkSteps({ volumes }: Findings, mayastor: Pick<MayastorClient, 'unlabelPool'>): Step[] {
  return volumes.filter(isSpent).map(({ pool, label }) => ({
    words: `unmark pool ${pool} (${label})`,
    make: async () => {
      try {
        await mayastor.unlabelPool(pool, label);
      } catch (error) {
        if (!isAlreadySo(error, ['PRECONDITION', 'NOT_FOUND'])) {
          throw error;
        }
      }
    },
  }));
}

/** Its move is over, and its volume has the replicas that it had, or is gone. */
export function isSpent({ explainedBy, numReplicas, originalReplicas }: VolumeFinding): boolean {
  return explainedBy === undefined && (numReplicas === undefined || numReplicas <= originalReplicas);
}
