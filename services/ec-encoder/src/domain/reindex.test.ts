/** The map against flat arrays, and the map made again from the heads of the shards against the map. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyEffects, liveEffects, releaseBlob } from './apply-effects.ts';
import { type Catalog, cloneSnapshot, createSnapshot, createVolume, deleteSnapshot, deleteVolume } from './catalog.ts';
import { nextLayerStep } from './catalog-layers.ts';
import { blockBytes, shapeOf, shardCountOf, storedBytesOf } from './geometry.ts';
import { MemoryIndex } from './index-rows.fixture.ts';
import { pageBlocks, pointerAt } from './lba-page.ts';
import { type FoundShard, Reindex, reindexedWrites } from './reindex.ts';
import type { BlobEffect, BlocksEffect, Effect, ShardHeader, StripeRow, ZeroesEffect } from './stripe.ts';

const volumeBlocks = 3 * pageBlocks - 50;
const createdAt = '2026-01-01T00:00:00.000Z';
const code = { dataShards: 2, parityShards: 1 };

const opArbitrary = fc.record({
  kind: fc.constantFrom(
    'write',
    'write',
    'write',
    'delay',
    'delay',
    'zero',
    'zero',
    'destage',
    'snapshot',
    'clone',
    'deleteSnapshot',
    'deleteVolume',
    'step',
    'compact',
    'compact',
    'forget',
    'putBlob',
    'releaseBlob',
  ),
  which: fc.nat(1000),
  first: fc.nat(volumeBlocks - 1),
  blocks: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: volumeBlocks })),
});
type Op = typeof opArbitrary extends fc.Arbitrary<infer T> ? T : never;

/** Of one layer: which content each block has (0: zeros), and the lsn that it came with. */
interface Flat {
  readonly contents: number[];
  readonly lsns: number[];
}

/** An engine without bytes: contents are numbers, drives are a list of headers. */
class Engine {
  readonly index = new MemoryIndex();
  readonly flats = new Map<string, Flat>();
  readonly payloads = new Map<number, number[]>();
  readonly headers = new Map<number, ShardHeader[]>();
  pending: { effect: BlocksEffect; contents: number[] }[] = [];
  pendingZeroes: ZeroesEffect[] = [];
  lsn = 0;
  content = 0;
  nextStripeId = 1;
  nextName = 1;

  constructor() {
    this.changeCatalog(createVolume(this.index.catalog, { name: 'v', uuid: 'u', sizeBytes: volumeBlocks * blockBytes, createdAt }));
    this.flats.set('v', emptyFlat());
  }

  changeCatalog(catalog: Catalog): void {
    this.addStripe([{ kind: 'catalog', version: catalog.version, json: JSON.stringify(catalog) }], []);
    this.index.apply({ catalog });
  }

  /** The header is on the drives before the index knows. */
  addStripe(effects: readonly Effect[], payload: number[]): { row: StripeRow; sums: Uint32Array[]; effects: readonly Effect[] } {
    const stripeId = this.nextStripeId;
    this.nextStripeId += 1;
    const shape = shapeOf(code, payload.length * blockBytes);
    const sums = Array.from({ length: shardCountOf(shape) }, (_, place) => new Uint32Array(storedBytesOf(shape, place) / blockBytes));
    const shards = sums.map((_, place) => ({ drive: place + 1, segment: 0, offsetBlocks: stripeId * 10, headerBlocks: 1, generation: 0 }));
    this.headers.set(
      stripeId,
      sums.map((ofShard, place) => ({
        vaultId: 'vault',
        stripeId,
        place,
        generation: 0,
        shape,
        codec: 'isal-compatible',
        appliedLsn: this.index.appliedLsn,
        sums: ofShard,
        effects,
      })),
    );
    this.payloads.set(stripeId, payload);
    return { row: { stripeId, shape, codec: 'isal-compatible', shards, liveBytes: 0 }, sums, effects };
  }

