/**
 * The whole index again, from nothing but the heads of the shards on the drives.
 *
 * For each block the effect of the highest lsn counts, and of several with one lsn (a compaction moved it) that of the newest stripe. Blocks of a
 * merged layer are those of the layer it was merged into, whose own are always newer; layers that the catalog does not know are gone. A stripe
 * of which too few shards were found is lost, but keeps its rows: what older stripes hold of its blocks would be wrong data, and a drive may
 * come back. Only where nothing of the drives is missing it was never whole: a crash came before its last shard, so nobody was told of it, and what
 * older stripes hold is what there is. Blobs come back as pending, because who adopted them stands nowhere on the drives; that holds for those released too.
 * One without all of its parts was never put to its end, and is left out.
 */
import { MapWork } from './apply-effects-work.ts';
import { type Catalog, type DriveRow, emptyCatalog, parseCatalog } from './catalog.ts';
import { shardCountOf } from './geometry.ts';
import type { BlobRow, IndexView, IndexWrites, StripeWrite } from './index-rows.ts';
import { emptyPage, type LbaPage } from './lba-page.ts';
import type { BlocksEffect, ShardHeader, ShardPlace, StripeRow, ZeroesEffect } from './stripe.ts';

export interface FoundShard {
  readonly header: ShardHeader;
  readonly drive: number;
  readonly segment: number;
  readonly offsetBlocks: number;
  readonly headerBlocks: number;
}

export interface Reindexed {
  /** Undefined where no header has one: then layers have no parents, and nothing says what is a volume. */
  readonly catalog: Catalog | undefined;
  readonly pages: readonly { readonly layer: number; readonly page: number; readonly value: LbaPage }[];
  readonly stripes: readonly StripeWrite[];
  readonly blobs: readonly BlobRow[];
  readonly appliedLsn: number;
  /** Above all ids that were seen, also of stripes without rows. */
  readonly nextStripeId: number;
  /** Of these stripes fewer shards were found than it takes to read them. */
  readonly lost: readonly { readonly stripeId: number; readonly found: number; readonly needed: number }[];
  /** Effects of layers that are not in the catalog: of deleted volumes and snapshots. */
  readonly forgottenEffects: number;
}

interface FoundStripe {
  readonly header: ShardHeader;
  readonly shards: (FoundShard | undefined)[];
}

type MapEffect = { readonly stripeId: number; readonly effect: BlocksEffect | ZeroesEffect };

export class Reindex {
  readonly #stripes = new Map<number, FoundStripe>();
  #catalog: { readonly version: number; readonly json: string } | undefined;
  #appliedLsn = 0;

  add(shard: FoundShard): void {
    const { header } = shard;
    let stripe = this.#stripes.get(header.stripeId);
    if (stripe === undefined) {
      stripe = { header, shards: Array.from({ length: shardCountOf(header.shape) }, () => undefined) };
      this.#stripes.set(header.stripeId, stripe);
      this.#note(header);
    }
    const known = stripe.shards[header.place];
    if (known === undefined || isNewer(shard, known)) {
      stripe.shards[header.place] = shard;
    }
  }

  /** `isWhole` says, by the drives of the catalog, whether all that was ever written to them was read. */
  finish(o: { createdAt: string; isWhole?: (drives: readonly DriveRow[]) => boolean }): Reindexed {
    const catalog = this.#catalog === undefined ? undefined : parseCatalog(this.#catalog.json);
    const view = new MemoryView(catalog ?? emptyCatalog);
    const isWhole = catalog !== undefined && (o.isWhole?.(catalog.drives) ?? false);
    const all = [...this.#stripes.values()].sort((a, b) => a.header.stripeId - b.header.stripeId);
    const stripes = isWhole ? all.filter(({ header, shards }) => lossOf(rowOf(header, shards)).length === 0) : all;
    const { byLayer, forgotten } = this.#effectsByLayer(stripes, catalog);
    const sumsOf = new Map<number, readonly (Uint32Array | undefined)[]>();
    for (const { header, shards } of stripes) {
      sumsOf.set(
        header.stripeId,
        shards.map((shard) => shard?.header.sums),
      );
    }
    const work = new MapWork(view);
    const blobIds = new Set<string>();
    for (const { header, shards } of stripes) {
      work.addStripe(rowOf(header, shards), []);
      for (const effect of header.effects) {
        if (effect.kind === 'blob') {
          work.putBlobPart(header.stripeId, effect, o.createdAt);
          blobIds.add(effect.blobId);
        }
      }
    }
    for (const blobId of blobIds) {
      work.settleBlob(blobId);
    }
    // A layer copies pages of its ancestors, so these come first; they do not change once there is a child.
    for (const layer of parentsFirst([...byLayer.keys()], catalog)) {
      const effects = byLayer.get(layer) ?? [];
      effects.sort((a, b) => a.effect.lsn - b.effect.lsn || a.stripeId - b.stripeId);
      for (const { stripeId, effect } of effects) {
        if (effect.kind === 'blocks') {
          work.map(stripeId, { ...effect, layer });
        } else {
          work.zero({ ...effect, layer });
        }
      }
    }
    const writes = work.writes();
    const rows = (writes.stripes ?? []).map(({ row }) => ({ row, sums: sumsOf.get(row.stripeId) }));
    return {
      catalog,
      pages: writes.pages ?? [],
      stripes: rows,
      blobs: writes.blobs ?? [],
      appliedLsn: this.#appliedLsn,
      nextStripeId: (all.at(-1)?.header.stripeId ?? 0) + 1,
      lost: rows.flatMap(({ row }) => lossOf(row)),
      forgottenEffects: forgotten,
    };
  }

  #note(header: ShardHeader): void {
    this.#appliedLsn = Math.max(this.#appliedLsn, header.appliedLsn);
    for (const effect of header.effects) {
      if (effect.kind === 'catalog' && effect.version > (this.#catalog?.version ?? -1)) {
        this.#catalog = effect;
      }
    }
  }

  #effectsByLayer(stripes: readonly FoundStripe[], catalog: Catalog | undefined): { byLayer: Map<number, MapEffect[]>; forgotten: number } {
    const target = layerTargets(catalog);
    const byLayer = new Map<number, MapEffect[]>();
    let forgotten = 0;
    for (const { header } of stripes) {
      for (const effect of header.effects) {
        if (effect.kind === 'blocks' || effect.kind === 'zeroes') {
          const layer = target(effect.layer);
          if (layer === undefined) {
            forgotten += 1;
          } else {
            const effects = byLayer.get(layer);
            const one = { stripeId: header.stripeId, effect };
            if (effects === undefined) {
              byLayer.set(layer, [one]);
            } else {
              effects.push(one);
            }
          }
        }
      }
    }
    return { byLayer, forgotten };
  }
}

