/** The volumes that Mayastor knows, and whether each is published. Remembers them, so that an outage can be told for each of them. */
import { volumeIdSchema } from '@couchestor/shared/contracts/fields';
import type { MayastorClient } from '@couchestor/shared/mayastor/client';
import { isPublished } from '@couchestor/shared/mayastor/read';
import type { KnownVolume } from '../domain/samples.ts';

export type VolumeList =
  | {
      readonly volumes: readonly KnownVolume[] /** Volumes whose id is no uuid: they cannot be told of. */;
      readonly strange: readonly string[];
    }
  | {
      readonly error: unknown /** From the last list that could be read; empty where there was none since the start. */;
      readonly lastKnownIds: readonly string[];
    };

export class VolumeLister {
  readonly #mayastor: Pick<MayastorClient, 'listVolumes'>;
  #lastKnownIds: readonly string[] = [];

  constructor(mayastor: Pick<MayastorClient, 'listVolumes'>) {
    this.#mayastor = mayastor;
  }

  async list(): Promise<VolumeList> {
    try {
      const all = (await this.#mayastor.listVolumes()).map((volume) => ({ id: volume.spec.uuid, published: isPublished(volume) }));
      const volumes = all.filter(({ id }) => volumeIdSchema.safeParse(id).success);
      this.#lastKnownIds = volumes.map(({ id }) => id);
      const strange = volumes.length === all.length ? [] : all.map(({ id }) => id).filter((id) => !volumeIdSchema.safeParse(id).success);
      return { volumes, strange };
    } catch (error) {
      return { error, lastKnownIds: this.#lastKnownIds };
    }
  }
}
