import { fdatasyncSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { beforeEach, expect, test, vi } from 'vitest';
import { blockBytes } from '../../domain/geometry.ts';
import { newFolder, testRecord } from './drive.fixture.ts';
import { DriveFolder, readIdentity } from './drive-folder.ts';
import { SegmentFiles } from './segment-files.ts';
import { ThreadError } from './thread-error.ts';

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  return { ...fs, fdatasyncSync: vi.fn(fs.fdatasyncSync) };
});
const sync = vi.mocked(fdatasyncSync);
beforeEach(() => {
  sync.mockClear();
});

async function newSegmentFiles(segmentBytes: number): Promise<SegmentFiles> {
  const path = await newFolder();
  await mkdir(path);
  const folder = new DriveFolder(path, readIdentity(path, 'identity'));
  return new SegmentFiles({ folder, driveId: '3b0e4f3a-6f0e-4a53-9a0f-0c1d2e3f4a5b', segmentBytes });
}

test('a batch of more pieces than one call takes is written in order and synced once', async () => {
  const files = await newSegmentFiles(1024 * 1024 * 1024);
  const records = Array.from({ length: 1_500 }, (_, index) => testRecord(index + 1, index % 3));
  const places = files.append(records);
  expect(sync).toHaveBeenCalledTimes(1);
  for (const [index, place] of places.entries()) {
    const { header, data } = records[index] ?? { header: new Uint8Array(0), data: new Uint8Array(0) };
    const read = Buffer.alloc(header.length + data.length);
    if (place instanceof ThreadError) {
      throw place;
    }
    files.read({ segment: place.segment, offsetBytes: place.offsetBlocks * blockBytes, into: read });
    expect(read.equals(Buffer.concat([header, data]))).toBe(true);
  }
  files.close();
});

test('a batch that does not fit one segment is synced once in each of them, and a record longer than a segment has its own', async () => {
  const files = await newSegmentFiles(10 * blockBytes);
  const places = files.append([testRecord(1, 3), testRecord(2, 3), testRecord(3, 3), testRecord(4, 30), testRecord(5, 1)]);
  expect(places).toEqual([
    { segment: 1, offsetBlocks: 0 },
    { segment: 1, offsetBlocks: 4 },
    { segment: 2, offsetBlocks: 0 },
    { segment: 3, offsetBlocks: 0 },
    { segment: 4, offsetBlocks: 0 },
  ]);
  expect(sync).toHaveBeenCalledTimes(4);
  expect(files.list().map(({ sizeBytes }) => sizeBytes / blockBytes)).toEqual([8, 4, 31, 2]);
  expect(files.usedBytes).toBe(45 * blockBytes);
  files.close();
});

test('a sync that failed is not tried again, and every record of its batch and later ones is refused', async () => {
  const files = await newSegmentFiles(1024 * 1024);
  files.append([testRecord(1, 1)]);
  sync.mockClear();
  sync.mockImplementationOnce(() => {
    throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
  });
  const failed = files.append([testRecord(2, 1), testRecord(3, 1)]);
  expect(failed.map((each) => each instanceof ThreadError && each.code)).toEqual(['SYNC_FAILED', 'SYNC_FAILED']);
  expect(files.syncFailure?.errno).toBe('EIO');
  const later = files.append([testRecord(4, 1)]);
  expect(later[0]).toBe(files.syncFailure);
  expect(sync).toHaveBeenCalledTimes(1);
  files.close();
});
