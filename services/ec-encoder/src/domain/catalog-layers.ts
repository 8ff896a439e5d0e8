/**
 * What becomes of layers that no volume and no snapshot has any more.
 *
 * Without children, a layer is removed; with one child, it is merged into it, because nobody else sees it; with several, it stays until fewer are
 * left. Both take many rows, so they go in steps of which each leaves a map that shows the same: a page moves to the child, or goes, in one
 * change. The last step changes the catalog. A crash between steps leaves the rest to be done.
 */

import { MapWork } from './apply-effects-work.ts';
import type { Catalog, Layer } from './catalog.ts';
import type { IndexView, IndexWrites } from './index-rows.ts';

/** So many rows a step changes: a step of full pages then is about 1 MiB of writes. */
const pagesPerStepDefault = 256;

/** The layers with those marked that have become merging or removing. */
export function settleLayers(catalog: Pick<Catalog, 'volumes' | 'snapshots' | 'layers'>): Layer[] {
  const used = new Set([...catalog.volumes, ...catalog.snapshots].map((one) => one.layer));
  const layers = new Map(catalog.layers.map((layer) => [layer.id, layer]));
  for (let hasChanged = true; hasChanged; ) {
    hasChanged = false;
    for (const layer of [...layers.values()]) {
      const next = used.has(layer.id) || layer.state === 'merged' ? layer : settle(layer, layers);
      if (next !== layer) {
        layers.set(layer.id, next);
        hasChanged = true;
      }
    }
  }
  return [...layers.values()];
}

/** The next step of a layer that is merging or removing; undefined where there is nothing to do. Call it until then. */
export function nextLayerStep(see: IndexView, pagesPerStep = pagesPerStepDefault): { readonly writes: IndexWrites } | undefined {
  // Removals first, children before parents: a layer that copied pages then stands below the one they came from for as long as it has them.
  const { layers } = see.catalog;
  const layer = layers.findLast((one) => one.state === 'removing') ?? layers.find((one) => one.state === 'merging');
  if (layer === undefined) {
    return undefined;
  }
  const work = new MapWork(see);
  const rows = see.pages(layer.id, 0, Number.MAX_SAFE_INTEGER, pagesPerStep);
  for (const { page } of rows) {
    if (layer.state === 'merging' && layer.mergedInto !== undefined) {
      work.movePage({ from: layer.id, to: layer.mergedInto, page });
    } else {
      work.dropPage(layer.id, page);
    }
  }
  const writes = work.writes();
  return { writes: rows.length < pagesPerStep ? { ...writes, catalog: withoutRows(see.catalog, layer) } : writes };
}

function settle(layer: Layer, layers: ReadonlyMap<number, Layer>): Layer {
  const children = [...layers.values()].filter((one) => one.parent === layer.id && one.state !== 'removing');
  const { id, parent } = layer;
  const self = parent === undefined ? { id } : { id, parent };
  const [child] = children;
  if (child === undefined) {
    return layer.state === 'removing' ? layer : { ...self, state: 'removing' };
  }
  // A child that is being merged itself comes first: what would go into it would have to move twice.
  if (children.length > 1 || child.state !== undefined || layer.state !== undefined) {
    return layer;
  }
  return { ...self, mergedInto: child.id, state: 'merging' };
}

function withoutRows(catalog: Catalog, layer: Layer): Catalog {
  const rest = catalog.layers.filter((one) => one.id !== layer.id).map((one) => (one.parent === layer.id ? inherit(one, layer) : one));
  // The id of a merged layer stays: headers of its stripes mention it.
  const merged: Layer[] = layer.mergedInto === undefined ? [] : [{ id: layer.id, mergedInto: layer.mergedInto, state: 'merged' }];
  // Where the layer that it was merged into has gone, so have these blocks.
  const layers = dropOrphans([...rest, ...merged].sort((a, b) => a.id - b.id));
  return { ...catalog, version: catalog.version + 1, layers: settleLayers({ ...catalog, layers }) };
}

function inherit(child: Layer, gone: Layer): Layer {
  const { parent: _, ...rest } = child;
  return gone.parent === undefined ? rest : { ...rest, parent: gone.parent };
}

/** Merged layers point at layers that are there. */
function dropOrphans(layers: Layer[]): Layer[] {
  const ids = new Set(layers.map((layer) => layer.id));
  const kept = layers.filter((layer) => layer.state !== 'merged' || (layer.mergedInto !== undefined && ids.has(layer.mergedInto)));
  return kept.length === layers.length ? kept : dropOrphans(kept);
}
