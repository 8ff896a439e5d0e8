import { describe, expect, it } from 'vitest';
import {
  type Catalog,
  cloneSnapshot,
  createSnapshot,
  createVolume,
  deleteSnapshot,
  deleteVolume,
  emptyCatalog,
  parseCatalog,
  putDrive,
  resizeVolume,
  snapshotNamed,
  volumeNamed,
} from './catalog.ts';
import { nextLayerStep } from './catalog-layers.ts';
import { MemoryIndex } from './index-rows.fixture.ts';

const createdAt = '2026-01-01T00:00:00.000Z';
const gib = 2 ** 30;

function withVolume(name = 'v', catalog: Catalog = emptyCatalog): Catalog {
  return createVolume(catalog, { name, uuid: `uuid-${name}`, sizeBytes: gib, createdAt });
}

function withSnapshot(snapshot: string, catalog: Catalog): Catalog {
  return createSnapshot(catalog, { volume: 'v', snapshot, createdAt });
}

function settled(catalog: Catalog): Catalog {
  const index = new MemoryIndex();
  index.catalog = catalog;
  for (let step = nextLayerStep(index); step !== undefined; step = nextLayerStep(index)) {
    index.apply(step.writes);
  }
  return index.catalog;
}

describe('the catalog', () => {
  it('gives each volume an id and a layer that were never used', () => {
    const catalog = withVolume('w', settled(deleteVolume(withVolume(), 'v')));
    expect(volumeNamed(catalog, 'w')).toEqual({
      volumeId: 2,
      name: 'w',
      uuid: 'uuid-w',
      sizeBytes: gib,
      layer: 2,
      readOnly: false,
      createdAt,
    });
    expect(catalog.layers).toEqual([{ id: 2 }]);
  });

  it('raises its version with every change, and comes back from its JSON', () => {
    const drive = {
      number: 1,
      driveId: 'd',
      path: '/d',
      domain: { zone: '', node: 'n', pool: '', disk: '8:1' },
      state: 'online' as const,
      addedAt: createdAt,
    };
    const steps = [withVolume(), withSnapshot('s', withVolume()), putDrive(withSnapshot('s', withVolume()), drive)];
    expect(steps.map((one) => one.version)).toEqual([1, 2, 3]);
    expect(steps.map((one) => parseCatalog(JSON.stringify(one)))).toEqual(steps);
    expect(putDrive(steps[2] ?? emptyCatalog, { ...drive, state: 'draining' }).drives).toEqual([{ ...drive, state: 'draining' }]);
    expect(() => parseCatalog('{"version":1}')).toThrow(/CATALOG_CORRUPT/);
  });

  it('refuses bad names, sizes and limits', () => {
    for (const name of ['', '-a', '.a', 'a/b', 'a b', 'x'.repeat(64)]) {
      expect(() => withVolume(name)).toThrow(/CATALOG_BAD_NAME/);
      expect(() => withSnapshot(name, withVolume())).toThrow(/CATALOG_BAD_NAME/);
    }
    for (const sizeBytes of [0, 4095, -4096, 1.5, 2 ** 44 + 4096]) {
      expect(() => resizeVolume(withVolume(), { name: 'v', sizeBytes, force: true })).toThrow(/CATALOG_BAD_SIZE/);
    }
    expect(() => withVolume('v', withVolume())).toThrow(/CATALOG_EXISTS/);
    expect(() => withSnapshot('s', withSnapshot('s', withVolume()))).toThrow(/CATALOG_EXISTS/);
    expect(() => volumeNamed(emptyCatalog, 'v')).toThrow(/CATALOG_NO_VOLUME/);
    expect(() => snapshotNamed(withVolume(), { volume: 'v', snapshot: 's' })).toThrow(/CATALOG_NO_SNAPSHOT/);
    let catalog = withVolume();
    for (let count = 0; count < 64; count += 1) {
      catalog = withSnapshot(`s${count}`, catalog);
    }
    expect(() => withSnapshot('more', catalog)).toThrow(/CATALOG_TOO_MANY/);
    const volumes = Array.from({ length: 4096 }, (_, at) => ({ ...volumeNamed(withVolume(), 'v'), name: `n${at}`, volumeId: at + 1 }));
    expect(() => withVolume('more', { ...emptyCatalog, volumes })).toThrow(/CATALOG_TOO_MANY/);
  });

  it('grows a volume when asked, and shrinks it only by force', () => {
    expect(volumeNamed(resizeVolume(withVolume(), { name: 'v', sizeBytes: 2 * gib }), 'v').sizeBytes).toBe(2 * gib);
    expect(() => resizeVolume(withVolume(), { name: 'v', sizeBytes: 4096 })).toThrow(/CATALOG_WOULD_SHRINK/);
    expect(volumeNamed(resizeVolume(withVolume(), { name: 'v', sizeBytes: 4096, force: true }), 'v').sizeBytes).toBe(4096);
  });

  it('does not delete a volume that has snapshots', () => {
    expect(() => deleteVolume(withSnapshot('s', withVolume()), 'v')).toThrow(/CATALOG_HAS_SNAPSHOTS/);
  });

  it('merges the layer of a deleted snapshot into its one child, and keeps its id', () => {
    const deleted = deleteSnapshot(withSnapshot('b', withSnapshot('a', withVolume())), { volume: 'v', snapshot: 'b' });
    expect(deleted.layers).toContainEqual({ id: 2, parent: 1, mergedInto: 3, state: 'merging' });
    expect(settled(deleted).layers).toEqual([{ id: 1 }, { id: 2, mergedInto: 3, state: 'merged' }, { id: 3, parent: 1 }]);
  });

  it('keeps the layer of a deleted snapshot, hidden, while several clones need it, and merges it when one is left', () => {
    const cloned = cloneSnapshot(withSnapshot('s', withVolume()), { volume: 'v', snapshot: 's', name: 'c', uuid: 'uuid-c', createdAt });
    expect(volumeNamed(cloned, 'c')).toMatchObject({ layer: 3, sizeBytes: gib });
    const hidden = settled(deleteSnapshot(cloned, { volume: 'v', snapshot: 's' }));
    expect(hidden.layers).toEqual([{ id: 1 }, { id: 2, parent: 1 }, { id: 3, parent: 1 }]);
    expect(settled(deleteVolume(hidden, 'v')).layers).toEqual([{ id: 1, mergedInto: 3, state: 'merged' }, { id: 3 }]);
    expect(settled(deleteVolume(settled(deleteVolume(hidden, 'v')), 'c')).layers).toEqual([]);
  });

  it('merges two snapshots that were deleted at once one after the other', () => {
    let catalog = withSnapshot('c', withSnapshot('b', withSnapshot('a', withVolume())));
    catalog = deleteSnapshot(catalog, { volume: 'v', snapshot: 'b' });
    catalog = deleteSnapshot(catalog, { volume: 'v', snapshot: 'a' });
    expect(settled(catalog).layers.filter((layer) => layer.state === undefined)).toEqual([{ id: 3 }, { id: 4, parent: 3 }]);
  });
});
