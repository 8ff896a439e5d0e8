/** PersistentVolumes of Mayastor by the volume that they stand for. */
import type { PersistentVolume } from '@couchestor/shared/kubernetes/objects';

export const mayastorDriver = 'io.openebs.csi-mayastor';

export class VolumeIndex {
  readonly #handleOf = new Map<string, string>();
  readonly #byHandle = new Map<string, Map<string, PersistentVolume>>();

  /** @param volume undefined where there is none of this name any more */
  set(name: string, volume: PersistentVolume | undefined): void {
    const before = this.#handleOf.get(name);
    const csi = volume?.spec.csi;
    const handle = csi?.driver === mayastorDriver ? csi.volumeHandle : undefined;
    if (before !== undefined && before !== handle) {
      const others = this.#byHandle.get(before);
      others?.delete(name);
      if (others?.size === 0) {
        this.#byHandle.delete(before);
      }
      this.#handleOf.delete(name);
    }
    if (volume !== undefined && handle !== undefined) {
      this.#handleOf.set(name, handle);
      const found = this.#byHandle.get(handle) ?? new Map<string, PersistentVolume>();
      this.#byHandle.set(handle, found.set(name, volume));
    }
  }

  /** More than one where people have made a second PersistentVolume for the same volume by hand. */
  of(handle: string): readonly PersistentVolume[] {
    return [...(this.#byHandle.get(handle)?.values() ?? [])];
  }
}
