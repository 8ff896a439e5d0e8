/**
 * How the cluster must look in the end: as people left it. Kept beside the model, from what people did alone; and what docs/safety.md says
 * may differ from it all the same, each time that it really happened.
 */
import type { Cluster } from '@couchestor/mayastor-simulator/domain/cluster';

const ours = 'couchestor-';

export class Expectations {
  readonly cordonedPools = new Set<string>();
  readonly nodeCordons = new Map<string, Set<string>>();
  readonly poolLabels = new Map<string, Map<string, string>>();
  readonly counts = new Map<string, number>();
  readonly #excuses = new Map<string, string>();

  constructor(model: Cluster) {
    for (const pool of Object.values(model.pools)) {
      this.poolLabels.set(pool.id, new Map(Object.entries(pool.labels)));
    }
    for (const volume of Object.values(model.volumes)) {
      this.counts.set(volume.uuid, volume.numReplicas);
    }
  }

  /** A race or late call that docs/safety.md lists has really happened to this. */
  excuse(what: `cordon ${string}` | `label ${string}` | `count ${string}`, why: string): void {
    this.#excuses.set(what, why);
  }

  isExcused(what: `cordon ${string}` | `label ${string}` | `count ${string}`): boolean {
    return this.#excuses.has(what);
  }

  /** What differs in the end, without what is excused. The counts are judged elsewhere. */
  differences(model: Cluster): string[] {
    return [
      ...Object.values(model.pools).flatMap((pool) => this.#poolDifferences(pool)),
      ...Object.values(model.nodes).flatMap((node) => {
        const wanted = this.nodeCordons.get(node.id) ?? new Set();
        const there = new Set([...node.cordonLabels, ...node.drainLabels]);
        return [
          ...[...there].filter((label) => !wanted.has(label)).map((label) => `node ${node.id} is cordoned by ${label}`),
          ...[...wanted].filter((label) => !there.has(label)).map((label) => `node ${node.id} has lost its cordon ${label}`),
        ];
      }),
    ];
  }

  #poolDifferences({ id, labels, cordon }: Cluster['pools'][string]): string[] {
    const wanted = this.poolLabels.get(id) ?? new Map<string, string>();
    const found: string[] = [];
    if (cordon.replicas !== this.cordonedPools.has(id) && !this.isExcused(`cordon ${id}`)) {
      found.push(cordon.replicas ? `pool ${id} is cordoned, and nobody did it` : `pool ${id} has lost the cordon of an administrator`);
    }
    for (const key of new Set([...wanted.keys(), ...Object.keys(labels)])) {
      // Our volume marks are judged with the moves.
      const mark = key.startsWith(`${ours}move-`);
      if (!mark && labels[key] !== wanted.get(key) && !this.isExcused(`label ${id}`)) {
        found.push(`pool ${id}: label ${key} is ${labels[key] ?? 'gone'}, and was ${wanted.get(key) ?? 'not there'}`);
      }
    }
    return found;
  }
}
