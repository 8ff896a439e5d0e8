/**
 * All volumes, snapshots, layers and drives of a vault: small, and kept whole.
 *
 * A layer holds what was written to a volume since its last snapshot; what it does not hold is its parent's. A layer that has a child is frozen:
 * nothing is written to it any more, so a child's blocks are always newer. Every change raises `version`; the catalog with the highest counts.
 */
import { z } from 'zod';
import { CatalogError } from './catalog-errors.ts';
import { settleLayers } from './catalog-layers.ts';
import { blockBytes } from './geometry.ts';

const volumesMax = 4096;
const snapshotsPerVolumeMax = 64;
/** 2^32 blocks: layer and block fit into one exact number, in the journal too. */
const volumeBytesMax = 2 ** 44;
const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/;

const idSchema = z.int().positive();
const nameSchema = z.string().regex(namePattern);
const sizeSchema = z.int().positive().max(volumeBytesMax).multipleOf(blockBytes);

const volumeSchema = z.strictObject({
  volumeId: idSchema,
  name: nameSchema,
  uuid: z.string(),
  sizeBytes: sizeSchema,
  /** What is written to. */
  layer: idSchema,
  readOnly: z.boolean(),
  createdAt: z.string(),
});

const snapshotSchema = z.strictObject({
  name: nameSchema,
  volumeId: idSchema,
  layer: idSchema,
  sizeBytes: sizeSchema,
  createdAt: z.string(),
});

const layerSchema = z.strictObject({
  id: idSchema,
  parent: idSchema.optional(),
  /** The layer whose blocks its own became, or are becoming. Its id stays known, because headers of stripes mention it. */
  mergedInto: idSchema.optional(),
  /** Absent: in use. `merging` and `removing` still have rows, which go in steps; `merged` has none. A removed layer is not in the catalog. */
  state: z.enum(['merging', 'merged', 'removing']).optional(),
});

const driveSchema = z.strictObject({
  number: idSchema,
  driveId: z.string(),
  path: z.string(),
  domain: z.strictObject({ zone: z.string(), node: z.string(), pool: z.string(), disk: z.string() }),
  /** As the operator told; what the drive does is not kept. */
  state: z.enum(['online', 'draining', 'failed', 'removed']),
  addedAt: z.string(),
});

export const catalogSchema = z.strictObject({
  version: z.int().nonnegative(),
  nextVolumeId: idSchema,
  nextLayerId: idSchema,
  volumes: z.array(volumeSchema),
  snapshots: z.array(snapshotSchema),
  layers: z.array(layerSchema),
  drives: z.array(driveSchema),
});

export type Volume = z.infer<typeof volumeSchema>;
export type Snapshot = z.infer<typeof snapshotSchema>;
export type Layer = z.infer<typeof layerSchema>;
export type DriveRow = z.infer<typeof driveSchema>;
export type Catalog = Readonly<z.infer<typeof catalogSchema>>;

export const emptyCatalog: Catalog = { version: 0, nextVolumeId: 1, nextLayerId: 1, volumes: [], snapshots: [], layers: [], drives: [] };

/** Throws CatalogError CORRUPT. */
export function parseCatalog(json: string): Catalog {
  try {
    return catalogSchema.parse(JSON.parse(json));
  } catch (cause) {
    throw new CatalogError('CORRUPT', {}, { cause });
  }
}

/** Throws CatalogError NO_VOLUME. */
export function volumeNamed(catalog: Catalog, name: string): Volume {
  const volume = catalog.volumes.find((one) => one.name === name);
  if (volume === undefined) {
    throw new CatalogError('NO_VOLUME', { volume: name });
  }
  return volume;
}

/** Throws CatalogError NO_VOLUME or NO_SNAPSHOT. */
export function snapshotNamed(catalog: Catalog, of: { volume: string; snapshot: string }): Snapshot {
  const { volumeId } = volumeNamed(catalog, of.volume);
  const snapshot = catalog.snapshots.find((one) => one.volumeId === volumeId && one.name === of.snapshot);
  if (snapshot === undefined) {
    throw new CatalogError('NO_SNAPSHOT', of);
  }
  return snapshot;
}

export function createVolume(
  catalog: Catalog,
  o: { name: string; uuid: string; sizeBytes: number; createdAt: string; readOnly?: boolean },
): Catalog {
  return addVolume(catalog, { ...o, parent: undefined });
}

/** A volume of its own that begins with what the snapshot holds. */
export function cloneSnapshot(
  catalog: Catalog,
  o: { volume: string; snapshot: string; name: string; uuid: string; createdAt: string; readOnly?: boolean },
): Catalog {
  const { layer, sizeBytes } = snapshotNamed(catalog, { volume: o.volume, snapshot: o.snapshot });
  return addVolume(catalog, { ...o, sizeBytes, parent: layer });
}

/**
 * Grows a volume, or with `force` cuts off its end. Whoever shrinks writes zeros over the end first (it has an lsn of its own then): what a volume
 * once lost must not come back when it grows again.
 */
