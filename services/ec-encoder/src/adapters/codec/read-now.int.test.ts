import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canReadNow } from './can-read-now.ts';
import { loadCodecEngines } from './load-codec.ts';
import { builtAddon } from './native.fixture.ts';
import { codecFiles } from './native-files.ts';

const { readNow } = await builtAddon();
const { errno } = constants;
/** The bytes of the file that most of this reads. */
const content = Buffer.from(Array.from({ length: 20_000 }, (_, at) => (at * 31) ^ (at >> 7)));
let dir: string;
let file: FileHandle;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'couchestor-read-now-'));
  file = await open(join(dir, 'content'), 'w+');
  // What was just written is in the page cache.
  await file.write(content);
});

afterAll(async () => {
  await file.close();
  await rm(dir, { recursive: true, force: true });
});

describe('readNow', () => {
  it.each<[string, (bytes: number) => Uint8Array]>([
    ['an ArrayBuffer', (bytes) => new Uint8Array(bytes)],
    ['a part of an ArrayBuffer', (bytes) => new Uint8Array(new ArrayBuffer(bytes + 100), 40, bytes)],
    ['a Buffer of a pool', (bytes) => Buffer.allocUnsafe(bytes)],
    ['a SharedArrayBuffer', (bytes) => new Uint8Array(new SharedArrayBuffer(bytes))],
    ['a part of a SharedArrayBuffer', (bytes) => new Uint8Array(new SharedArrayBuffer(bytes + 9_000), 4_096, bytes)],
    ['a Buffer on a SharedArrayBuffer', (bytes) => Buffer.from(new SharedArrayBuffer(bytes + 8), 3, bytes)],
  ])('fills %s with what the file has there, and leaves what is beside it alone', (_, memory) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9_000 }), fc.nat(10_000), (bytes, position) => {
        const into = memory(bytes);
        const around = new Uint8Array(into.buffer);
        const before = Buffer.from(around);
        expect(readNow(file.fd, into, position)).toBe(bytes);
        content.copy(before, into.byteOffset, position, position + bytes);
        expect(before.equals(around)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('says how much there is before the end of the file, and nothing beyond it', () => {
    const into = new Uint8Array(1_000);
    expect(readNow(file.fd, into, content.length - 10)).toBe(10);
    expect(Buffer.from(into.subarray(0, 10)).equals(content.subarray(-10))).toBe(true);
    expect(into.subarray(10).every((byte) => byte === 0)).toBe(true);
    expect(readNow(file.fd, into, content.length)).toBe(0);
    expect(readNow(file.fd, into, 2 ** 40)).toBe(0);
  });

  it('reads beyond four gigabytes', async () => {
    const path = join(dir, 'sparse');
    const sparse = await open(path, 'w+');
    try {
      const position = 2 ** 33 + 2 ** 32 + 12_345;
      await sparse.write(Buffer.from('far away'), 0, 8, position);
      const into = Buffer.alloc(8);
      expect(readNow(sparse.fd, into, position)).toBe(8);
      expect(into.toString()).toBe('far away');
    } finally {
      await sparse.close();
      await rm(path);
    }
  });

  it('leaves to the caller what would have to be fetched, and reads it once somebody has', async () => {
    const path = join(dir, 'hole');
    const hole = await open(path, 'w+');
    try {
      await hole.truncate(1_000_000);
      const into = new Uint8Array(4_096).fill(7);
      // A file system in memory has nothing to fetch.
      expect([-errno.EAGAIN, 4_096]).toContain(readNow(hole.fd, into, 500_000));
      await hole.read(Buffer.alloc(4_096), 0, 4_096, 500_000);
      expect(readNow(hole.fd, into, 500_000)).toBe(4_096);
      expect(into.every((byte) => byte === 0)).toBe(true);
    } finally {
      await hole.close();
      await rm(path);
    }
  });

  it('answers with the negated error of the system', async () => {
    const into = new Uint8Array(8);
    expect(readNow(0x7fff_fff0, into, 0)).toBe(-errno.EBADF);
    const writeOnly = await open(join(dir, 'content'), 'a');
    try {
      expect(readNow(writeOnly.fd, into, 0)).toBe(-errno.EBADF);
    } finally {
      await writeOnly.close();
    }
    expect(readNow(file.fd, into, Number.MAX_SAFE_INTEGER)).toBeLessThanOrEqual(0);
  });

  it('throws for anything but a file descriptor, memory and a position', () => {
    const gone = new Uint8Array(8);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    const into = new Uint8Array(8);
    const wrong: readonly (readonly unknown[])[] = [
      [],
      [file.fd],
      [file.fd, into],
      [file.fd, into, '0'],
      [file.fd, into, 0n],
      [file.fd, into, -1],
      [file.fd, into, 0.5],
      [file.fd, into, Number.NaN],
      [file.fd, into, Number.POSITIVE_INFINITY],
      [file.fd, into, 2 ** 53],
      [-1, into, 0],
      [0.5, into, 0],
      [2 ** 31, into, 0],
      [2 ** 32 + file.fd, into, 0],
      ['1', into, 0],
      [file.fd, gone, 0],
      [file.fd, new Uint8Array(0), 0],
      [file.fd, new Uint16Array(8), 0],
      [file.fd, new ArrayBuffer(8), 0],
      [file.fd, new DataView(new ArrayBuffer(8)), 0],
      [file.fd, null, 0],
    ];
    for (const args of wrong) {
      expect(() => (readNow as (...all: unknown[]) => number)(...args)).toThrow(
        expect.objectContaining({ name: 'TypeError', code: 'ERR_CODEC_ARGUMENT' }),
      );
    }
    fc.assert(
      fc.property(fc.anything(), fc.anything(), fc.anything(), (...args) => {
        expect(() => (readNow as (...all: unknown[]) => number)(...args)).toThrow(TypeError);
      }),
      { numRuns: 300 },
    );
    expect(into.every((byte) => byte === 0)).toBe(true);
  });

  it('works on other threads too', async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(64));
    const text = `const { workerData: o } = require('node:worker_threads');
      require('node:worker_threads').parentPort.postMessage(require(o.path).readNow(o.fd, o.shared, 100));`;
    const path = (await codecFiles({ env: process.env })).path;
    const worker = new Worker(text, { eval: true, workerData: { path, fd: file.fd, shared } });
    const answer = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await worker.terminate();
    expect(answer).toBe(64);
    expect(Buffer.from(shared).equals(content.subarray(100, 164))).toBe(true);
  });
});

describe('reading at once', () => {
  it('is offered where the add-on was built, and not where it was not', async () => {
    const { readNow: offered } = await loadCodecEngines({ env: process.env });
    expect(offered?.(file.fd, new Uint8Array(8), 0)).toBe(8);
    expect((await loadCodecEngines({ env: { XDG_CACHE_HOME: dir } })).readNow).toBeUndefined();
  });

  it('is not offered where the kernel refuses it', async () => {
    const path = join(dir, 'content');
    for (const code of [errno.ENOSYS, errno.EPERM]) {
      expect(await canReadNow(() => -code, path)).toBe(false);
    }
    // Another file system may know it.
    expect(await canReadNow(() => -errno.EOPNOTSUPP, path)).toBe(true);
    expect(await canReadNow(() => -errno.EAGAIN, path)).toBe(true);
    expect(await canReadNow(readNow, path)).toBe(true);
  });
});