  volume(which: number): { name: string; layer: number } {
    const { volumes } = this.index.catalog;
    return volumes[which % volumes.length] ?? expect.unreachable();
  }

  run(op: Op): void {
    const { name, layer } = this.volume(op.which);
    const flat = this.flats.get(name) ?? expect.unreachable();
    const blocks = Math.min(op.blocks, volumeBlocks - op.first);
    if (op.kind === 'write' || op.kind === 'delay') {
      this.lsn += 1;
      const contents = Array.from({ length: blocks }, () => {
        this.content += 1;
        return this.content;
      });
      for (const [at, content] of contents.entries()) {
        flat.contents[op.first + at] = content;
        flat.lsns[op.first + at] = this.lsn;
      }
      const effect: BlocksEffect = { kind: 'blocks', layer, firstBlock: op.first, blocks, offsetBytes: 0, lsn: this.lsn };
      if (op.kind === 'delay') {
        this.pending.push({ effect, contents });
      } else {
        this.index.apply(applyEffects(this.index, { stripe: this.addStripe([effect], contents) }));
      }
    } else if (op.kind === 'zero') {
      this.lsn += 1;
      flat.contents.fill(0, op.first, op.first + blocks);
      flat.lsns.fill(this.lsn, op.first, op.first + blocks);
      this.pendingZeroes.push({ kind: 'zeroes', layer, firstBlock: op.first, blocks, lsn: this.lsn });
    } else if (op.kind === 'destage') {
      this.destage();
    } else if (op.kind === 'snapshot') {
      this.destage();
      const snapshot = this.name('s');
      this.changeCatalog(createSnapshot(this.index.catalog, { volume: name, snapshot, createdAt }));
      this.flats.set(`${name}@${snapshot}`, { contents: [...flat.contents], lsns: [...flat.lsns] });
      flat.lsns.fill(0);
    } else if (op.kind === 'clone' || op.kind === 'deleteSnapshot') {
      const snapshots = this.snapshots();
      const of = snapshots[op.which % Math.max(1, snapshots.length)];
      if (of !== undefined && op.kind === 'clone') {
        const clone = this.name('c');
        this.changeCatalog(cloneSnapshot(this.index.catalog, { ...of, name: clone, uuid: 'u', createdAt }));
        const contents = this.flats.get(`${of.volume}@${of.snapshot}`)?.contents ?? expect.unreachable();
        this.flats.set(clone, { contents: [...contents], lsns: emptyFlat().lsns });
      } else if (of !== undefined) {
        this.changeCatalog(deleteSnapshot(this.index.catalog, of));
        this.flats.delete(`${of.volume}@${of.snapshot}`);
      }
    } else if (op.kind === 'deleteVolume') {
      if (this.index.catalog.volumes.length > 1 && !this.snapshots().some((one) => one.volume === name)) {
        this.destage();
        this.changeCatalog(deleteVolume(this.index.catalog, name));
        this.flats.delete(name);
      }
    } else if (op.kind === 'step') {
      this.step();
    } else if (op.kind === 'compact') {
      this.compact(op.which);
    } else if (op.kind === 'forget') {
      this.forget();
    } else if (op.kind === 'putBlob') {
      const effect: BlobEffect = {
        kind: 'blob',
        blobId: blobId(op.which),
        part: 0,
        isLast: true,
        offsetBytes: 4,
        lengthBytes: blocks * blockBytes - 4,
      };
      this.index.apply(
        applyEffects(this.index, {
          stripe: this.addStripe(
            [effect],
            Array.from({ length: blocks }, () => -1),
          ),
          createdAt,
        }),
      );
    } else {
      this.index.apply(releaseBlob(this.index, blobId(op.which)));
      for (const headers of this.headers.values()) {
        // The reindex cannot know it; see the head of reindex.ts.
        for (const [place, header] of headers.entries()) {
          headers[place] = {
            ...header,
            effects: header.effects.filter((effect) => effect.kind !== 'blob' || effect.blobId !== blobId(op.which)),
          };
        }
      }
    }
  }

