/** Between the commit of a batch and its flush, a power failure may take it back: nobody but later builds may see it. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { adoptBlob, applyEffects } from '../../domain/apply-effects.ts';
import { createSnapshot, createVolume, emptyCatalog } from '../../domain/catalog.ts';
import { pointerAt } from '../../domain/lba-page.ts';
import { quiet, stripeOf, withFolder } from './index.fixture.ts';
import { RowsStore } from './index-rows-store.ts';
import { IndexStore } from './index-store.ts';

const createdAt = '2026-01-01T00:00:00.000Z';
const [kept, changed, removed, added] = ['1', '2', '3', '4'].map((digit) => digit.repeat(32)) as [string, string, string, string];

interface HeldFlush {
  readonly committed: Promise<void>;
  readonly end: (error?: Error) => void;
}

afterEach(() => {
  vi.restoreAllMocks();
});

/** Of the next write: `committed` resolves when LMDB has it, and it counts as flushed when `end` is called. */
function holdNextFlush(): HeldFlush {
  const write = RowsStore.prototype.write;
  let end: (error?: Error) => void = () => undefined;
  const ended = new Promise<void>((resolve, reject) => {
    end = (error) => (error === undefined ? resolve() : reject(error));
  });
  const committed = new Promise<void>((resolve, reject) => {
    vi.spyOn(RowsStore.prototype, 'write').mockImplementationOnce(async function (this: RowsStore, changes) {
      try {
        const { flushed } = await write.call(this, changes);
        return { flushed: Promise.all([flushed, ended]).then(() => undefined) };
      } catch (error) {
        reject(error);
        throw error;
      } finally {
        resolve();
      }
    });
  });
  return { committed, end };
}

/** All that can be read of it, by key and in order. */
function show(index: IndexStore): Record<string, unknown> {
  const [layers, pages, stripeIds, places] = [
    [1, 2, 3],
    [0, 1, 2, 3, 4, 5],
    [1, 2, 3, 4, 5],
    [0, 1, 2],
  ];
  return {
    appliedLsn: index.appliedLsn,
    nextStripeId: index.nextStripeId,
    catalog: index.catalog,
    counts: index.counts(),
    use: [1, 2, 3, 7].map((drive) => [...index.segmentUse(drive)].sort(([a], [b]) => a - b)),
    parents: layers.map((layer) => index.parentOf(layer)),
    pages: layers.map((layer) => pages.map((page) => index.page(layer, page))),
    resolved: layers.map((layer) => pages.map((page) => index.resolvePage(layer, page))),
    stripes: stripeIds.map((stripeId) => index.stripe(stripeId)),
    sums: stripeIds.map((stripeId) => places.map((place) => index.sums(stripeId, place))),
    blobs: [kept, changed, removed, added].map((blobId) => index.blob(blobId)),
    walkedPages: layers.flatMap((layer) => [index.pages(layer), index.pages(layer, 1, 4), index.pages(layer, 0, 9, 2)]),
    walkedStripes: [[...index.stripes()], [...index.stripes(3)]],
    walkedBlobs: [[...index.blobs()], [...index.blobs(changed)]],
  };
}

/** A row of every kind. */
async function prepare(index: IndexStore): Promise<void> {
  await index.change((see) => ({
    writes: {
      ...applyEffects(see, {
        stripes: [
          stripeOf({ stripeId: 1, layer: 1, firstBlock: 0, blocks: 4, lsn: 1 }),
          stripeOf({ stripeId: 2, layer: 1, firstBlock: 256, blocks: 4, lsn: 2, segment: 2 }),
          stripeOf({ stripeId: 3, layer: 1, firstBlock: 512, blocks: 8, lsn: 3, segment: 3 }),
        ],
      }),
      blobs: [kept, changed, removed].map((blobId) => ({ blobId, sizeBytes: 0, state: 'pending', createdAt, parts: [] })),
      catalog: createVolume(emptyCatalog, { name: 'v', uuid: 'u', sizeBytes: 2 ** 30, createdAt }),
      appliedLsn: 3,
      nextStripeId: 4,
    },
    result: undefined,
  }));
}

