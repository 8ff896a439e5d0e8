/** Small programs of which it is known what may be left after the power was lost at any moment, and LMDB. */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ackedBefore, legalState, type StateInput } from './power-loss.ts';
import { type Recording, readRecording } from './recording.ts';
import { acksOf, record } from './run-with-faults.ts';

const states = 250;
let home = '';
let count = 0;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'couchestor-power-'));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** `ack` is there for the program, and `at`, which makes a path of a name. */
async function recordingOf(program: string): Promise<Recording> {
  count += 1;
  const root = join(home, `${count}`, 'root');
  const log = join(home, `${count}`, 'log');
  const text = `
    const fs = require('node:fs');
    const at = (name) => ${JSON.stringify(root)} + '/' + name;
    const acks = fs.openSync(${JSON.stringify(acksOf(root))}, 'a');
    const ack = (line) => fs.writeSync(acks, line + '\\n');
    const sync = (name) => { const fd = fs.openSync(at(name), 'r'); fs.fsyncSync(fd); fs.closeSync(fd); };
    ${program}`;
  const child = await record({ command: process.execPath, args: ['-e', text], root, log });
  expect((await once(child, 'exit'))[0]).toBe(0);
  return readRecording(log);
}

interface Seen {
  readonly at: number;
  readonly acked: string;
  readonly files: Readonly<Record<string, string>>;
}

function* lossesOf(recording: Recording, o: Omit<StateInput, 'seed'> = {}, many = states): Iterable<Seen> {
  for (let seed = 1; seed <= many; seed += 1) {
    const dir = join(home, `state-${seed}`);
    const { at } = legalState(recording, { seed, ...o }, dir);
    const names = readdirSync(dir, { recursive: true, encoding: 'utf8', withFileTypes: true }).filter((entry) => entry.isFile());
    const files = Object.fromEntries(
      names.map((entry) => [
        join(entry.parentPath, entry.name).slice(dir.length + 1),
        readFileSync(join(entry.parentPath, entry.name), 'latin1'),
      ]),
    );
    rmSync(dir, { recursive: true });
    yield { at, acked: ackedBefore(recording, at), files };
  }
}

test('what was synced is there, and what was written after it is there, is not, or is there in part', async () => {
  const recording = await recordingOf(`
    const fd = fs.openSync(at('file'), 'w');
    fs.writeSync(fd, 'A'.repeat(8192), 0); fs.fsyncSync(fd); sync(''); ack('A');
    fs.writeSync(fd, 'B'.repeat(8192), 0); ack('B written');`);
  const outcomes = new Set<string>();
  for (const { acked, files } of lossesOf(recording)) {
    const sectors = (files['file'] ?? '').match(/.{512}/g) ?? [];
    if (acked.includes('A')) {
      expect(sectors.length).toBe(16);
      expect(sectors.every((sector) => sector === 'A'.repeat(512) || sector === 'B'.repeat(512))).toBe(true);
      const kinds = new Set(sectors.map((sector) => sector[0]));
      outcomes.add([...kinds].sort().join('') + (acked.includes('B') ? ' told' : ''));
    }
  }
  expect([...outcomes].sort()).toEqual(['A', 'A told', 'AB', 'AB told', 'B', 'B told']);
});

test('a file whose folder was not synced may be missing, by the rules of ext4 only before it was synced itself', async () => {
  const recording = await recordingOf(`
    fs.mkdirSync(at('folder')); const fd = fs.openSync(at('folder/file'), 'w');
    fs.writeSync(fd, 'text'); fs.fdatasyncSync(fd); ack('file');
    sync('folder'); ack('folder'); sync(''); ack('root');`);
  const missing = { posix: new Set<string>(), ext4: new Set<string>() };
  for (const rules of ['posix', 'ext4'] as const) {
    for (const { acked, files } of lossesOf(recording, { rules })) {
      if (files['folder/file'] === undefined) {
        missing[rules].add(acked);
      } else if (acked !== '') {
        expect(files['folder/file']).toBe('text');
      }
    }
  }
  expect([...missing.posix].sort()).toEqual(['', 'file\n', 'file\nfolder\n']);
  expect([...missing.ext4]).toEqual(['']);
});

test('a name that is given to a new file is the old one or the new one until the folder is synced, and then the new one', async () => {
  const recording = await recordingOf(`
    fs.writeFileSync(at('file'), 'old', { flush: true }); sync(''); ack('old');
    fs.writeFileSync(at('next'), 'new', { flush: true }); fs.renameSync(at('next'), at('file')); ack('renamed'); sync(''); ack('new');`);
  const seen = new Set<string>();
  for (const { acked, files } of lossesOf(recording)) {
    if (acked !== '') {
      seen.add(`${files['file']} after ${acked.trim().split('\n').pop()}`);
    }
  }
  expect([...seen].sort()).toEqual(['new after new', 'new after old', 'new after renamed', 'old after old', 'old after renamed']);
});