  destage(): void {
    const flatOf = new Map(this.index.catalog.volumes.map((volume) => [volume.layer, this.flats.get(volume.name)]));
    // Two stripes at once, the later write first: the order of the lsn counts.
    const stripes = [...this.pending].reverse().map(({ effect, contents }) => this.addStripe([effect], contents));
    if (this.pendingZeroes.length > 0) {
      this.addStripe(this.pendingZeroes, []);
    }
    const isNewest = (layer: number, block: number, lsn: number): boolean => flatOf.get(layer)?.lsns[block] === lsn;
    const zeroes = this.pendingZeroes.flatMap((zero) =>
      Array.from({ length: zero.blocks }, (_, at) => ({ ...zero, firstBlock: zero.firstBlock + at, blocks: 1 })).filter((one) =>
        isNewest(one.layer, one.firstBlock, one.lsn),
      ),
    );
    const isLive = (effect: BlocksEffect, block: number): boolean => isNewest(effect.layer, block, effect.lsn);
    this.index.apply(applyEffects(this.index, { stripes, zeroes, appliedLsn: this.lsn, isLive }));
    this.pending = [];
    this.pendingZeroes = [];
  }

  step(): boolean {
    const step = nextLayerStep(this.index, 1);
    if (step === undefined) {
      return false;
    }
    if (step.writes.catalog === undefined) {
      this.index.apply(step.writes);
    } else {
      this.addStripe([{ kind: 'catalog', version: step.writes.catalog.version, json: JSON.stringify(step.writes.catalog) }], []);
      this.index.apply(step.writes);
    }
    return true;
  }

  compact(which: number): void {
    const ids = [...this.index.stripeRows.values()].filter((row) => row.shape.payloadBytes > 0).map((row) => row.stripeId);
    const stripeId = ids[which % Math.max(1, ids.length)];
    if (stripeId === undefined) {
      return;
    }
    const old = this.headers.get(stripeId)?.[0]?.effects ?? [];
    const blobs = old.filter(
      (effect): effect is BlobEffect => effect.kind === 'blob' && this.index.blob(effect.blobId)?.parts[0]?.stripeId === stripeId,
    );
    const from = this.payloads.get(stripeId) ?? [];
    const payload: number[] = [];
    const live = liveEffects(this.index, stripeId, old).map((effect) => {
      const offsetBytes = payload.length * blockBytes;
      payload.push(...from.slice(effect.offsetBytes / blockBytes, effect.offsetBytes / blockBytes + effect.blocks));
      return { ...effect, offsetBytes };
    });
    const moved = blobs.map((effect) => {
      const offsetBytes = payload.length * blockBytes + effect.offsetBytes;
      payload.push(...from);
      return { ...effect, offsetBytes };
    });
    const isLive = (effect: BlocksEffect, block: number): boolean => {
      const page = this.index.page(effect.layer, Math.floor(block / pageBlocks));
      return page !== undefined && pointerAt(page, block % pageBlocks)?.stripeId === stripeId;
    };
    this.index.apply(applyEffects(this.index, { stripe: this.addStripe([...live, ...moved], payload), isLive, createdAt }));
    expect(this.index.stripe(stripeId)).toBeUndefined();
  }

  /** The drives lose the records of the oldest stripe that is not in the index any more. */
  forget(): void {
    for (const [stripeId, headers] of this.headers) {
      const isOfIndex = this.index.stripeRows.has(stripeId) || (headers[0]?.shape.payloadBytes ?? 0) === 0;
      if (!isOfIndex) {
        this.headers.delete(stripeId);
        return;
      }
    }
  }

