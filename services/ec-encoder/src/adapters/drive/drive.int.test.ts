import * as processes from 'node:child_process';
import { readSync } from 'node:fs';
import { appendFile, cp, mkdir, open, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { expect, onTestFinished, test } from 'vitest';
import { blockBytes } from '../../domain/geometry.ts';
import { allocateShared } from '../shared-buffers.ts';
import { newFolder, openTestDrive, testRecord } from './drive.fixture.ts';
import type { Drive, ScannedRecord } from './drive.ts';

const execFile = promisify(processes.execFile);

async function scanOf(drive: Drive, segment: number, o: { headersOnly?: boolean } = {}): Promise<ScannedRecord[]> {
  const records: ScannedRecord[] = [];
  for await (const record of drive.scan(segment, o)) {
    records.push(record);
  }
  return records;
}

/** `12@3` for the record of stripe 12 at block 3, `bad@5` for a problem. */
function outline(records: readonly ScannedRecord[]): string[] {
  return records.map((record) => `${'header' in record ? record.header.stripeId : 'bad'}@${record.offsetBlocks}`);
}

/** A comparison by the test runner takes seconds for so many bytes. */
function isSame(read: Uint8Array, written: Uint8Array | undefined): boolean {
  return written !== undefined && Buffer.compare(read, written) === 0;
}

async function readBack(drive: Drive, place: { segment: number; offsetBlocks: number }, blocks: number): Promise<Uint8Array> {
  const into = allocateShared(blocks * blockBytes);
  await drive.read({ segment: place.segment, offsetBytes: (place.offsetBlocks + 1) * blockBytes, into });
  return into;
}

const segmentFile = (path: string, segment: number): string => join(path, 'segments', `${String(segment).padStart(8, '0')}.seg`);

test('what was written at once, in many records, reads back, and a scan finds every record in order', async () => {
  const drive = await openTestDrive({ path: await newFolder() });
  const records = Array.from({ length: 200 }, (_, index) => testRecord(index + 1, index % 9));
  const places = await Promise.all(
    records.map((record, index) => drive.write({ ...record, priority: index % 3 === 0 ? 'back' : 'front' })),
  );
  for (const [index, place] of places.entries()) {
    expect(isSame(await readBack(drive, place, index % 9), records[index]?.data)).toBe(true);
  }
  const segments = await drive.segments();
  expect(segments.length).toBeGreaterThan(2);
  expect(segments.filter((segment) => segment.isOpen)).toHaveLength(1);
  const found = (await Promise.all(segments.map((segment) => scanOf(drive, segment.segment)))).flat();
  const ids = found.map((record) => ('header' in record ? record.header.stripeId : 0));
  expect([...ids].sort((a, b) => a - b)).toEqual(records.map((_, index) => index + 1));
  expect(drive.latency().writeP50Ms).toBeGreaterThan(0);
  expect(drive.latency().readP99Ms).toBeGreaterThan(0);
});

test('memory that is not shared is copied, both ways', async () => {
  const drive = await openTestDrive({ path: await newFolder() });
  const { header, data } = testRecord(1, 2);
  const place = await drive.write({ header, data: Uint8Array.from(data) });
  const into = new Uint8Array(2 * blockBytes);
  await drive.read({ segment: place.segment, offsetBytes: blockBytes, into });
  expect(into).toEqual(Uint8Array.from(data));
});

test('a restart begins a new segment, and keeps what was written and who the drive is', async () => {
  const path = await newFolder();
  const first = await openTestDrive({ path });
  const place = await first.write(testRecord(1, 3));
  await first.close();
  await expect(first.write(testRecord(2, 1))).rejects.toThrow(/DRIVE_CLOSED/);
  const second = await openTestDrive({ path, expectedDriveId: first.driveId });
  expect(second.driveId).toBe(first.driveId);
  expect(isSame(await readBack(second, place, 3), testRecord(1, 3).data)).toBe(true);
  expect(await second.write(testRecord(2, 1))).toEqual({ segment: place.segment + 1, offsetBlocks: 0 });
});

test('an empty segment is used for the next records', async () => {
  const path = await newFolder();
  const first = await openTestDrive({ path });
  await first.write(testRecord(1, 1));
  await first.close();
  await writeFile(segmentFile(path, 2), '');
  const second = await openTestDrive({ path });
  expect(await second.write(testRecord(2, 1))).toEqual({ segment: 2, offsetBlocks: 0 });
  expect((await second.segments()).map(({ segment }) => segment)).toEqual([1, 2]);
});

test('a scan passes over torn and damaged records, and over a copy of a record that stands in the wrong place', async () => {
  const path = await newFolder();
  const drive = await openTestDrive({ path });
  for (let stripeId = 1; stripeId <= 6; stripeId += 1) {
    await drive.write(testRecord(stripeId, 2));
  }
  await drive.close();
  const file = await open(segmentFile(path, 1), 'r+');
  const record = Buffer.alloc(3 * blockBytes);
  await file.read(record, 0, record.length, 0);
  // The head of 2; a block of the data of 4; the data of 5 become the record of 1; 6 loses its end.
  await file.write(Buffer.from([1]), 0, 1, 3 * blockBytes + 300);
  await file.write(Buffer.from([1]), 0, 1, 11 * blockBytes + 9);
  await file.write(record, 0, 2 * blockBytes, 13 * blockBytes);
  await file.truncate(17 * blockBytes);
  await file.close();
  const again = await openTestDrive({ path });
  const found = await scanOf(again, 1);
  expect(outline(found)).toEqual(['1@0', 'bad@3', '3@6', 'bad@9', 'bad@12', 'bad@15']);
  expect(found[3]).toMatchObject({ problem: expect.stringContaining('block 1 of the data of shard 0 of stripe 4') });
  expect(outline(await scanOf(again, 1, { headersOnly: true }))).toEqual(['1@0', 'bad@3', '3@6', '4@9', '5@12', 'bad@15']);
});

test('a removed segment is gone after the reads that were queued before it, and its room is free again', async () => {
  const drive = await openTestDrive({ path: await newFolder(), capacityBytes: 64 * 1024 * 1024 });
  const place = await drive.write(testRecord(1, 64));
  const { freeBytes } = drive.space();
  const reads = [1, 2, 3].map(() => readBack(drive, place, 64));
  await drive.removeSegment(place.segment);
  expect((await Promise.all(reads)).every((read) => isSame(read, testRecord(1, 64).data))).toBe(true);
  await expect(readBack(drive, place, 1)).rejects.toThrow(/DRIVE_NO_SEGMENT/);
  expect(drive.state).toBe('online');
  expect((await drive.write(testRecord(2, 1))).segment).toBe(2);
  expect(drive.space().freeBytes).toBe(freeBytes + 63 * blockBytes);
});

test('a full drive takes ordinary writes up to the reserve, and those of a rebuild beyond it', async () => {
  const segmentBytes = 256 * 1024;
  const drive = await openTestDrive({ path: await newFolder(), segmentBytes, capacityBytes: 2 * 1024 * 1024 });
  expect(drive.space()).toEqual({ totalBytes: 8 * segmentBytes, freeBytes: 8 * segmentBytes, reservedBytes: 4 * segmentBytes });
  let stripeId = 0;
  const fill = async (useReserve: boolean): Promise<void> => {
    for (;;) {
      stripeId += 1;
      await drive.write({ ...testRecord(stripeId, 31), useReserve });
    }
  };
  await expect(fill(false)).rejects.toThrow(/DRIVE_NO_SPACE/);
  expect(stripeId).toBe(9);
  await expect(fill(true)).rejects.toThrow(/DRIVE_NO_SPACE/);
  expect(stripeId).toBe(18);
  expect(drive.state).toBe('online');
  await drive.removeSegment(1);
  await drive.removeSegment(2);
  await drive.removeSegment(3);
  await drive.removeSegment(4);
  await drive.removeSegment(5);
  await expect(drive.write(testRecord(99, 31))).resolves.toMatchObject({ offsetBlocks: 0 });
});

test('a file system that is full in the middle of a batch keeps the whole records before it and takes back the torn one', async () => {
  const path = await newFolder();
  // The limit on the size of a file stops the write in its middle as a full disk does.
  const script = `
    import { referenceChecksums } from ${JSON.stringify(new URL('../../domain/codec/crc32c.ts', import.meta.url).href)};
    import { openLocalDrive } from ${JSON.stringify(new URL('./drive.ts', import.meta.url).href)};
    import { encodeShardHeader } from ${JSON.stringify(new URL('../../domain/shard-record.ts', import.meta.url).href)};
    const logger = { warn() {}, debug() {} };
    const drive = await openLocalDrive({ path: process.argv[1], number: 1, vaultId: 'vault-a', create: true, checksums: referenceChecksums, logger });
    const shape = { dataShards: 1, parityShards: 1, shardBytes: 0, payloadBytes: 0 };
    const write = (stripeId) => {
      const header = encodeShardHeader({ stripeId, place: 0, generation: 1, vaultId: 'vault-a', shape, codec: 'isal-compatible', appliedLsn: 0, sums: new Uint32Array(0), effects: [] }, referenceChecksums);
      return drive.write({ header: Buffer.concat([header]), data: Buffer.alloc(8192) });
    };
    const settled = await Promise.allSettled([1, 2, 3, 4].map(write));
    console.log(settled.map((each) => each.status === 'fulfilled' ? each.value.offsetBlocks : each.reason.code).join(), drive.state);
    await drive.close();
  `;
  const node = `ulimit -f 32; exec "$0" --conditions=source --import tsx --input-type=module -e "$1" "$2"`;
  const { stdout } = await execFile('bash', ['-c', node, process.execPath, script, path], { cwd: new URL('../../..', import.meta.url) });
  expect(stdout.trim()).toBe('0,3,DRIVE_NO_SPACE,DRIVE_NO_SPACE online');
  expect((await stat(segmentFile(path, 1))).size).toBe(6 * blockBytes);
});

test('a failed sync fails the drive for good, and what is on it can still be read', async () => {
  const path = await newFolder();
  const first = await openTestDrive({ path });
  const place = await first.write(testRecord(1, 1));
  await first.close();
  // Takes everything and syncs nothing.
  await symlink('/dev/null', segmentFile(path, 2));
  const drive = await openTestDrive({ path });
  const changes: string[] = [];
  drive.onStateChange(({ from, to }) => changes.push(`${from} -> ${to}`));
  await expect(drive.write(testRecord(2, 1))).rejects.toThrow(/DRIVE_SYNC_FAILED/);
  expect(drive.state).toBe('failed');
  await rm(segmentFile(path, 2));
  await expect(drive.write(testRecord(3, 1))).rejects.toThrow(/DRIVE_SYNC_FAILED/);
  await expect(drive.probe()).rejects.toThrow(/DRIVE_SYNC_FAILED/);
  expect(changes).toEqual(['online -> failed']);
  expect(isSame(await readBack(drive, place, 1), testRecord(1, 1).data)).toBe(true);
});

test('an error of the disk makes the drive suspect until a probe finds it well', async () => {
  const path = await newFolder();
  const drive = await openTestDrive({ path });
  // Reading the memory of a process at 0 is an error of input and output.
  await symlink('/proc/self/mem', segmentFile(path, 7));
  const changes: string[] = [];
  drive.onStateChange(({ from, to }) => changes.push(`${from} -> ${to}`));
  await expect(drive.read({ segment: 7, offsetBytes: 0, into: allocateShared(blockBytes) })).rejects.toThrow(/DRIVE_IO.*EIO/);
  expect(drive.state).toBe('suspect');
  await drive.probe();
  expect(changes).toEqual(['online -> suspect', 'suspect -> online']);
  await drive.write(testRecord(2, 1));
});

test('a drive that hangs is late, then suspect, then failed, refuses at once, and is online when it answers', async () => {
  const path = await newFolder();
  const drive = await openTestDrive({ path, deadlineMs: 800, failAfterMs: 300 });
  const place = await drive.write(testRecord(1, 1));
  const fifo = segmentFile(path, 7);
  await execFile('mkfifo', [fifo]);
  const changes: string[] = [];
  drive.onStateChange(({ from, to }) => changes.push(`${from} -> ${to}`));
  const into = allocateShared(blockBytes);
  const hung = drive.read({ segment: 7, offsetBytes: 0, into });
  const behind = drive.write(testRecord(2, 1));
  await expect(hung).rejects.toThrow(/DRIVE_LATE/);
  await expect(behind).rejects.toThrow(/DRIVE_LATE/);
  expect(changes[0]).toBe('online -> suspect');
  await expect(readBack(drive, place, 1)).rejects.toThrow(/an earlier call has not come back/);
  await waitUntil(() => drive.state === 'failed');
  const writer = await open(fifo, 'r+');
  await writer.write(Buffer.alloc(blockBytes, 0xff));
  await waitUntil(() => drive.state === 'online');
  await writer.close();
  // The caller had its memory back before the drive answered, and what was given up before it began was not written.
  expect(into).toEqual(allocateShared(blockBytes));
  expect(changes).toEqual(['online -> suspect', 'suspect -> failed', 'failed -> online']);
  await rm(fifo);
  expect(isSame(await readBack(drive, place, 1), testRecord(1, 1).data)).toBe(true);
  expect(await drive.write(testRecord(3, 1))).toEqual({ segment: place.segment, offsetBlocks: 2 });
});

test('calls of front priority pass those that wait behind, and a removal waits for the reads before it', async () => {
  const path = await newFolder();
  const drive = await openTestDrive({ path });
  const place = await drive.write(testRecord(1, 1));
  const fifo = segmentFile(path, 7);
  await execFile('mkfifo', [fifo]);
  const order: string[] = [];
  const note = (name: string, settled: Promise<unknown>): Promise<unknown> => settled.then(() => order.push(name));
  const into = (): Uint8Array => allocateShared(blockBytes);
  // Holds the thread until all the others are queued; a pipe cannot be read at a position.
  const holding = drive.read({ segment: 7, offsetBytes: 0, into: into() }).catch(() => order.push('held'));
  const queued = [
    note('back write', drive.write({ ...testRecord(2, 1), priority: 'back' })),
    note('back read', drive.read({ segment: place.segment, offsetBytes: 0, into: into(), priority: 'back' })),
    note('removal', drive.removeSegment(place.segment)),
    note('front write', drive.write(testRecord(3, 1))),
    note('front read', drive.read({ segment: place.segment, offsetBytes: 0, into: into() })),
  ];
  const writer = await open(fifo, 'r+');
  await Promise.all([holding, ...queued]);
  await writer.close();
  expect(order).toEqual(['held', 'front read', 'front write', 'back write', 'back read', 'removal']);
});

test('closing a drive that hangs leaves its thread behind', async () => {
  const path = await newFolder();
  const drive = await openTestDrive({ path, deadlineMs: 800 });
  const fifo = segmentFile(path, 1);
  await execFile('mkfifo', [fifo]);
  const reading = drive.read({ segment: 1, offsetBytes: 0, into: allocateShared(1) });
  await expect(reading).rejects.toThrow(/DRIVE_LATE/);
  await drive.close();
  await expect(drive.probe()).rejects.toThrow(/DRIVE_CLOSED/);
  const writer = await open(fifo, 'r+');
  await writer.write('x');
  await writer.close();
});

test('a folder that is moved away fails the drive at the next segment, and its return brings it back', async () => {
  const path = await newFolder();
  const drive = await openTestDrive({ path, segmentBytes: 64 * 1024 });
  await drive.write(testRecord(1, 1));
  await rename(path, `${path}-away`);
  await expect(Promise.all([2, 3].map((stripeId) => drive.write(testRecord(stripeId, 10))))).rejects.toThrow(/DRIVE_GONE/);
  expect(drive.state).toBe('failed');
  await expect(drive.write(testRecord(4, 1))).rejects.toThrow(/DRIVE_GONE/);
  await rename(`${path}-away`, path);
  await waitUntil(() => drive.state === 'online');
  await drive.write(testRecord(5, 10));
});

test('a folder that is moved away is missed though nobody writes', async () => {
  const path = await newFolder();
  const drive = await openTestDrive({ path, checkIntervalMs: 20, failAfterMs: 100 });
  await rename(path, `${path}-away`);
  await waitUntil(() => drive.state === 'failed');
  await rename(`${path}-away`, path);
  await waitUntil(() => drive.state === 'online');
});

test('another drive in the place of the one that was opened is neither written to nor emptied', async () => {
  const path = await newFolder();
  const other = await openTestDrive({ path: `${path}-other`, number: 2 });
  await other.write(testRecord(1, 1));
  await other.close();
  const drive = await openTestDrive({ path });
  await drive.write(testRecord(1, 1));
  await rename(path, `${path}-away`);
  await rename(`${path}-other`, path);
  await expect(drive.removeSegment(1)).rejects.toThrow(/DRIVE_WRONG_DRIVE/);
  expect(drive.state).toBe('failed');
  await expect(drive.write(testRecord(2, 1))).rejects.toThrow(/DRIVE_WRONG_DRIVE/);
  expect(await readdir(join(path, 'segments'))).toEqual(['00000001.seg']);
});

test('a copy of the folder in its place is seen, though it says the same of itself', async () => {
  const path = await newFolder();
  const drive = await openTestDrive({ path });
  await cp(path, `${path}-copy`, { recursive: true });
  await rename(path, `${path}-away`);
  await rename(`${path}-copy`, path);
  await expect(drive.probe()).rejects.toThrow(/DRIVE_WRONG_DRIVE.*copy/);
});

test('a folder that may only be read fails the drive for writes and serves reads', async () => {
  const path = await newFolder();
  const first = await openTestDrive({ path });
  const place = await first.write(testRecord(1, 1));
  const drive = await openTestDrive({ path });
  // Nobody's rights do not reach into our folders.
  if (process.getuid?.() === 0) {
    process.seteuid?.(65_534);
    onTestFinished(() => process.seteuid?.(0));
  }
  await expect(drive.write(testRecord(2, 1))).rejects.toThrow(/DRIVE_READ_ONLY/);
  expect(drive.state).toBe('failed');
  process.seteuid?.(0);
  await waitUntil(() => drive.state === 'online');
  expect(isSame(await readBack(drive, place, 1), testRecord(1, 1).data)).toBe(true);
});

test.each([
  ['of another vault', { vaultId: 'vault-b' }, /DRIVE_OTHER_VAULT/],
  ['with another number', { number: 2 }, /DRIVE_WRONG_DRIVE/],
  ['with another identity', { expectedDriveId: '00000000-0000-4000-8000-000000000000' }, /DRIVE_WRONG_DRIVE/],
] as const)('a drive %s is refused', async (_, options, message) => {
  const path = await newFolder();
  await (await openTestDrive({ path })).close();
  await expect(openTestDrive({ path, ...options })).rejects.toThrow(message);
});

test.each([
  ['a newer format', (text: string) => text.replace('"format": 1', '"format": 2'), /DRIVE_NEWER_FORMAT.*found=2/],
  ['text that was cut', (text: string) => text.slice(0, 40), /DRIVE_BAD_IDENTITY/],
  ['no drive', () => '{"format": 1}', /DRIVE_BAD_IDENTITY/],
] as const)('an identity file with %s is refused', async (_, change, message) => {
  const path = await newFolder();
  await (await openTestDrive({ path })).close();
  const file = join(path, 'couchestor-drive.json');
  await writeFile(file, change(await readFile(file, 'utf8')));
  await expect(openTestDrive({ path })).rejects.toThrow(message);
});

test('a drive is made in an empty folder only, and opened only where it is', async () => {
  const path = await newFolder();
  await expect(openTestDrive({ path, create: false })).rejects.toThrow(/DRIVE_GONE/);
  await mkdir(path);
  await appendFile(join(path, 'photos'), '');
  await expect(openTestDrive({ path })).rejects.toThrow(/DRIVE_NOT_EMPTY.*photos/);
  expect(await readdir(path)).toEqual(['photos']);
});

test('reads of what the page cache has come at once, by a descriptor that is gone when the segment is', async () => {
  const descriptors: number[] = [];
  const readNow = (fd: number, into: Uint8Array, positionBytes: number): number => {
    descriptors.push(fd);
    return readSync(fd, into, 0, into.length, positionBytes);
  };
  const drive = await openTestDrive({ path: await newFolder(), readNow });
  const place = await drive.write(testRecord(1, 2));
  const into = allocateShared(2 * blockBytes);
  expect(drive.readNow({ segment: place.segment, offsetBytes: blockBytes, into })).toBe(true);
  expect(into).toEqual(testRecord(1, 2).data);
  // Where the segment ends it is the thread's business to say so.
  expect(drive.readNow({ segment: place.segment, offsetBytes: 2 * blockBytes, into })).toBe(false);
  expect(drive.readNow({ segment: place.segment + 1, offsetBytes: 0, into })).toBe(false);
  drive.tell('fail');
  expect(drive.state).toBe('failed');
  await expect(drive.write(testRecord(2, 1))).rejects.toThrow(/DRIVE_FAILED/);
  drive.tell('drain');
  expect(drive.state).toBe('draining');
  drive.tell('serve');
  await drive.removeSegment(place.segment);
  expect(drive.readNow({ segment: place.segment, offsetBytes: blockBytes, into })).toBe(false);
  expect(new Set(descriptors).size).toBe(1);
});

test('descriptors of many segments stay within their bound', async () => {
  const path = await newFolder();
  const drive = await openTestDrive({ path, segmentBytes: blockBytes, readNow: (fd, into, at) => readSync(fd, into, 0, into.length, at) });
  const places = await Promise.all(Array.from({ length: 300 }, (_, index) => drive.write(testRecord(index + 1, 0))));
  const into = allocateShared(blockBytes);
  for (const { segment } of places) {
    await drive.read({ segment, offsetBytes: 0, into });
  }
  await drive.segments();
  const held = places.filter(({ segment }) => drive.readNow({ segment, offsetBytes: 0, into })).length;
  expect(held).toBe(128);
  const targets = await execFile('bash', ['-c', `ls -l /proc/${process.pid}/fd | grep -c ${path}/segments`]);
  expect(Number(targets.stdout)).toBeLessThanOrEqual(130);
});

test('a process that is killed in the middle of its writes leaves every record that was acknowledged whole', async () => {
  const path = await newFolder();
  const script = `
    import { referenceChecksums } from ${JSON.stringify(new URL('../../domain/codec/crc32c.ts', import.meta.url).href)};
    import { openLocalDrive } from ${JSON.stringify(new URL('./drive.ts', import.meta.url).href)};
    import { encodeShardHeader } from ${JSON.stringify(new URL('../../domain/shard-record.ts', import.meta.url).href)};
    import { blockSeeds } from ${JSON.stringify(new URL('../../domain/block-seed.ts', import.meta.url).href)};
    import { writeSync } from 'node:fs';
    const logger = { warn() {}, debug() {} };
    const drive = await openLocalDrive({ path: process.argv[1], number: 1, vaultId: 'vault-a', create: true, segmentBytes: 262144, checksums: referenceChecksums, logger });
    const data = Buffer.alloc(8192, 5);
    let stripeId = 0;
    const writeOn = async () => {
      for (;;) {
        stripeId += 1;
        const shard = { stripeId, place: 0, generation: 1 };
        const shape = { dataShards: 1, parityShards: 1, shardBytes: 8192, payloadBytes: 8192 };
        const sums = referenceChecksums.crc32cBlocks(data, 4096, blockSeeds(referenceChecksums, shard, 0, 2));
        const header = encodeShardHeader({ ...shard, vaultId: 'vault-a', shape, codec: 'isal-compatible', appliedLsn: 0, sums, effects: [] }, referenceChecksums);
        const { segment, offsetBlocks } = await drive.write({ header, data });
        writeSync(1, shard.stripeId + '@' + segment + ':' + offsetBlocks + ' ');
      }
    };
    await Promise.all([1, 2, 3, 4, 5, 6].map(writeOn));
  `;
  const flags = ['--conditions=source', '--import', 'tsx', '--input-type=module', '-e', script, path];
  const writer = processes.spawn(process.execPath, flags, {
    cwd: new URL('../../..', import.meta.url),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  writer.stdout.on('data', (text: Buffer) => {
    said += text.toString();
    if (said.length > 4_000) {
      writer.kill('SIGKILL');
    }
  });
  await new Promise((resolve) => writer.once('close', resolve));
  const drive = await openTestDrive({ path, create: false });
  const segments = await drive.segments();
  const found = new Set<string>();
  for (const { segment } of segments) {
    for (const record of await scanOf(drive, segment)) {
      if ('header' in record) {
        found.add(`${record.header.stripeId}@${segment}:${record.offsetBlocks}`);
      }
    }
  }
  const acknowledged = said.split(' ').slice(0, -1);
  expect(acknowledged.length).toBeGreaterThan(100);
  expect(acknowledged.filter((place) => !found.has(place))).toEqual([]);
});