export function resizeVolume(catalog: Catalog, o: { name: string; sizeBytes: number; force?: boolean }): Catalog {
  const volume = volumeNamed(catalog, o.name);
  checkSize(o.sizeBytes);
  if (o.sizeBytes < volume.sizeBytes && o.force !== true) {
    throw new CatalogError('WOULD_SHRINK', { volume: o.name, sizeBytes: volume.sizeBytes, wantedBytes: o.sizeBytes });
  }
  return replaceVolume(catalog, { ...volume, sizeBytes: o.sizeBytes });
}

/** Its layer goes in steps (`nextLayerStep`). */
export function deleteVolume(catalog: Catalog, name: string): Catalog {
  const { volumeId } = volumeNamed(catalog, name);
  const snapshots = catalog.snapshots.filter((one) => one.volumeId === volumeId).length;
  if (snapshots > 0) {
    throw new CatalogError('HAS_SNAPSHOTS', { volume: name, snapshots });
  }
  return settled({ ...catalog, volumes: catalog.volumes.filter((one) => one.volumeId !== volumeId) });
}

/** Freezes what was written so far, and gives the volume a new layer. All that was acknowledged must be in the map already. */
export function createSnapshot(catalog: Catalog, o: { volume: string; snapshot: string; createdAt: string }): Catalog {
  const volume = volumeNamed(catalog, o.volume);
  checkName(o.snapshot);
  const siblings = catalog.snapshots.filter((one) => one.volumeId === volume.volumeId);
  if (siblings.some((one) => one.name === o.snapshot)) {
    throw new CatalogError('EXISTS', { volume: o.volume, snapshot: o.snapshot });
  }
  if (siblings.length >= snapshotsPerVolumeMax) {
    throw new CatalogError('TOO_MANY', { volume: o.volume, snapshots: siblings.length });
  }
  const head = catalog.nextLayerId;
  const { volumeId, layer, sizeBytes } = volume;
  return replaceVolume(
    {
      ...catalog,
      nextLayerId: head + 1,
      layers: [...catalog.layers, { id: head, parent: layer }],
      snapshots: [...catalog.snapshots, { name: o.snapshot, volumeId, layer, sizeBytes, createdAt: o.createdAt }],
    },
    { ...volume, layer: head },
  );
}

/** Its layer is merged into the one child, in steps; with several children (clones) it stays, hidden, until there is only one. */
export function deleteSnapshot(catalog: Catalog, of: { volume: string; snapshot: string }): Catalog {
  const snapshot = snapshotNamed(catalog, of);
  return settled({ ...catalog, snapshots: catalog.snapshots.filter((one) => one !== snapshot) });
}

/** Adds the drive, or replaces the row with its number. */
export function putDrive(catalog: Catalog, drive: DriveRow): Catalog {
  const others = catalog.drives.filter((one) => one.number !== drive.number);
  return { ...catalog, version: catalog.version + 1, drives: [...others, drive].sort((a, b) => a.number - b.number) };
}

function addVolume(
  catalog: Catalog,
  o: { name: string; uuid: string; sizeBytes: number; createdAt: string; readOnly?: boolean; parent: number | undefined },
): Catalog {
  checkName(o.name);
  checkSize(o.sizeBytes);
  if (catalog.volumes.some((one) => one.name === o.name)) {
    throw new CatalogError('EXISTS', { volume: o.name });
  }
  if (catalog.volumes.length >= volumesMax) {
    throw new CatalogError('TOO_MANY', { volumes: catalog.volumes.length });
  }
  const layer = catalog.nextLayerId;
  const volume: Volume = {
    volumeId: catalog.nextVolumeId,
    name: o.name,
    uuid: o.uuid,
    sizeBytes: o.sizeBytes,
    layer,
    readOnly: o.readOnly ?? false,
    createdAt: o.createdAt,
  };
  return {
    ...catalog,
    version: catalog.version + 1,
    nextVolumeId: catalog.nextVolumeId + 1,
    nextLayerId: layer + 1,
    layers: [...catalog.layers, o.parent === undefined ? { id: layer } : { id: layer, parent: o.parent }],
    volumes: [...catalog.volumes, volume],
  };
}

function replaceVolume(catalog: Catalog, volume: Volume): Catalog {
  return {
    ...catalog,
    version: catalog.version + 1,
    volumes: catalog.volumes.map((one) => (one.volumeId === volume.volumeId ? volume : one)),
  };
}

function settled(catalog: Catalog): Catalog {
  return { ...catalog, version: catalog.version + 1, layers: settleLayers(catalog) };
}

function checkName(name: string): void {
  if (!namePattern.test(name)) {
    throw new CatalogError('BAD_NAME', { name: name.slice(0, 80) });
  }
}

function checkSize(sizeBytes: number): void {
  if (!sizeSchema.safeParse(sizeBytes).success) {
    throw new CatalogError('BAD_SIZE', { sizeBytes });
  }
}