/** The writes for an empty index, in portions of at most so many rows; those of the map come first, what makes the index count comes last. */
export function* reindexedWrites(found: Reindexed, rowsPerChange = 1000): Generator<IndexWrites> {
  // Stripes before pages: a page never points at what is not there.
  for (let at = 0; at < found.stripes.length; at += rowsPerChange) {
    yield { stripes: found.stripes.slice(at, at + rowsPerChange) };
  }
  for (let at = 0; at < found.pages.length; at += rowsPerChange) {
    yield { pages: found.pages.slice(at, at + rowsPerChange) };
  }
  for (let at = 0; at < found.blobs.length; at += rowsPerChange) {
    yield { blobs: found.blobs.slice(at, at + rowsPerChange) };
  }
  yield { catalog: found.catalog, appliedLsn: found.appliedLsn, nextStripeId: found.nextStripeId };
}

/** What it was merged into, through all merges; undefined where the layer is gone. Without a catalog, every layer stands for itself. */
function layerTargets(catalog: Catalog | undefined): (layer: number) => number | undefined {
  if (catalog === undefined) {
    return (layer) => layer;
  }
  const layers = new Map(catalog.layers.map((layer) => [layer.id, layer]));
  return (id) => {
    let layer = layers.get(id);
    while (layer?.mergedInto !== undefined) {
      layer = layers.get(layer.mergedInto);
    }
    return layer?.state === 'removing' ? undefined : layer?.id;
  };
}

function parentsFirst(layers: readonly number[], catalog: Catalog | undefined): number[] {
  const parents = new Map(catalog?.layers.map((layer) => [layer.id, layer.parent]));
  const depthOf = (layer: number): number => {
    let depth = 0;
    for (let at = parents.get(layer); at !== undefined; at = parents.get(at)) {
      depth += 1;
    }
    return depth;
  };
  const depths = new Map(layers.map((layer) => [layer, depthOf(layer)]));
  return [...layers].sort((a, b) => (depths.get(a) ?? 0) - (depths.get(b) ?? 0));
}

function rowOf(header: ShardHeader, shards: readonly (FoundShard | undefined)[]): StripeRow {
  const { stripeId, shape, codec } = header;
  const places = shards.map(
    (shard): ShardPlace | undefined =>
      shard && {
        drive: shard.drive,
        segment: shard.segment,
        offsetBlocks: shard.offsetBlocks,
        headerBlocks: shard.headerBlocks,
        generation: shard.header.generation,
      },
  );
  return { stripeId, shape, codec, shards: places, liveBytes: 0 };
}

function lossOf(row: StripeRow): { stripeId: number; found: number; needed: number }[] {
  const found = row.shards.filter((shard) => shard !== undefined).length;
  const needed = row.shape.payloadBytes === 0 ? 0 : row.shape.dataShards;
  return found < needed ? [{ stripeId: row.stripeId, found, needed }] : [];
}

/** Of two records of one shard: the one written later; of equal ones, always the same. */
function isNewer(shard: FoundShard, known: FoundShard): boolean {
  const difference =
    shard.header.generation - known.header.generation ||
    shard.drive - known.drive ||
    shard.segment - known.segment ||
    shard.offsetBlocks - known.offsetBlocks;
  return difference > 0;
}

/** An index without rows: all of them are in the work. */
class MemoryView implements IndexView {
  readonly catalog: Catalog;
  readonly appliedLsn = 0;
  readonly #parents: Map<number, number | undefined>;

  constructor(catalog: Catalog) {
    this.catalog = catalog;
    // A merging layer has nothing here, and what its child inherits through it is what it will inherit without it.
    this.#parents = new Map(catalog.layers.map(({ id, parent }) => [id, parent]));
  }

  parentOf(layer: number): number | undefined {
    return this.#parents.get(layer);
  }
  page(): undefined {
    return undefined;
  }
  resolvePage(): LbaPage {
    return emptyPage;
  }
  pages(): [] {
    return [];
  }
  stripe(): undefined {
    return undefined;
  }
  sums(): undefined {
    return undefined;
  }
  blob(): undefined {
    return undefined;
  }
}
