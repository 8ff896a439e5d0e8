import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync, rmSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CodedError } from '@couchestor/shared/errors';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NativeRead } from '../codec/native-addon.ts';
import { JournalError } from './errors.ts';
import { contentOf, kib, optionsFor, stamped, stampOf } from './journal.fixture.ts';
import { type BlockEntry, Journal, type JournalOptions } from './journal.ts';

let dir: string;
let opened: Journal[];
/** That a thread may be waiting to open: a disk that does not answer. */
let pipes: string[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'journal-'));
  opened = [];
  pipes = [];
});
afterEach(async () => {
  // Lets go of who waits to read as well as of who waits to write.
  const readers = pipes.map((pipe) => openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK));
  await Promise.all(opened.map((journal) => journal.close()));
  for (const reader of readers) {
    closeSync(reader);
  }
  await rm(dir, { recursive: true, force: true });
});

async function open(copies: number | readonly string[], more: Partial<JournalOptions> = {}): Promise<Journal> {
  const dirs = typeof copies === 'number' ? Array.from({ length: copies }, (_, copy) => join(dir, `${copy}`)) : copies;
  const journal = await Journal.open(optionsFor(dirs, more));
  opened.push(journal);
  return journal;
}

const append = (journal: Journal, block: number, stamp: number, blocks = 1) =>
  journal.append({ layer: 1, firstBlock: block, data: [stamped(stamp, blocks)] });

/** What a crash would leave at this moment. */
async function crashed(name: string, copies = 1): Promise<string[]> {
  const dirs = Array.from({ length: copies }, (_, copy) => join(dir, `${name}-${copy}`));
  await Promise.all(dirs.map((to, copy) => cp(join(dir, `${copy}`), to, { recursive: true })));
  return dirs;
}

/** Whoever opens this segment waits for somebody at the other end. */
function hang(copy: number, segment: number): void {
  const pipe = join(dir, `${copy}`, `${segment}`.padStart(8, '0').concat('.wal'));
  rmSync(pipe, { force: true });
  execFileSync('mkfifo', [pipe]);
  pipes.push(pipe);
}

/** As if the page cache had everything. */
const cached: NativeRead = (fd, into, at) => readSync(fd, into, 0, into.length, at);

function dataAt(journal: Journal, block: number): BlockEntry {
  const entry = journal.find(1, block);
  if (entry?.kind !== 'data') {
    throw new Error(`no data of block ${block}`);
  }
  return entry;
}

/** The segment that holds these bytes, and where. */
async function findBytes(folder: string, bytes: Uint8Array): Promise<{ path: string; at: number }> {
  for (const name of (await readdir(folder)).filter((each) => each.endsWith('.wal'))) {
    const at = (await readFile(join(folder, name))).indexOf(bytes);
    if (at >= 0) {
      return { path: join(folder, name), at };
    }
  }
  throw new Error(`no segment in ${folder} has these bytes`);
}

