/** A journal of one copy or two, cut short or with bits flipped anywhere, either says what is lost or holds what it should. */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { JournalMap } from '../../domain/journal-map.ts';
import { type RecordFields, recordBytesOf, recordKinds, vaultSeedOf } from '../../domain/journal-record.ts';
import { JournalError } from './errors.ts';
import { kib, lsnsOf, optionsFor, stamped } from './journal.fixture.ts';
import { Journal } from './journal.ts';
import { openLog } from './open-log.ts';
import { replay } from './replay.ts';

const blocks = 12;
const flips = Number(process.env['COUCHESTOR_FLIPS'] ?? 40);
let dir: string;
/** Of the undamaged journal: what it holds after each lsn, and what its last record knows to be durable. */
let states: Map<number, string>;
let records: RecordFields[];

/** Two copies; `crashed` as they are while writing, `ended` after a clean end. */
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'journal-damage-'));
  const dirs = [join(dir, 'live-0'), join(dir, 'live-1')];
  const journal = await Journal.open(optionsFor(dirs));
  for (let index = 0; index < 25; index += 1) {
    const block = (index * 7) % (blocks - 2);
    if (index % 6 === 5) {
      await journal.zero({ layer: 1, firstBlock: block, blocks: 2 });
    } else if (index % 9 === 8) {
      await journal.mapped({ layer: 1, firstBlock: block, blocks: 2, upTo: journal.lastLsn });
    } else {
      await journal.append({ layer: 1, firstBlock: block, data: [stamped(index, 1 + (index % 2))] });
    }
  }
  await cp(join(dir, 'live-0'), join(dir, 'crashed-0'), { recursive: true });
  await cp(join(dir, 'live-1'), join(dir, 'crashed-1'), { recursive: true });
  await journal.close();
  await cp(join(dir, 'live-0'), join(dir, 'ended-0'), { recursive: true });
  await cp(join(dir, 'live-1'), join(dir, 'ended-1'), { recursive: true });
  records = await recordsOf(join(dir, 'ended-0'));
  states = new Map();
  const map = new JournalMap();
  for (const record of records) {
    applyTo(map, record);
    states.set(record.lsn, lsnsOf(map, blocks).join());
  }
});
afterAll(async () => await rm(dir, { recursive: true, force: true }));

function applyTo(map: JournalMap, record: RecordFields): void {
  if (record.kind === recordKinds.data) {
    for (let block = 0; block < record.blocks; block += 1) {
      map.data(record.layer, record.firstBlock + block, record.lsn, 0);
    }
  } else if (record.kind === recordKinds.zero) {
    map.zero(record);
  } else if (record.kind === recordKinds.mapped) {
    map.mapped(record);
  }
}

async function recordsOf(folder: string): Promise<RecordFields[]> {
  const { checksums } = optionsFor([]);
  const found: RecordFields[] = [];
  const names = (await readdir(folder)).filter((name) => name.endsWith('.wal')).sort();
  await replay({
    segments: names.map((name) => Number.parseInt(name, 10)),
    load: async (segment) => [recordBytesOf(new Uint8Array(await readFile(join(folder, `${String(segment).padStart(8, '0')}.wal`))))],
    fromLsn: 1,
    durableLsn: 0,
    acceptedLosses: [],
    acceptLoss: false,
    vaultSeed: vaultSeedOf('vault', checksums),
    checksums,
    onRecord: ({ fields }) => found.push(fields),
  });
  return found;
}

/** Opens the copies, each as its change leaves it. */
async function outcome(
  kind: 'crashed' | 'ended',
  changes: readonly ((folder: string) => Promise<void>)[],
): Promise<{ lastLsn: number; state: string } | 'corrupt'> {
  const folders = changes.map((_, copy) => join(dir, 'changed', String(copy)));
  await rm(join(dir, 'changed'), { recursive: true, force: true });
  await mkdir(join(dir, 'changed'));
  for (const [copy, change] of changes.entries()) {
    await cp(join(dir, `${kind}-${copy}`), folders[copy] ?? '', { recursive: true });
    await change(folders[copy] ?? '');
  }
  const map = new JournalMap();
  try {
    const { end } = await openLog({ ...optionsFor(folders), segmentBytes: 64 * kib, map });
    return { lastLsn: end.nextLsn - 1, state: lsnsOf(map, blocks).join() };
  } catch (error) {
    expect(JournalError.is(error, 'CORRUPT') || JournalError.is(error, 'BAD_FORMAT') || JournalError.is(error, 'NEWER_VERSION')).toBe(true);
    return 'corrupt';
  }
}