/** Overwrites stripe 2 with stripe 4, which takes its last reference; moves a shard of stripe 1; and something of every other kind. */
function changeAll(index: IndexStore): Promise<number> {
  return index.change((see) => {
    const row = see.stripe(1) ?? expect.unreachable();
    const overwrite = applyEffects(see, { stripe: stripeOf({ stripeId: 4, layer: 1, firstBlock: 256, blocks: 5, lsn: 4, segment: 4 }) });
    const there = { drive: 7, segment: 1, offsetBlocks: 0, headerBlocks: 1, generation: 1 };
    return {
      writes: {
        ...overwrite,
        pages: [...(overwrite.pages ?? []), { layer: 2, page: 4, value: see.page(1, 0) ?? expect.unreachable() }],
        removedPages: [{ layer: 1, page: 2 }],
        stripes: [
          ...(overwrite.stripes ?? []),
          {
            row: { ...row, shards: row.shards.map((at, place) => (place === 1 ? there : at)) },
            sums: [undefined, new Uint32Array(2).fill(7)],
          },
        ],
        blobs: [adoptBlob(see, changed) ?? expect.unreachable(), { blobId: added, sizeBytes: 0, state: 'pending', createdAt, parts: [] }],
        removedBlobs: [removed],
        catalog: createSnapshot(see.catalog, { volume: 'v', snapshot: 's', createdAt }),
        appliedLsn: 4,
        nextStripeId: 5,
      },
      result: see.appliedLsn,
    };
  });
}

function withIndex(use: (index: IndexStore, hold: () => HeldFlush, again: () => Promise<IndexStore>) => Promise<void>): Promise<void> {
  return withFolder(async (dir) => {
    const held: HeldFlush[] = [];
    const hold = (): HeldFlush => {
      const flush = holdNextFlush();
      held.push(flush);
      return flush;
    };
    let index = await IndexStore.open({ dir, logger: quiet });
    const again = async (): Promise<IndexStore> => {
      await index.close();
      index = await IndexStore.open({ dir, logger: quiet });
      return index;
    };
    try {
      await use(index, hold, again);
    } finally {
      // What a failed test left; without it, closing would wait.
      for (const { end } of held) {
        end();
      }
      await index.close();
    }
  });
}

describe('a batch that is committed and not flushed', () => {
  it.each([
    ['what was read before', true],
    ['what is read for the first time', false],
  ])('is not seen: %s', (_, isReadBefore) =>
    withIndex(async (first, hold, again) => {
      await prepare(first);
      const old = show(first);
      const index = await again();
      if (isReadBefore) {
        expect(show(index)).toEqual(old);
      }
      const flush = hold();
      const done = changeAll(index);
      await flush.committed;
      expect(show(index)).toEqual(old);
      // Both from the caches by now.
      expect(show(index)).toEqual(old);
      flush.end();
      await done;
      const now = show(index);
      for (const [kind, seen] of Object.entries(now)) {
        expect(seen, kind).not.toEqual(old[kind]);
      }
      expect(pointerAt(index.resolvePage(2, 1), 0)?.stripeId).toBe(4);
      expect([index.stripe(2), index.sums(2, 0), index.sums(1, 1)]).toEqual([undefined, undefined, new Uint32Array(2).fill(7)]);
      expect(show(await again())).toEqual(now);
    }),
  );

  it('keeps the segments of what it replaces in use', () =>
    withIndex(async (index, hold) => {
      await prepare(index);
      const flush = hold();
      const done = changeAll(index);
      await flush.committed;
      expect([...index.segmentUse(1).keys()].sort()).toEqual([0, 2, 3]);
      flush.end();
      await done;
      expect([...index.segmentUse(1).keys()].sort()).toEqual([0, 3, 4]);
    }));

  it('is what later changes are built on, and not before it is flushed', () =>
    withIndex(async (index, hold) => {
      await prepare(index);
      const flush = hold();
      const first = changeAll(index);
      await flush.committed;
      const seen: (number | undefined)[] = [];
      const second = index.change((see) => {
        seen.push(see.appliedLsn, see.stripe(4)?.stripeId, see.stripe(2)?.stripeId);
        return { writes: { appliedLsn: 5 }, result: undefined };
      });
      await new Promise((resolve) => setImmediate(resolve));
      expect(seen).toEqual([]);
      flush.end();
      await Promise.all([first, second]);
      expect(seen).toEqual([4, 4, undefined]);
      expect(index.appliedLsn).toBe(5);
    }));
});

describe('a batch whose flush fails', () => {
  it('is never seen, keeps the segments of old and new in use, and is the last one', () =>
    withIndex(async (first, hold, again) => {
      await prepare(first);
      const { use: _, ...old } = show(first);
      const index = await again();
      const flush = hold();
      const done = changeAll(index);
      await flush.committed;
      flush.end(new Error('the disk is gone'));
      await expect(done).rejects.toMatchObject({ code: 'INDEX_COMMIT_FAILED' });
      expect(index.failed).toMatchObject({ code: 'INDEX_COMMIT_FAILED' });
      await expect(changeAll(index)).rejects.toMatchObject({ code: 'INDEX_COMMIT_FAILED' });
      expect(show(index)).toMatchObject(old);
      expect([...index.segmentUse(1).keys()].sort()).toEqual([0, 2, 3, 4]);
      expect([...index.segmentUse(7).keys()]).toEqual([1]);
    }));
});