async function damage(folder: string, stamp: number): Promise<void> {
  const { path, at } = await findBytes(folder, stamped(stamp).subarray(0, 4096));
  const bytes = await readFile(path);
  bytes[at + 100] = (bytes[at + 100] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

describe('writing and reading', () => {
  test('what was acknowledged is found, and read back', async () => {
    const journal = await open(1);
    const lsn = await append(journal, 3, 7, 2);
    expect(journal.find(1, 3)).toMatchObject({ kind: 'data', lsn });
    expect(journal.lastLsn).toBe(lsn);
    await journal.zero({ layer: 1, firstBlock: 4, blocks: 2 });
    await append(journal, 5, 8);
    expect(await contentOf(journal, 7)).toEqual(['', '', '', '7', 'zero', '8', '']);
  });

  test('a write is not seen before it is acknowledged', async () => {
    const journal = await open(1);
    const written = append(journal, 0, 1);
    expect(journal.find(1, 0)).toBeUndefined();
    await written;
    expect(journal.find(1, 0)).toBeDefined();
  });

  test('a write longer than a record, in odd pieces, is whole', async () => {
    const journal = await open(1);
    const bytes = Buffer.concat(Array.from({ length: 21 }, (_, index) => stamped(index + 1)));
    await journal.append({ layer: 1, firstBlock: 0, data: [bytes.subarray(0, 5), bytes.subarray(5, 9000), bytes.subarray(9000)] });
    expect(await contentOf(journal, 21)).toEqual(Array.from({ length: 21 }, (_, index) => String(index + 1)));
  });

  test('the memory of a write may be used again at once, also where it waits', async () => {
    const journal = await open(1, { sizeBytes: 192 * kib });
    const memory = stamped(0);
    const written = Array.from({ length: 60 }, (_, index) => {
      new Uint32Array(memory.buffer).fill(index + 1);
      return journal.append({ layer: 1, firstBlock: index, data: [memory] });
    });
    await written[20];
    while (journal.lastLsn < 60) {
      const { entries } = journal.collect(journal.lastLsn);
      const into = new Uint8Array(4096);
      for (const entry of entries) {
        await journal.read(entry, into);
        expect(new Uint32Array(into.buffer)[1000]).toBe(entry.block + 1);
      }
      await journal.release(journal.lastLsn);
      await new Promise(setImmediate);
    }
    await Promise.all(written);
  });

  test.each([
    ['part of a block', { layer: 1, firstBlock: 0, data: [new Uint8Array(5)] }],
    ['nothing', { layer: 1, firstBlock: 0, data: [] }],
    ['a block beyond 2^32', { layer: 1, firstBlock: 2 ** 32 - 1, data: [new Uint8Array(8192)] }],
    ['a layer beyond 2^21', { layer: 2 ** 21, firstBlock: 0, data: [new Uint8Array(4096)] }],
  ])('%s is refused', async (_, request) => {
    const journal = await open(1);
    await expect(journal.append(request)).rejects.toMatchObject({ code: 'JOURNAL_BAD_REQUEST' });
  });
});

describe('reading', () => {
  test('what the page cache has is there at once, also after opening again, once a segment was read', async () => {
    const journal = await open(1, { readNow: cached });
    await append(journal, 0, 7);
    const into = new Uint8Array(4096);
    await waitUntil(() => journal.readNow(dataAt(journal, 0), into));
    expect(stampOf(into)).toBe('7');
    await journal.close();
    expect(journal.readNow(dataAt(journal, 0), into)).toBe(false);
    const again = await open(1, { readNow: cached });
    await again.read(dataAt(again, 0), into.fill(0));
    expect(stampOf(into)).toBe('7');
    expect(again.readNow(dataAt(again, 0), into.fill(0))).toBe(true);
    expect(stampOf(into)).toBe('7');
  });

  test.each<[string, NativeRead | undefined]>([
    ['without the add-on', undefined],
    ['where nothing is cached', () => -11],
    ['where part of it is cached', (fd, into, at) => readSync(fd, into, 0, 100, at)],
    ['where it is bad', (_, into) => into.fill(1).length],
  ])('%s nothing is there at once, and the thread reads it', async (_, readNow) => {
    const journal = await open(2, { readNow });
    await append(journal, 0, 7);
    expect(await contentOf(journal, 1)).toEqual(['7']);
    expect(journal.readNow(dataAt(journal, 0), new Uint8Array(4096))).toBe(false);
  });

  test('of what was released is refused, and says so', async () => {
    const journal = await open(1, { readNow: cached });
    await append(journal, 0, 7);
    const released = dataAt(journal, 0);
    for (let block = 1; block < 40; block += 1) {
      await append(journal, block, block);
    }
    await journal.release(journal.lastLsn);
    const into = new Uint8Array(4096);
    expect(journal.readNow(released, into)).toBe(false);
    await expect(journal.read(released, into)).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT', facts: { released: true } });
  });

  test('from a disk that does not answer comes from the other copy meanwhile, and later at once', async () => {
    const written = await open(2);
    for (let block = 0; block < 30; block += 1) {
      await append(written, block, block + 1);
    }
    await written.close();
    const journal = await open(2, { deadlineMs: 2_000 });
    hang(0, 1);
    expect(await contentOf(journal, 30)).toEqual(Array.from({ length: 30 }, (_, block) => String(block + 1)));
    expect(journal.fill().copies.map(({ isLive }) => isLive)).toEqual([true, true]);
  });

  test('from a single disk that does not answer is given up, and the next read does not wait', async () => {
    const written = await open(1);
    for (let block = 0; block < 30; block += 1) {
      await append(written, block, block + 1);
    }
    await written.close();
    const journal = await open(1, { deadlineMs: 200 });
    hang(0, 1);
    const into = stamped(9);
    await expect(journal.read(dataAt(journal, 0), into)).rejects.toMatchObject({ code: 'JOURNAL_LATE' });
    await expect(journal.read(dataAt(journal, 1), into)).rejects.toMatchObject({ code: 'JOURNAL_LATE' });
    expect(stampOf(into)).toBe('9');
  });

  test('heals a block that is bad in one copy', async () => {
    const journal = await open(2);
    await append(journal, 0, 7);
    await damage(join(dir, '0'), 7);
    expect(await contentOf(journal, 1)).toEqual(['7']);
    await waitUntil(() =>
      findBytes(join(dir, '0'), stamped(7)).then(
        () => true,
        () => false,
      ),
    );
    await damage(join(dir, '1'), 7);
    expect(await contentOf(journal, 1)).toEqual(['7']);
  });
});

describe('closing', () => {
  test('drops a copy that hangs, and ends with all on the others', async () => {
    const journal = await open(2, { closeTimeoutMs: 1_000 });
    hang(0, 2);
    const written = Array.from({ length: 30 }, (_, block) => append(journal, block, block + 1));
    await Promise.all([journal.close(), ...written]);
    expect(journal.fill().copies.map(({ isLive }) => isLive)).toEqual([false, true]);
    const alone = await open([join(dir, '1')]);
    expect(await contentOf(alone, 30)).toEqual(Array.from({ length: 30 }, (_, block) => String(block + 1)));
  });

  test('gives up a single copy that hangs: what it has not taken is rejected', async () => {
    const journal = await open(1, { closeTimeoutMs: 300 });
    await append(journal, 30, 31);
    hang(0, 2);
    const written = Promise.allSettled(Array.from({ length: 30 }, (_, block) => append(journal, block, block + 1)));
    await journal.close();
    expect(await written).toMatchObject(Array.from({ length: 30 }, () => ({ status: 'rejected', reason: { code: 'JOURNAL_LATE' } })));
    await expect(append(journal, 0, 1)).rejects.toMatchObject({ code: 'JOURNAL_LATE' });
  });

  test('rejects writes that wait for room before anything else', async () => {
    const journal = await open(1, { sizeBytes: 192 * kib });
    const written = Array.from({ length: 100 }, (_, block) => append(journal, block, block));
    const outcomes = Promise.allSettled(written);
    await waitUntil(() => journal.fill().usedBytes > 180 * kib && journal.lastLsn > 40);
    const order: string[] = [];
    const closed = journal.close().then(() => order.push('closed'));
    await written.at(-1)?.catch(({ code }: CodedError) => order.push(code));
    await closed;
    expect(order).toEqual(['JOURNAL_CLOSED', 'closed']);
    expect((await outcomes).filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(30);
  });
});

describe('room', () => {
  test('writes wait in order while the journal is full, and go on once segments are released', async () => {
    const journal = await open(1, { sizeBytes: 192 * kib });
    const order: number[] = [];
    const written = Array.from({ length: 100 }, async (_, index) => {
      await append(journal, index, index);
      order.push(index);
    });
    await waitUntil(() => journal.fill().usedBytes > 180 * kib && journal.lastLsn > 40);
    expect(order.length).toBeLessThan(60);
    await waitUntil(async () => {
      await journal.release(journal.lastLsn);
      return order.length === 100;
    });
    await Promise.all(written);
    expect(order).toEqual(Array.from({ length: 100 }, (_, index) => index));
    expect((await readdir(join(dir, '0'))).filter((name) => name.endsWith('.wal')).length).toBeLessThanOrEqual(4);
  });

  test('what is released is forgotten, also after opening again', async () => {
    const journal = await open(1);
    const lsns: number[] = [];
    for (let block = 0; block < 50; block += 1) {
      lsns.push(await append(journal, block, block));
    }
    const cut = lsns[39] ?? 0;
    await journal.release(cut);
    const content = await contentOf(journal, 50);
    expect(content).toEqual(lsns.map((lsn, block) => (lsn > cut ? String(block) : '')));
    await journal.close();
    expect(await contentOf(await open(1, { appliedLsn: cut }), 50)).toEqual(content);
  });

  test('what was mapped stays dead after opening again', async () => {
    const journal = await open(1);
    const upTo = await append(journal, 0, 1, 4);
    await append(journal, 1, 2);
    await journal.mapped({ layer: 1, firstBlock: 0, blocks: 3, upTo });
    expect(await contentOf(journal, 4)).toEqual(['', '2', '', '1']);
    await journal.close();
    expect(await contentOf(await open(1), 4)).toEqual(['', '2', '', '1']);
  });
});

describe('opening again', () => {
  test('numbers go on, and everything is there', async () => {
    let stamp = 0;
    for (let life = 0; life < 4; life += 1) {
      const journal = await open(2);
      expect(await contentOf(journal, 30)).toEqual(Array.from({ length: 30 }, (_, block) => (block < life * 5 ? String(block + 1) : '')));
      const before = journal.lastLsn;
      for (let block = 0; block < 5; block += 1) {
        expect(await append(journal, stamp, stamp + 1)).toBeGreaterThan(before);
        stamp += 1;
      }
      await journal.close();
    }
  });

  test('the journal of another vault is refused', async () => {
    await (await open(1)).close();
    await expect(open(1, { vaultId: 'other' })).rejects.toMatchObject({ code: 'JOURNAL_WRONG_VAULT' });
  });

  test('an empty folder is refused where the index knows of a journal, unless the loss is accepted', async () => {
    await expect(open(1, { appliedLsn: 7 })).rejects.toMatchObject({ code: 'JOURNAL_MISSING' });
    const journal = await open(1, { appliedLsn: 7, acceptLoss: true });
    expect(await append(journal, 0, 1)).toBeGreaterThan(8);
  });

  test('a newer format is refused', async () => {
    await (await open(1)).close();
    const path = join(dir, '0', 'journal.json');
    await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), format: 2 }));
    await expect(open(1)).rejects.toMatchObject({ code: 'JOURNAL_NEWER_VERSION' });
  });

  test('a segment that is missing is named as lost, unless it was applied', async () => {
    const journal = await open(1);
    const lsns: number[] = [];
    for (let block = 0; block < 50; block += 1) {
      lsns.push(await append(journal, block, block));
    }
    await journal.close();
    await rm(join(dir, '0', '00000001.wal'));
    const error = await open(1).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'JOURNAL_CORRUPT', facts: { fromLsn: 1 } });
    const appliedLsn = (error as CodedError).facts['toLsn'] as number;
    expect(await contentOf(await open(1, { appliedLsn }), 50)).toEqual(lsns.map((lsn, block) => (lsn > appliedLsn ? String(block) : '')));
  });
});