  snapshots(): { volume: string; snapshot: string }[] {
    const names = new Map(this.index.catalog.volumes.map((volume) => [volume.volumeId, volume.name]));
    return this.index.catalog.snapshots.map((one) => ({ volume: names.get(one.volumeId) ?? '', snapshot: one.name }));
  }

  name(letter: string): string {
    this.nextName += 1;
    return `${letter}${this.nextName}`;
  }

  check(index: MemoryIndex): void {
    const layers = new Map<string, number>(index.catalog.volumes.map((volume) => [volume.name, volume.layer]));
    const names = new Map(index.catalog.volumes.map((volume) => [volume.volumeId, volume.name]));
    for (const { volumeId, name, layer } of index.catalog.snapshots) {
      layers.set(`${names.get(volumeId)}@${name}`, layer);
    }
    expect([...layers.keys()].sort()).toEqual([...this.flats.keys()].sort());
    for (const [name, layer] of layers) {
      expect(this.contentsOf(index, layer)).toEqual(this.flats.get(name)?.contents);
    }
    checkLiveBytes(index);
  }

  contentsOf(index: MemoryIndex, layer: number): number[] {
    return Array.from({ length: volumeBlocks }, (_, block) => {
      const pointer = pointerAt(index.resolvePage(layer, Math.floor(block / pageBlocks)), block % pageBlocks);
      return pointer === undefined ? 0 : (this.payloads.get(pointer.stripeId)?.[pointer.offsetBlocks] ?? Number.NaN);
    });
  }

  reindexed(): MemoryIndex {
    const reindex = new Reindex();
    for (const header of [...this.headers.values()].flat()) {
      reindex.add(found(header));
    }
    const index = new MemoryIndex();
    for (const writes of reindexedWrites(reindex.finish({ createdAt }), 3)) {
      index.apply(writes);
    }
    return index;
  }
}