const lastLsn = () => records.at(-1)?.lsn ?? 0;
/** The seal; what stands before it is what was written. */
const lastWrite = () => lastLsn() - 1;
const lastSegment = async (folder: string) =>
  (await readdir(folder))
    .filter((name) => name.endsWith('.wal'))
    .sort()
    .at(-1) ?? '';
const flip = (name: string, at: number, bit: number) => async (folder: string) => {
  const path = join(folder, name);
  const bytes = await readFile(path);
  const place = at % bytes.length;
  bytes[place] = (bytes[place] ?? 0) ^ (1 << bit);
  await writeFile(path, bytes);
};
const untouched = async () => undefined;

describe('cut short', () => {
  test('at any place of the last segment, after a clean end: all is there, or the loss is told', async () => {
    const name = await lastSegment(join(dir, 'ended-0'));
    const bytes = (await readFile(join(dir, 'ended-0', name))).length;
    let lost = 0;
    for (let length = 0; length < bytes; length += length % 4096 < 128 ? 64 : 1931) {
      const result = await outcome('ended', [(folder) => truncate(join(folder, name), length)]);
      if (result === 'corrupt') {
        lost += 1;
      } else {
        expect(result.lastLsn).toBeGreaterThanOrEqual(lastWrite());
        expect(result.state).toBe(states.get(lastWrite()));
      }
    }
    expect(lost).toBeGreaterThan(5);
  });

  test('at any place of the last segment, after a crash: what is before it is there', async () => {
    const name = await lastSegment(join(dir, 'crashed-0'));
    const bytes = (await readFile(join(dir, 'crashed-0', name))).length;
    const seen = new Set<number>();
    for (let length = 0; length < bytes; length += length % 4096 < 128 ? 64 : 1931) {
      const result = await outcome('crashed', [(folder) => truncate(join(folder, name), length)]);
      expect(result).not.toBe('corrupt');
      if (result !== 'corrupt') {
        seen.add(result.lastLsn);
        expect(result.state).toBe(states.get(result.lastLsn) ?? states.get(1));
      }
    }
    expect(seen.size).toBeGreaterThan(3);
  });

  test('in one copy of two nothing is lost', async () => {
    const name = await lastSegment(join(dir, 'crashed-0'));
    for (const length of [0, 64, 5_000, 30_000]) {
      const result = await outcome('crashed', [(folder) => truncate(join(folder, name), length), untouched]);
      expect(result).toEqual({ lastLsn: lastWrite(), state: states.get(lastWrite()) });
    }
  });
});

describe('bits flipped', () => {
  const place = fc.record({ segment: fc.nat(), at: fc.nat(), bit: fc.integer({ min: 0, max: 7 }) });
  const flipped = async (folder: string, o: { segment: number; at: number; bit: number }) => {
    const names = (await readdir(folder)).sort();
    return flip(names[o.segment % names.length] ?? '', o.at, o.bit);
  };

  test('after a clean end: all is there, or the loss is told', async () => {
    const run = async (o: { segment: number; at: number; bit: number }) => {
      const result = await outcome('ended', [await flipped(join(dir, 'ended-0'), o)]);
      if (result !== 'corrupt') {
        expect(result.state).toBe(states.get(lastWrite()));
      }
    };
    await fc.assert(fc.asyncProperty(place, run), { numRuns: flips });
  });

  test('after a crash: all that a later record calls durable is there, or the loss is told', async () => {
    const durable = records.filter((record) => record.kind !== recordKinds.seal).at(-1)?.durableLsn ?? 0;
    const run = async (o: { segment: number; at: number; bit: number }) => {
      const result = await outcome('crashed', [await flipped(join(dir, 'crashed-0'), o)]);
      if (result !== 'corrupt') {
        expect(result.lastLsn).toBeGreaterThanOrEqual(durable);
        expect(result.state).toBe(states.get(result.lastLsn));
      }
    };
    await fc.assert(fc.asyncProperty(place, run), { numRuns: flips });
  });

  test('in a segment of one copy of two: all is there', async () => {
    const run = async (o: { segment: number; at: number; bit: number }) => {
      const names = (await readdir(join(dir, 'crashed-0'))).filter((name) => name.endsWith('.wal')).sort();
      const result = await outcome('crashed', [flip(names[o.segment % names.length] ?? '', o.at, o.bit), untouched]);
      expect(result).toEqual({ lastLsn: lastWrite(), state: states.get(lastWrite()) });
    };
    await fc.assert(fc.asyncProperty(place, run), { numRuns: flips / 2 });
  });
});