describe('damage', () => {
  test('a record that later ones call durable is named as lost; once accepted, the rest is there, now and later', async () => {
    const journal = await open(1);
    for (let block = 0; block < 6; block += 1) {
      await append(journal, block, block + 1);
    }
    const [copy = ''] = await crashed('copy');
    await damage(copy, 3);
    await expect(open([copy])).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT', facts: { fromLsn: 5, toLsn: 5, segment: 1 } });
    const survivor = await open([copy], { acceptLoss: true });
    expect(await contentOf(survivor, 6)).toEqual(['1', '2', '', '4', '5', '6']);
    await survivor.close();
    expect(await contentOf(await open([copy]), 6)).toEqual(['1', '2', '', '4', '5', '6']);
  });

  test('after a clean end the last record counts as acknowledged too', async () => {
    const journal = await open(1);
    await append(journal, 0, 1);
    await append(journal, 1, 2);
    await journal.close();
    await damage(join(dir, '0'), 2);
    await expect(open(1)).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT' });
  });

  test('what one copy has is repaired in the other', async () => {
    const journal = await open(2);
    for (let block = 0; block < 6; block += 1) {
      await append(journal, block, block + 1);
    }
    const dirs = await crashed('copy', 2);
    await damage(dirs[0] ?? '', 3);
    await damage(dirs[1] ?? '', 6);
    const repaired = await open(dirs);
    expect(await contentOf(repaired, 6)).toEqual(['1', '2', '3', '4', '5', '6']);
    await repaired.close();
    expect(await contentOf(await open(dirs.slice(0, 1)), 6)).toEqual(['1', '2', '3', '4', '5', '6']);
  });

  test('a block damaged in all copies while the journal is open is refused, and the others are read', async () => {
    const journal = await open(2);
    await append(journal, 1, 2);
    expect(await contentOf(journal, 2)).toEqual(['', '2']);
    await append(journal, 0, 1);
    await damage(join(dir, '0'), 1);
    await damage(join(dir, '1'), 1);
    await expect(contentOf(journal, 1)).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT', facts: { released: false } });
    await append(journal, 0, 3);
    expect(await contentOf(journal, 2)).toEqual(['3', '2']);
  });
});

