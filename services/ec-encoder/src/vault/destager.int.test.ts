/** What becomes of a block of the journal that no copy of it has whole. */
import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IndexStore } from '../adapters/index/index-store.ts';
import { Journal } from '../adapters/journal/journal.ts';
import { SharedPool } from '../adapters/shared-buffers.ts';
import { referenceChecksums } from '../domain/codec/crc32c.ts';
import { Destager } from './destager.ts';
import type { StripeWriter } from './stripe-writer.ts';
import { testVaultFolder } from './vault.fixture.ts';

const blockBytes = 4096;
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'destager-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

const filled = (stamp: number) => Buffer.alloc(blockBytes, stamp);

/** Changes a bit of the block with these contents. */
async function damage(folder: string, stamp: number): Promise<void> {
  for (const name of (await readdir(folder)).filter((each) => each.endsWith('.wal'))) {
    const path = join(folder, name);
    const at = (await readFile(path)).indexOf(filled(stamp));
    if (at >= 0) {
      const file = await open(path, 'r+');
      await file.write(Buffer.from([stamp ^ 1]), 0, 1, at + 100);
      await file.close();
      return;
    }
  }
  throw new Error(`no block of ${stamp} in ${folder}`);
}

describe('a destager', () => {
  let journal: Journal;
  let written: number;
  let writeError: Error | undefined;
  let destager: Destager;

  beforeEach(async () => {
    journal = await Journal.open({
      places: [{ path: dir, domain: 'a' }],
      vaultId: 'v',
      replicationFactor: 1,
      sizeBytes: 1024 * 1024,
      appliedLsn: 0,
      checksums: referenceChecksums,
      logger: quietLogger(),
    });
    written = 0;
    writeError = undefined;
    const write = async () => {
      written += 1;
      if (writeError !== undefined) {
        throw writeError;
      }
      return {};
    };
    destager = new Destager({
      journal,
      index: { appliedLsn: 0, change: async () => undefined } as unknown as IndexStore,
      writer: { write } as unknown as StripeWriter,
      pool: new SharedPool(),
      code: { dataShards: 2, parityShards: 1, stripeSizeBytes: blockBytes * 2 },
      inFlight: (work) => work(),
    });
  });
  afterEach(() => journal.close());

  it('tells of a bad block at once, writes no stripe for nothing again, and goes on when the block was written over', async () => {
    for (let block = 0; block < 8; block += 1) {
      await journal.append({ layer: 1, firstBlock: block, data: [filled(block + 1)] });
    }
    await damage(dir, 6);
    await expect(destager.step()).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT' });
    expect(destager.isJournalCorrupt).toBe(true);
    expect(destager.failing).toMatch(/JOURNAL_CORRUPT.*block 5 of layer 1/);
    const before = written;
    await expect(destager.step()).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT' });
    expect(written).toBe(before);
    await journal.append({ layer: 1, firstBlock: 5, data: [filled(66)] });
    expect(await destager.step()).toBe(true);
    expect([destager.isJournalCorrupt, destager.failing]).toEqual([false, undefined]);
    expect(journal.hasAny(1, 0, 8)).toBe(false);
  });

  it('tells of anything else once it has failed several times, until it succeeds', async () => {
    await journal.append({ layer: 1, firstBlock: 0, data: [filled(1)] });
    writeError = new Error('no drive answers');
    const failing: (string | undefined)[] = [];
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await expect(destager.step()).rejects.toThrow('no drive answers');
      failing.push(destager.failing);
    }
    expect(failing).toEqual([undefined, undefined, 'no drive answers']);
    writeError = undefined;
    await destager.step();
    expect(destager.failing).toBeUndefined();
  });
});

describe('a vault with a bad block in its journal', () => {
  it('reads and takes all other blocks, and is whole again when that one is written over', async () => {
    const folder = await testVaultFolder();
    const vault = await folder.open();
    try {
      await vault.volumes.create({ name: 'a', sizeBytes: 1024 * 1024 });
      const device = (await vault.exports.open('a'))?.device;
      const read = async (block: number) => {
        const into = Buffer.alloc(blockBytes);
        await device?.read(block * blockBytes, into);
        return into[100];
      };
      for (let block = 0; block < 4; block += 1) {
        await device?.write(block * blockBytes, [filled(block + 1)]);
      }
      await damage(join(folder.drivePath(1), 'journal'), 3);
      await expect(vault.volumes.snapshot({ volume: 'a', name: 's' })).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT' });
      await expect(read(2)).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT' });
      await device?.write(7 * blockBytes, [filled(8)]);
      expect([await read(0), await read(1), await read(3), await read(7)]).toEqual([1, 2, 4, 8]);
      await device?.write(2 * blockBytes, [filled(33)]);
      await vault.volumes.snapshot({ volume: 'a', name: 's' });
      expect([await read(0), await read(2), await read(7)]).toEqual([1, 33, 8]);
    } finally {
      await vault.close();
      await folder.remove();
    }
  });
});
