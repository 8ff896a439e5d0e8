/**
 * What Kubernetes says about Mayastor's volumes and pools.
 *
 * Labels of a volume are those of its PersistentVolume and of its claim together. People label claims: a PersistentVolume that was made by a
 * StorageClass has no labels of theirs. Where both carry a key the PersistentVolume's value counts, because it is the administrator's object
 * and a claim is its user's: no user takes a volume out of a policy that the administrator has labelled into it.
 *
 * Labels of a pool are those of its DiskPool (metadata.labels, then spec.topology.labelled) and of Mayastor. Where a key is in several, the
 * later one counts: Mayastor places by its own labels, whatever was written into the DiskPool afterwards.
 *
 * What is not known is a problem of that volume, and it is not decided on; it is never taken for a missing label (S4).
 */

import type { DiskPool, PersistentVolume, PersistentVolumeClaim } from '@couchestor/shared/kubernetes/objects';
import type { Labels } from '@couchestor/shared/label-selector';
import { poolLabels } from '@couchestor/shared/mayastor/read';
import type { Pool, Volume } from '@couchestor/shared/mayastor/schema';
import type { CatalogEntry, VolumeCatalog } from '../volume-catalog.ts';

/** What of the cache it needs. */
export interface CatalogSource {
  readonly problem: string | undefined;
  readonly volumesByHandle: { of(handle: string): readonly PersistentVolume[] };
  readonly claims: { readonly store: ReadonlyMap<string, PersistentVolumeClaim> };
  readonly diskPools: ReadonlyMap<string, DiskPool>;
}

export class KubernetesCatalog implements VolumeCatalog {
  readonly #source: CatalogSource;
  readonly #mayastorNamespace: string;
  #poolsOf: ReadonlyMap<string, DiskPool> = new Map();

  constructor(o: { source: CatalogSource; mayastorNamespace: string }) {
    this.#source = o.source;
    this.#mayastorNamespace = o.mayastorNamespace;
  }

  get problem(): string | undefined {
    return this.#source.problem;
  }

  /** DiskPools by their pool's id, as they are at this moment. */
  prepare(): void {
    const byId = new Map<string, DiskPool>();
    for (const pool of this.#source.diskPools.values()) {
      const { name, namespace } = pool.metadata;
      // Of two with one name, which belong to two Mayastors, ours is in our namespace.
      if (!byId.has(name) || namespace === this.#mayastorNamespace) {
        byId.set(name, pool);
      }
    }
    this.#poolsOf = byId;
  }

  entryOf({ spec }: Volume): CatalogEntry {
    const [pv, second] = this.#source.volumesByHandle.of(spec.uuid);
    if (pv === undefined) {
      return { storageClass: undefined, name: undefined, labels: {} };
    }
    if (second !== undefined) {
      return {
        ...entryOfVolume(pv, undefined),
        problem: `PersistentVolumes ${pv.metadata.name} and ${second.metadata.name} both stand for this volume: remove one of them`,
      };
    }
    const { claimRef } = pv.spec;
    const claimKey = claimRef?.name === undefined ? undefined : `${claimRef.namespace ?? 'default'}/${claimRef.name}`;
    const found = claimKey === undefined ? undefined : this.#source.claims.store.get(claimKey);
    // A claim that was made anew under the same name is another one.
    const claim = claimRef?.uid === undefined || found?.metadata.uid === claimRef.uid ? found : undefined;
    const entry = entryOfVolume(pv, claim);
    return claim === undefined && pv.status?.phase === 'Bound'
      ? { ...entry, problem: `its claim ${claimKey ?? '(without a name)'} is not known yet, and with it the volume's labels are not` }
      : entry;
  }

  poolLabelsOf(pool: Pool): Labels {
    const diskPool = this.#poolsOf.get(pool.id);
    return { ...diskPool?.metadata.labels, ...diskPool?.spec?.topology?.labelled, ...poolLabels(pool) };
  }
}

function entryOfVolume(pv: PersistentVolume, claim: PersistentVolumeClaim | undefined): CatalogEntry {
  const { namespace = 'default', name, uid } = claim?.metadata ?? { name: '', uid: '' };
  return {
    storageClass: pv.spec.storageClassName === '' ? undefined : pv.spec.storageClassName,
    pvName: pv.metadata.name,
    labels: { ...claim?.metadata.labels, ...pv.metadata.labels },
    ...(claim === undefined ? { name: undefined } : { name: `${namespace}/${name}`, claim: { namespace, name, uid } }),
  };
}