describe('copies', () => {
  test('one that fails is dropped, and what it lacks is brought to it when it is back', async () => {
    const journal = await open(2);
    const lost: string[] = [];
    journal.onCopyLost(({ path }) => lost.push(path));
    await append(journal, 0, 1);
    await rm(join(dir, '1'), { recursive: true });
    // The next segment cannot be made there.
    for (let block = 1; block < 30; block += 1) {
      await append(journal, block, block + 1);
    }
    expect(lost).toEqual([join(dir, '1')]);
    expect(journal.fill().copies.map(({ isLive }) => isLive)).toEqual([true, false]);
    const content = await contentOf(journal, 30);
    await journal.close();
    const again = await open(2);
    expect(again.fill().copies.map(({ isLive }) => isLive)).toEqual([true, true]);
    await again.close();
    expect(await contentOf(await open([join(dir, '1')]), 30)).toEqual(content);
  });

  test('a stale one is not taken for the truth', async () => {
    const journal = await open(2);
    await append(journal, 0, 1);
    await journal.close();
    const stale = join(dir, 'stale');
    await cp(join(dir, '1'), stale, { recursive: true });
    const alone = await open(1);
    await append(alone, 0, 2);
    await alone.close();
    const both = await open([stale, join(dir, '0')]);
    expect(await contentOf(both, 1)).toEqual(['2']);
    await both.close();
    expect(await contentOf(await open([stale]), 1)).toEqual(['2']);
  });

  test('one that was dropped and knows it is refused alone, unless the loss is accepted', async () => {
    const journal = await open(2);
    await append(journal, 0, 1);
    // A segment that cannot be made, in a folder that can be written.
    await mkdir(join(dir, '1', '00000002.wal'));
    for (let block = 1; block < 30; block += 1) {
      await append(journal, block, block + 1);
    }
    expect(journal.fill().copies.map(({ isLive }) => isLive)).toEqual([true, false]);
    await journal.close();
    await rm(join(dir, '1', '00000002.wal'), { recursive: true });
    await expect(open([join(dir, '1')])).rejects.toMatchObject({ code: 'JOURNAL_STALE' });
    expect(await contentOf(await open([join(dir, '1')], { acceptLoss: true }), 1)).toEqual(['1']);
  });

  test('one that hangs is dropped after the deadline; writes that waited for it are acknowledged then', async () => {
    const journal = await open(2, { deadlineMs: 3_000 });
    hang(1, 2);
    for (let block = 0; block < 30; block += 1) {
      await append(journal, block, block + 1);
    }
    expect(journal.fill().copies).toMatchObject([{ isLive: true }, { isLive: false, reason: 'no answer for 3000 ms' }]);
    expect(await contentOf(journal, 30)).toEqual(Array.from({ length: 30 }, (_, block) => String(block + 1)));
  });

  test('with the last one the journal has failed: later writes are rejected', async () => {
    const journal = await open(1);
    await rm(join(dir, '0'), { recursive: true });
    const written = Array.from({ length: 40 }, (_, block) => append(journal, block, block));
    const settled = await Promise.allSettled(written);
    expect(settled.at(-1)).toMatchObject({ status: 'rejected', reason: { code: 'JOURNAL_FAILED' } });
    expect(JournalError.is(journal.failed, 'FAILED')).toBe(true);
    await expect(append(journal, 0, 1)).rejects.toMatchObject({ code: 'JOURNAL_FAILED' });
  });

  test('there is one for each failure domain at the most, and the status says how many are wanted', async () => {
    const places = ['a', 'b', 'c'].map((name) => ({ path: join(dir, name), domain: name === 'c' ? 'c' : 'ab' }));
    const journal = await open(3, { places, replicationFactor: 3 });
    const { copies, wantedCopies } = journal.fill();
    expect(wantedCopies).toBe(3);
    expect(copies.map(({ path, isLive }) => [path, isLive])).toEqual([
      [join(dir, 'a'), true],
      [join(dir, 'c'), true],
      [join(dir, 'b'), false],
    ]);
  });

  test('a place that cannot be used is told, and the others serve', async () => {
    await writeFile(join(dir, 'file'), '');
    await chmod(join(dir, 'file'), 0o400);
    const journal = await open([join(dir, 'file', 'sub'), join(dir, 'good')]);
    await append(journal, 0, 1);
    expect(journal.fill().copies.map(({ isLive }) => isLive)).toEqual([true, false]);
  });
});