describe('the map and its reindex', () => {
  it('show what flat arrays show, whatever was written, zeroed, frozen, cloned, merged, compacted and destaged late', () => {
    fc.assert(
      fc.property(fc.array(opArbitrary, { minLength: 10, maxLength: 60, size: 'max' }), (ops) => {
        const engine = new Engine();
        for (const op of ops) {
          engine.run(op);
        }
        engine.destage();
        engine.check(engine.index);
        engine.check(engine.reindexed());
        while (engine.step()) {
          engine.check(engine.index);
        }
        const again = engine.reindexed();
        engine.check(again);
        const bytesOf = (index: MemoryIndex): unknown =>
          [...index.stripeRows.values()]
            .filter((row) => row.liveBytes > 0)
            .map((row) => [row.stripeId, row.liveBytes])
            .sort();
        expect(bytesOf(again)).toEqual(bytesOf(engine.index));
        expect(again.blobRows).toEqual(engine.index.blobRows);
        expect(again.appliedLsn).toBeLessThanOrEqual(engine.index.appliedLsn);
      }),
      { numRuns: 40 },
    );
  });

  it('keeps what a lost stripe maps, and names it', () => {
    const engine = new Engine();
    engine.run({ kind: 'write', which: 0, first: 0, blocks: 8 });
    engine.run({ kind: 'write', which: 0, first: 4, blocks: 2 });
    const lostId = engine.nextStripeId - 1;
    const reindex = new Reindex();
    for (const header of [...engine.headers.values()].flat()) {
      if (header.stripeId !== lostId || header.place === 2) {
        reindex.add(found(header));
      }
    }
    const result = reindex.finish({ createdAt });
    expect(result.lost).toEqual([{ stripeId: lostId, found: 1, needed: 2 }]);
    expect(result.nextStripeId).toBe(engine.nextStripeId);
    expect(result.pages[0]?.value.runs.map((run) => run.stripeId)).toEqual([lostId - 1, lostId, lostId - 1]);
  });

  it('takes a stripe for one that was never finished where all that was ever written was read', () => {
    const engine = new Engine();
    engine.run({ kind: 'write', which: 0, first: 0, blocks: 8 });
    engine.run({ kind: 'write', which: 0, first: 4, blocks: 2 });
    const tornId = engine.nextStripeId - 1;
    const reindex = new Reindex();
    for (const header of [...engine.headers.values()].flat()) {
      if (header.stripeId !== tornId || header.place === 2) {
        reindex.add(found(header));
      }
    }
    const asked: (readonly unknown[])[] = [];
    const isWhole = (drives: readonly unknown[]) => asked.push(drives) > 0;
    const result = reindex.finish({ createdAt, isWhole });
    expect(asked).toEqual([engine.index.catalog.drives]);
    expect(result.lost).toEqual([]);
    expect(result.nextStripeId).toBe(engine.nextStripeId);
    expect(result.pages[0]?.value.runs.map((run) => run.stripeId)).toEqual([tornId - 1]);
    expect(result.stripes.some(({ row }) => row.stripeId === tornId)).toBe(false);
  });

  it('leaves out a blob that was not put to its end, and what lies behind the end of another', () => {
    const engine = new Engine();
    const put = (which: number, part: number, isLast: boolean) =>
      engine.addStripe([{ kind: 'blob', blobId: blobId(which), part, isLast, offsetBytes: 0, lengthBytes: 100 + part }], [1]);
    put(0, 0, false);
    put(0, 1, false);
    put(1, 0, false);
    put(1, 1, false);
    put(1, 2, true);
    put(1, 0, false);
    put(1, 1, true);
    put(2, 1, true);
    const reindex = new Reindex();
    for (const header of [...engine.headers.values()].flat()) {
      reindex.add(found(header));
    }
    const { blobs, stripes } = reindex.finish({ createdAt });
    expect(blobs.map((blob) => [blob.blobId, blob.sizeBytes, blob.parts.map(({ part }) => part)])).toEqual([[blobId(1), 201, [0, 1]]]);
    expect(stripes.filter(({ row }) => row.liveBytes > 0).map(({ row }) => row.liveBytes)).toEqual([100, 101]);
  });

  it('takes of a shard the record with the highest generation', () => {
    const engine = new Engine();
    engine.run({ kind: 'write', which: 0, first: 0, blocks: 2 });
    const headers = [...engine.headers.values()].flat().filter((header) => header.shape.payloadBytes > 0);
    const reindex = new Reindex();
    for (const header of headers) {
      reindex.add({ ...found(header), header: { ...header, generation: 3 }, drive: 9 });
      reindex.add(found(header));
    }
    expect(reindex.finish({ createdAt }).stripes[0]?.row.shards.map((shard) => shard?.drive)).toEqual([9, 9, 9]);
  });
});

function found(header: ShardHeader): FoundShard {
  return { header, drive: header.place + 1, segment: 0, offsetBlocks: header.stripeId * 10, headerBlocks: 1 };
}

function emptyFlat(): Flat {
  return { contents: new Array<number>(volumeBlocks).fill(0), lsns: new Array<number>(volumeBlocks).fill(0) };
}

function blobId(which: number): string {
  return String(which % 3).padStart(32, '0');
}

function checkLiveBytes(index: MemoryIndex): void {
  const counted = new Map<number, number>();
  for (const { value } of index.pageRows.values()) {
    for (const run of value.runs) {
      counted.set(run.stripeId, (counted.get(run.stripeId) ?? 0) + run.blocks * blockBytes);
    }
  }
  for (const part of [...index.blobRows.values()].flatMap((row) => row.parts)) {
    counted.set(part.stripeId, (counted.get(part.stripeId) ?? 0) + part.lengthBytes);
  }
  const kept = [...index.stripeRows.values()].filter((row) => row.shape.payloadBytes > 0);
  expect(kept.map((row) => [row.stripeId, row.liveBytes]).sort()).toEqual([...counted].sort());
}
