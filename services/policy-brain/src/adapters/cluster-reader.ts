/** Reads the whole cluster from Mayastor, once per round. */
import type { MayastorClient } from '@couchestor/shared/mayastor/client';
import type { Cluster } from '../domain/known-volume.ts';
import { clusterOf, type VolumeCatalog } from './volume-catalog.ts';

/** An upgrade of Mayastor is noticed within this. */
const probeIntervalMs = 60_000;

export type MayastorReads = Pick<MayastorClient, 'listVolumes' | 'listPools' | 'listNodes' | 'probeCapabilities'>;

export class ClusterReader {
  readonly #mayastor: MayastorReads;
  readonly #catalog: VolumeCatalog;
  #probe: { readonly poolCordon: boolean; readonly atMs: number } | undefined;

  constructor(o: { mayastor: MayastorReads; catalog: VolumeCatalog }) {
    this.#mayastor = o.mayastor;
    this.#catalog = o.catalog;
  }

  /** Throws MayastorError where any part of it cannot be read: half a cluster is not one to decide on. */
  async read(): Promise<{ cluster: Cluster; catalogProblem: string | undefined }> {
    const before = this.#catalog.problem;
    const [volumes, pools, nodes, poolCordon] = await Promise.all([
      this.#mayastor.listVolumes(),
      this.#mayastor.listPools(),
      this.#mayastor.listNodes(),
      this.#probePoolCordon(),
    ]);
    // Before and after: what came back meanwhile may be half taken in.
    return { cluster: clusterOf({ volumes, pools, nodes, poolCordon }, this.#catalog), catalogProblem: before ?? this.#catalog.problem };
  }

  async #probePoolCordon(): Promise<boolean> {
    const nowMs = performance.now();
    if (this.#probe === undefined || nowMs - this.#probe.atMs > probeIntervalMs) {
      const { poolCordon } = await this.#mayastor.probeCapabilities();
      this.#probe = { poolCordon, atMs: nowMs };
    }
    return this.#probe.poolCordon;
  }
}