test('a file that took a name before it was synced may be empty under it', async () => {
  const recording = await recordingOf(`
    fs.writeFileSync(at('file'), 'old', { flush: true }); sync('');
    fs.writeFileSync(at('next'), 'new'); fs.renameSync(at('next'), at('file')); sync(''); ack('new');`);
  const seen = new Set<string | undefined>();
  for (const { acked, files } of lossesOf(recording)) {
    if (acked !== '') {
      seen.add(files['file']);
    }
  }
  // The length may be there without the bytes.
  expect([...seen].sort()).toEqual(['', '\0\0\0', 'new']);
});

test('what was appended and not synced may be any part of it, and a hole', async () => {
  const recording = await recordingOf(`
    const fd = fs.openSync(at('file'), 'w'); fs.writeSync(fd, 'A'.repeat(4096)); fs.fsyncSync(fd); sync('');
    for (let i = 0; i < 4; i += 1) fs.writeSync(fd, 'B'.repeat(4096)); ack('written');`);
  const lengths = new Set<number>();
  let holes = 0;
  for (const { acked, files } of lossesOf(recording)) {
    const text = files['file'] ?? '';
    if (acked !== '') {
      expect(text).toMatch(/^A{4096}[B\0]*$/);
      lengths.add(text.length / 4096);
      holes += /\0B/.test(text) ? 1 : 0;
    }
  }
  expect([...lengths].sort()).toEqual([1, 2, 3, 4, 5]);
  expect(holes).toBeGreaterThan(0);
});

test('a write through O_DSYNC survives alone', async () => {
  const recording = await recordingOf(`
    fs.writeFileSync(at('file'), '-'.repeat(8192), { flush: true }); sync('');
    const fd = fs.openSync(at('file'), 'r+'); const durable = fs.openSync(at('file'), fs.constants.O_WRONLY | fs.constants.O_DSYNC);
    fs.writeSync(fd, 'A'.repeat(4096), 0); fs.writeSync(durable, 'B'.repeat(4096), 4096); ack('B');`);
  const first = new Set<string>();
  for (const { acked, files } of lossesOf(recording)) {
    if (acked !== '') {
      expect(files['file']?.slice(4096)).toBe('B'.repeat(4096));
      first.add([...new Set(files['file']?.slice(0, 4096))].sort().join(''));
    }
  }
  expect([...first].sort()).toEqual(['-', '-A', 'A']);
});

test('a file that was removed may come back until its folder is synced', async () => {
  const recording = await recordingOf(`
    fs.writeFileSync(at('file'), 'text', { flush: true }); sync(''); ack('there');
    fs.unlinkSync(at('file')); ack('removed'); sync(''); ack('gone');`);
  const seen = new Set<string>();
  for (const { acked, files } of lossesOf(recording)) {
    if (acked !== '') {
      seen.add(`${files['file'] ?? 'nothing'} after ${acked.trim().split('\n').pop()}`);
    }
  }
  expect([...seen].sort()).toEqual([
    'nothing after gone',
    'nothing after removed',
    'nothing after there',
    'text after removed',
    'text after there',
  ]);
});

test('LMDB keeps what it told to be flushed', async () => {
  const lmdb = createRequire(import.meta.url).resolve('lmdb');
  const recording = await recordingOf(`
    const { open } = require(${JSON.stringify(lmdb)});
    (async () => {
      fs.mkdirSync(at('index'));
      const database = open({ path: at('index'), separateFlushed: true, encoding: 'binary', noMemInit: true, safeRestore: true });
      await database.flushed; sync('index'); sync('');
      for (let round = 0; round < 30; round += 1) {
        for (let key = 0; key < 20; key += 1) database.put(String(key), Buffer.alloc(300 + key * 50, round + 1));
        database.put('round', Buffer.from(String(round)));
        await database.flushed;
        ack(String(round));
      }
    })();`);
  const rounds = new Set<string>();
  for (let seed = 1; seed <= 60; seed += 1) {
    const dir = join(home, 'lmdb-state');
    const { at, story } = legalState(recording, { seed }, dir);
    const acked = ackedBefore(recording, at).trim().split('\n').pop() ?? '';
    if (acked !== '') {
      // Its types lack this one: without it, it trusts that the machine did not stop.
      const options = { path: join(dir, 'index'), encoding: 'binary', safeRestore: true } as const;
      const database = open<Buffer, string>(options);
      try {
        const round = Number(String(database.get('round')));
        expect(round, story).toBeGreaterThanOrEqual(Number(acked));
        for (let key = 0; key < 20; key += 1) {
          expect(database.get(String(key))?.equals(Buffer.alloc(300 + key * 50, round + 1)), story).toBe(true);
        }
        rounds.add(acked);
      } finally {
        await database.close();
      }
    }
    rmSync(dir, { recursive: true });
  }
  expect(rounds.size).toBeGreaterThan(5);
});
