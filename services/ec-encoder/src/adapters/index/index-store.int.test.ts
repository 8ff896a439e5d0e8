import { mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { open as openLmdb } from 'lmdb';
import { describe, expect, it } from 'vitest';
import { adoptBlob, applyEffects, releaseBlob } from '../../domain/apply-effects.ts';
import { createSnapshot, createVolume, emptyCatalog } from '../../domain/catalog.ts';
import { pointerAt } from '../../domain/lba-page.ts';
import { quiet, stripeOf, withFolder } from './index.fixture.ts';
import { IndexStore } from './index-store.ts';

const createdAt = '2026-01-01T00:00:00.000Z';
const volume = { name: 'v', uuid: 'u', sizeBytes: 2 ** 30, createdAt };

function withStore(use: (index: IndexStore, again: () => Promise<IndexStore>, dir: string) => Promise<void>): Promise<void> {
  return withFolder(async (dir) => {
    let index = await IndexStore.open({ dir, logger: quiet });
    const again = async (): Promise<IndexStore> => {
      await index.close();
      index = await IndexStore.open({ dir, logger: quiet });
      return index;
    };
    try {
      await use(index, again, dir);
    } finally {
      await index.close();
    }
  });
}

function write(index: IndexStore, o: Parameters<typeof stripeOf>[0]): Promise<void> {
  return index.change((see) => ({
    writes: applyEffects(see, { stripe: stripeOf(o), appliedLsn: Math.max(see.appliedLsn, o.lsn) }),
    result: undefined,
  }));
}

describe('the index store', () => {
  it('has after a restart what it had before: pages, stripes, sums, blobs, catalog and counts', () =>
    withStore(async (index, again) => {
      await index.change(() => ({ writes: { catalog: createVolume(emptyCatalog, volume) }, result: undefined }));
      await write(index, { stripeId: 1, layer: 1, firstBlock: 250, blocks: 20, lsn: 5 });
      await write(index, { stripeId: 2, layer: 1, firstBlock: 0, blocks: 4, lsn: 6, segment: 3 });
      const blobId = 'ab'.repeat(16);
      const { row, sums } = stripeOf({ stripeId: 3, layer: 1, firstBlock: 0, blocks: 2, lsn: 0 });
      const effects = [{ kind: 'blob', blobId, part: 0, isLast: true, offsetBytes: 5, lengthBytes: 100 }] as const;
      await index.change((see) => ({ writes: applyEffects(see, { stripe: { row, sums, effects }, createdAt }), result: undefined }));
      await index.change((see) => ({ writes: { blobs: [adoptBlob(see, blobId) ?? expect.unreachable()] }, result: undefined }));
      const show = (of: IndexStore): unknown => ({
        vaultId: of.vaultId,
        lsn: of.appliedLsn,
        catalog: of.catalog,
        stripes: [...of.stripes()],
        sums: [of.sums(1, 0), of.sums(1, 2), of.sums(9, 0)],
        pages: of.pages(1),
        blobs: [...of.blobs()],
        counts: of.counts(),
        use: [1, 2, 3].map((drive) => [...of.segmentUse(drive)]),
      });
      const before = show(index);
      const reopened = await again();
      expect(show(reopened)).toEqual(before);
      expect(reopened.counts()).toEqual({ stripes: 3, degradedStripes: 0, deadStripes: 0, mappedBytes: 24 * 4096 + 100 });
      expect(reopened.blob(blobId)).toMatchObject({ state: 'adopted', sizeBytes: 100, createdAt });
      expect(pointerAt(reopened.resolvePage(1, 1), 3)).toEqual({ stripeId: 1, offsetBlocks: 9 });
      expect(reopened.segmentUse(1).get(3)).toEqual({ liveBytes: 4096 + 2 * 4096, records: 1 });
    }));

  it('builds queued changes in order, each on the one before, and one that throws rejects alone', () =>
    withStore(async (index) => {
      const seen: number[] = [];
      const raise = (by: number): Promise<number> =>
        index.change((see) => {
          seen.push(see.appliedLsn);
          if (by === 0) {
            throw new Error('not this one');
          }
          return { writes: { appliedLsn: see.appliedLsn + by }, result: see.appliedLsn + by };
        });
      const results = await Promise.allSettled([raise(1), raise(10), raise(0), raise(100)]);
      expect(seen).toEqual([0, 1, 11, 11]);
      expect(results.map((one) => (one.status === 'fulfilled' ? one.value : String(one.reason)))).toEqual([
        1,
        11,
        'Error: not this one',
        111,
      ]);
      expect(index.appliedLsn).toBe(111);
    }));

  it('removes a stripe in the change that takes its last reference, and its sums with it', () =>
    withStore(async (index, again) => {
      await write(index, { stripeId: 1, layer: 1, firstBlock: 0, blocks: 8, lsn: 1 });
      await write(index, { stripeId: 2, layer: 1, firstBlock: 0, blocks: 4, lsn: 2 });
      expect(index.stripe(1)?.liveBytes).toBe(4 * 4096);
      await write(index, { stripeId: 3, layer: 1, firstBlock: 4, blocks: 4, lsn: 3 });
      const check = (one: IndexStore): void => {
        expect([one.stripe(1), one.sums(1, 0), one.sums(1, 2)]).toEqual([undefined, undefined, undefined]);
        expect(one.counts()).toMatchObject({ stripes: 2, mappedBytes: 8 * 4096 });
      };
      check(index);
      check(await again());
    }));

  it('never shows a page whose stripe is gone, at any moment of a commit', () =>
    withStore(async (index) => {
      await write(index, { stripeId: 1, layer: 1, firstBlock: 0, blocks: 4, lsn: 1 });
      let isDone = false;
      let looks = 0;
      const look = async (): Promise<void> => {
        while (!isDone) {
          const pointer = pointerAt(index.resolvePage(1, 0), 2);
          const row = pointer && index.stripe(pointer.stripeId);
          expect(row?.stripeId).toBe(pointer?.stripeId);
          expect(pointer && index.sums(pointer.stripeId, 0)?.[0]).toBe((pointer?.stripeId ?? 0) * 16);
          looks += 1;
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      const looking = look();
      for (let stripeId = 2; stripeId < 60; stripeId += 1) {
        await write(index, { stripeId, layer: 1, firstBlock: 0, blocks: 4, lsn: stripeId });
      }
      isDone = true;
      await looking;
      expect(looks).toBeGreaterThan(50);
    }));

  it('lets a build walk pages of a layer as the changes before it left them', () =>
    withStore(async (index) => {
      await write(index, { stripeId: 1, layer: 1, firstBlock: 0, blocks: 256 * 3, lsn: 1 });
      const [, , walked] = await Promise.all([
        write(index, { stripeId: 2, layer: 1, firstBlock: 256 * 5, blocks: 1, lsn: 2 }),
        index.change(() => ({ writes: { removedPages: [{ layer: 1, page: 1 }] }, result: undefined })),
        index.change((see) => ({
          result: [see.pages(1), see.pages(1, 1), see.pages(1, 0, 3), see.pages(1, 0, 9, 2)].map((rows) => rows.map((row) => row.page)),
        })),
      ]);
      expect(walked).toEqual([
        [0, 2, 5],
        [2, 5],
        [0, 2],
        [0, 2],
      ]);
      expect(index.pages(1).map((row) => row.page)).toEqual([0, 2, 5]);
    }));

  it('refuses changes that contradict themselves, and writes nothing of them', () =>
    withStore(async (index) => {
      const { row, sums } = stripeOf({ stripeId: 1, layer: 1, firstBlock: 0, blocks: 4, lsn: 1 });
      const bad = [
        { stripes: [{ row }] },
        { stripes: [{ row, sums: sums.slice(0, 2) }] },
        { stripes: [{ row, sums: [...sums.slice(0, 2), new Uint32Array(9)] }] },
        { stripes: [{ row: { ...row, liveBytes: -1 }, sums }] },
        { catalog: { ...emptyCatalog } },
        { pages: [{ layer: 0, page: 0, value: { runs: [] } }] },
      ];
      for (const writes of bad) {
        await expect(index.change(() => ({ writes: { ...writes, appliedLsn: 9 }, result: undefined }))).rejects.toMatchObject({
          code: 'INDEX_BAD_CHANGE',
        });
      }
      expect([index.appliedLsn, index.counts().stripes]).toEqual([0, 0]);
    }));

  it('counts degraded stripes, and takes the sums of a shard that is written anew', () =>
    withStore(async (index) => {
      await write(index, { stripeId: 1, layer: 1, firstBlock: 0, blocks: 4, lsn: 1 });
      const row = index.stripe(1) ?? expect.unreachable();
      const degraded = { ...row, shards: row.shards.map((shard, place) => (place === 1 ? undefined : shard)) };
      await index.change(() => ({ writes: { stripes: [{ row: degraded }] }, result: undefined }));
      expect(index.counts()).toMatchObject({ stripes: 1, degradedStripes: 1 });
      expect(index.segmentUse(2).size).toBe(0);
      const place = { drive: 7, segment: 1, offsetBlocks: 0, headerBlocks: 1, generation: 1 };
      const healed = { ...row, shards: row.shards.map((shard, at) => (at === 1 ? place : shard)) };
      const anew = new Uint32Array(2).fill(77);
      await index.change(() => ({ writes: { stripes: [{ row: healed, sums: [undefined, anew] }] }, result: undefined }));
      expect(index.counts().degradedStripes).toBe(0);
      expect([index.sums(1, 1), index.sums(1, 0)?.[0]]).toEqual([anew, 16]);
      expect(index.segmentUse(7).get(1)?.records).toBe(1);
    }));

  it('gives stripe ids that were never given before, also after a restart without a word', () =>
    withStore(async (index, again) => {
      const give = await index.reserveStripeIds();
      const first = give();
      const given = new Set<number>([first]);
      for (let count = 0; count < 3000; count += 1) {
        given.add(give());
        if (count % 400 === 0) {
          await index.change(() => ({ result: undefined }));
          await index.change(() => ({ writes: { appliedLsn: count }, result: undefined }));
        }
      }
      expect(given.size).toBe(3001);
      const after = await (await again()).reserveStripeIds();
      expect(after()).toBeGreaterThan(Math.max(...given));
    }));

  it('keeps numbering above stripes that a reindex found', () =>
    withStore(async (index) => {
      await index.change(() => ({ writes: { nextStripeId: 5_000_000 }, result: undefined }));
      expect((await index.reserveStripeIds())()).toBe(5_000_000);
    }));

  it('shows a clone of a page only to the layer that changed it', () =>
    withStore(async (index) => {
      await index.change((see) => ({ writes: { catalog: createVolume(see.catalog, volume) }, result: undefined }));
      await write(index, { stripeId: 1, layer: 1, firstBlock: 0, blocks: 4, lsn: 1 });
      await index.change((see) => ({
        writes: { catalog: createSnapshot(see.catalog, { volume: 'v', snapshot: 's', createdAt }) },
        result: undefined,
      }));
      await write(index, { stripeId: 2, layer: 2, firstBlock: 1, blocks: 1, lsn: 2 });
      const stripesOf = (layer: number): (number | undefined)[] =>
        [0, 1, 2].map((block) => pointerAt(index.resolvePage(layer, 0), block)?.stripeId);
      expect([stripesOf(1), stripesOf(2)]).toEqual([
        [1, 1, 1],
        [1, 2, 1],
      ]);
      expect(index.stripe(1)?.liveBytes).toBe(7 * 4096);
    }));

  it('releases a blob with its stripe', () =>
    withStore(async (index) => {
      const { row, sums } = stripeOf({ stripeId: 1, layer: 1, firstBlock: 0, blocks: 4, lsn: 1 });
      const effects = ['aa', 'bb'].map((id, at) => ({
        kind: 'blob' as const,
        blobId: id.repeat(16),
        part: 0,
        isLast: true,
        offsetBytes: at * 50,
        lengthBytes: 50,
      }));
      await index.change((see) => ({ writes: applyEffects(see, { stripe: { row, sums, effects } }), result: undefined }));
      await index.change((see) => ({ writes: releaseBlob(see, 'aa'.repeat(16)), result: undefined }));
      expect([index.stripe(1)?.liveBytes, index.blob('aa'.repeat(16))]).toEqual([50, undefined]);
      await index.change((see) => ({ writes: releaseBlob(see, 'bb'.repeat(16)), result: undefined }));
      expect([index.stripe(1), index.counts().stripes]).toEqual([undefined, 0]);
    }));

  it('walks many stripes in pages', () =>
    withStore(async (index) => {
      const many = Array.from({ length: 700 }, (_, at) => stripeOf({ stripeId: at + 1, layer: 1, firstBlock: at, blocks: 1, lsn: at }));
      await index.change((see) => ({ writes: applyEffects(see, { stripes: many }), result: undefined }));
      expect([...index.stripes()].map((row) => row.stripeId)).toEqual(many.map(({ row }) => row.stripeId));
      expect([...index.stripes(698)].map((row) => row.stripeId)).toEqual([698, 699, 700]);
    }));

  it('makes a backup while running that opens as an index of its own', () =>
    withStore(async (index, _, dir) => {
      await write(index, { stripeId: 1, layer: 1, firstBlock: 0, blocks: 4, lsn: 1 });
      const to = join(dir, 'backup');
      await index.backup(to);
      await write(index, { stripeId: 2, layer: 1, firstBlock: 0, blocks: 4, lsn: 2 });
      const copy = await IndexStore.open({ dir: to, logger: quiet, vaultId: index.vaultId });
      expect([[...copy.stripes()].length, copy.stripe(1)?.liveBytes, copy.appliedLsn]).toEqual([1, 4 * 4096, 1]);
      await copy.close();
    }));
});

describe('the data folder', () => {
  it('is refused where another process, or this one, has it open', () =>
    withStore(async (index, _, dir) => {
      await expect(IndexStore.open({ dir, logger: quiet })).rejects.toMatchObject({ code: 'INDEX_LOCKED', facts: { pid: process.pid } });
      await index.close();
      await index.close();
      expect(() => index.stripe(1)).toThrow(/INDEX_CLOSED/);
      await expect(index.change(() => ({ result: undefined }))).rejects.toMatchObject({ code: 'INDEX_CLOSED' });
      await (await IndexStore.open({ dir, logger: quiet })).close();
      expect((await readdir(dir)).sort()).toEqual(['ballast', 'format', 'index']);
    }));

  it('is refused where it is of another vault, of a newer format, damaged, or without a format', () =>
    withStore(async (index, again, dir) => {
      const { vaultId } = index;
      await index.close();
      await expect(IndexStore.open({ dir, logger: quiet, vaultId: 'other' })).rejects.toMatchObject({ code: 'INDEX_WRONG_VAULT' });
      const format = await readFile(join(dir, 'format'), 'utf8');
      const refusals = [
        [format.replace('"format": 1', '"format": 2'), 'INDEX_NEWER_FORMAT'],
        [format.replace(vaultId, 'another'), 'INDEX_NOT_AN_INDEX'],
        ['{', 'INDEX_NOT_AN_INDEX'],
      ] as const;
      for (const [text, code] of refusals) {
        await writeFile(join(dir, 'format'), text);
        await expect(IndexStore.open({ dir, logger: quiet })).rejects.toMatchObject({ code });
      }
      await writeFile(join(dir, 'format'), format);
      expect((await again()).vaultId).toBe(vaultId);
    }));

  it.each([
    ['the folder is gone', (dir: string) => rm(join(dir, 'index'), { recursive: true })],
    ['the file is gone', (dir: string) => rm(join(dir, 'index', 'data.mdb'))],
    ['the file is empty', (dir: string) => truncate(join(dir, 'index', 'data.mdb'))],
  ])('is not taken for a new one where the index was lost: %s', (_, damage) =>
    withStore(async (index, _again, dir) => {
      await index.close();
      await damage(dir);
      await expect(IndexStore.open({ dir, logger: quiet })).rejects.toMatchObject({ code: 'INDEX_NO_INDEX' });
      // Nor is it the second time, when LMDB has made a file.
      await expect(IndexStore.open({ dir, logger: quiet })).rejects.toMatchObject({ code: 'INDEX_NO_INDEX' });
    }),
  );

  it('is made anew where its making was cut short', () =>
    withFolder(async (dir) => {
      await mkdir(join(dir, 'index'));
      await writeFile(join(dir, 'index', 'data.mdb'), 'half of it');
      await writeFile(join(dir, 'format.new'), '{');
      const index = await IndexStore.open({ dir, logger: quiet });
      expect(index.catalog.volumes).toEqual([]);
      await index.close();
      expect((await readdir(dir)).sort()).toEqual(['ballast', 'format', 'index']);
    }));

  it('has a ballast of 8 MiB', () =>
    withStore(async (_index, _again, dir) => {
      expect((await stat(join(dir, 'ballast'))).size).toBe(8 * 2 ** 20);
    }));

  it('tells of a row that was damaged instead of showing it', () =>
    withStore(async (index, again, dir) => {
      await write(index, { stripeId: 1, layer: 1, firstBlock: 0, blocks: 4, lsn: 1 });
      await index.close();
      const db = openLmdb<Buffer, Buffer>({ path: join(dir, 'index'), noSubdir: false, encoding: 'binary', keyEncoding: 'binary' });
      for (const { key, value } of [...db.getRange({})]) {
        if (key[0] === 'L'.charCodeAt(0)) {
          const damaged = Buffer.from(value);
          damaged.writeUInt8(damaged.readUInt8(3) ^ 1, 3);
          await db.put(key, damaged);
        }
      }
      await db.close();
      const damaged = await again();
      expect(() => damaged.page(1, 0)).toThrow(/ROW_CORRUPT/);
    }));
});
