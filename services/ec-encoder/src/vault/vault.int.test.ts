import { createHash, randomBytes } from 'node:crypto';
import { open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { erasureCodingPolicySpecSchema } from '@couchestor/shared/erasure-coding-policy';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { BlockDevice } from '../adapters/nbd/block-device.ts';
import { reindexVault } from './reindex.ts';
import { restoreVault } from './restore.ts';
import { type TestVaultFolder, type TestVaultOptions, testVaultFolder } from './vault.fixture.ts';
import type { LongCall, VaultApi, VaultEvent } from './vault-api.ts';

const mib = 1024 * 1024;
const call: LongCall = { signal: new AbortController().signal, report: () => undefined };
const noSignal = new AbortController().signal;

let folder: TestVaultFolder | undefined;
let vault: VaultApi | undefined;

afterEach(async () => {
  await vault?.close();
  await folder?.remove();
  vault = undefined;
  folder = undefined;
});

async function start(o: TestVaultOptions = {}): Promise<VaultApi> {
  folder = await testVaultFolder(o);
  vault = await folder.open();
  return vault;
}

async function restart(): Promise<VaultApi> {
  await vault?.close();
  vault = await folder?.open();
  if (vault === undefined) {
    throw new Error('nothing was started');
  }
  return vault;
}

async function deviceOf(of: VaultApi, name: string): Promise<BlockDevice> {
  const opened = await of.exports.open(name);
  if (opened === undefined) {
    throw new Error(`no export ${name}`);
  }
  return opened.device;
}

async function volumeOf(of: VaultApi, o: { name?: string; sizeBytes?: number } = {}): Promise<BlockDevice> {
  const { name = 'a', sizeBytes = 8 * mib } = o;
  await of.volumes.create({ name, sizeBytes });
  return await deviceOf(of, name);
}

async function readAll(device: BlockDevice): Promise<Buffer> {
  const all = Buffer.alloc(device.sizeBytes);
  for (let at = 0; at < all.length; at += mib) {
    await device.read(at, all.subarray(at, Math.min(all.length, at + mib)));
  }
  return all;
}

/** Whatever lies in the journal comes into stripes. */
async function destage(of: VaultApi, name = 'a'): Promise<void> {
  await of.volumes.snapshot({ volume: name, name: 'destaged' });
  await of.volumes.removeSnapshot({ volume: name, name: 'destaged' });
}

function isSame(a: Buffer, b: Buffer): boolean {
  return a.equals(b);
}

async function* chunksOf(bytes: Buffer, chunkBytes = 100_000): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    yield bytes.subarray(at, at + chunkBytes);
  }
}

async function readBlob(of: VaultApi, key: string, range?: { offsetBytes: number; lengthBytes: number }): Promise<Buffer> {
  const found = await of.blobs.get({ key, ...(range === undefined ? {} : { range }) });
  const chunks: Uint8Array[] = [];
  for await (const chunk of found?.body ?? []) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Changes a byte in the middle of every segment of a drive, beyond its first header. */
async function corruptDrive(path: string): Promise<number> {
  let changed = 0;
  for (const name of await readdir(join(path, 'segments'))) {
    const file = await open(join(path, 'segments', name), 'r+');
    const { size } = await file.stat();
    const byte = Buffer.alloc(1);
    for (let at = 4096 + 100; at < size; at += 8192) {
      await file.read(byte, 0, 1, at);
      await file.write(Buffer.from([(byte[0] ?? 0) ^ 0x40]), 0, 1, at);
      changed += 1;
    }
    await file.close();
  }
  return changed;
}

describe('a volume of a vault', () => {
  it('reads zeros where nothing was written, and refuses what lies beyond its end', async () => {
    const device = await volumeOf(await start());
    expect(isSame(await readAll(device), Buffer.alloc(8 * mib))).toBe(true);
    expect(() => device.read(8 * mib - 10, Buffer.alloc(11))).toThrow(/BAD_RANGE/);
    await expect(device.write(8 * mib, [Buffer.alloc(1)])).rejects.toThrow(/BAD_RANGE/);
    expect(await device.status(0, 8 * mib)).toEqual([{ lengthBytes: 8 * mib, isHole: true }]);
  });

  it('is a flat array of bytes under random writes, zeroes, snapshots, destages and restarts', async () => {
    let of = await start();
    let device = await volumeOf(of);
    const model = Buffer.alloc(8 * mib);
    const snapshots = new Map<string, Buffer>();
    const offset = fc.nat({ max: 8 * mib - 1 });
    const length = fc.oneof(fc.constantFrom(1, 511, 4096, 12_288, 65_536, 262_144, mib), fc.integer({ min: 1, max: 300_000 }));
    const step = fc.oneof(
      { weight: 12, arbitrary: fc.record({ kind: fc.constant('write' as const), offset, length, aligned: fc.boolean() }) },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('zero' as const), offset, length, aligned: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('snapshot' as const, 'remove-snapshot' as const, 'restart' as const) }) },
    );
    const steps = fc.sample(step, { numRuns: 200, seed: 20 });
    for (const [number, one] of steps.entries()) {
      if (one.kind === 'write' || one.kind === 'zero') {
        const at = one.aligned ? Math.floor(one.offset / 4096) * 4096 : one.offset;
        const bytes = Math.min(one.aligned ? Math.ceil(one.length / 4096) * 4096 : one.length, model.length - at);
        if (one.kind === 'zero') {
          await device.zero(at, bytes);
          model.fill(0, at, at + bytes);
        } else {
          const data = randomBytes(bytes);
          await device.write(at, [data.subarray(0, bytes >> 1), data.subarray(bytes >> 1)]);
          data.copy(model, at);
        }
      } else if (one.kind === 'snapshot') {
        await of.volumes.snapshot({ volume: 'a', name: `s${number}` });
        snapshots.set(`s${number}`, Buffer.from(model));
      } else if (one.kind === 'remove-snapshot') {
        const [name] = snapshots.keys();
        if (name !== undefined) {
          await of.volumes.removeSnapshot({ volume: 'a', name });
          snapshots.delete(name);
        }
      } else {
        of = await restart();
        device = await deviceOf(of, 'a');
      }
      if (number % 20 === 0) {
        expect(isSame(await readAll(device), model), `after step ${number}`).toBe(true);
      }
    }
    expect(isSame(await readAll(device), model)).toBe(true);
    for (const [name, then] of snapshots) {
      expect(isSame(await readAll(await deviceOf(of, `a@${name}`)), then), `snapshot ${name}`).toBe(true);
    }
  }, 90_000);

  it('keeps what a snapshot saw, and lets a clone of it go its own way', async () => {
    const of = await start();
    const device = await volumeOf(of);
    await device.write(0, [Buffer.alloc(mib, 1)]);
    await of.volumes.snapshot({ volume: 'a', name: 's' });
    await device.write(0, [Buffer.alloc(mib, 2)]);
    await of.volumes.clone({ volume: 'a', snapshot: 's', name: 'b' });
    const clone = await deviceOf(of, 'b');
    await clone.write(4096, [Buffer.alloc(4096, 3)]);
    const first = async (from: BlockDevice) => {
      const bytes = Buffer.alloc(3 * 4096);
      await from.read(0, bytes);
      return [bytes[0], bytes[4096], bytes[8192]];
    };
    expect(await first(device)).toEqual([2, 2, 2]);
    expect(await first(clone)).toEqual([1, 3, 1]);
    const snapshot = await deviceOf(of, 'a@s');
    expect(await first(snapshot)).toEqual([1, 1, 1]);
    await expect(snapshot.write(0, [Buffer.alloc(4096)])).rejects.toThrow(/READ_ONLY/);
    await expect(of.volumes.remove({ name: 'a' })).rejects.toThrow(/IN_USE|HAS_SNAPSHOTS/);
  });

  it('shows zeros, not what was there once, when it grows again after it shrank', async () => {
    const of = await start();
    const device = await volumeOf(of);
    await device.write(4 * mib, [Buffer.alloc(mib, 7)]);
    await expect(of.volumes.resize({ name: 'a', sizeBytes: 4 * mib })).rejects.toThrow(/SHRINK/);
    await of.volumes.resize({ name: 'a', sizeBytes: 4 * mib, force: true });
    await of.volumes.resize({ name: 'a', sizeBytes: 8 * mib });
    const bytes = Buffer.alloc(mib, 1);
    await (await deviceOf(of, 'a')).read(4 * mib, bytes);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  });

  it('takes writes that overlap at the same time, and then shows one of them in each block', async () => {
    const device = await volumeOf(await start());
    await Promise.all(Array.from({ length: 24 }, (_, index) => device.write((index % 3) * 100_000, [Buffer.alloc(300_000, index + 1)])));
    const all = (await readAll(device)).subarray(200_000, 300_000);
    expect(all.every((byte) => byte >= 1 && byte <= 24)).toBe(true);
    const again = (await readAll(device)).subarray(200_000, 300_000);
    expect(isSame(all, again)).toBe(true);
  });
});

describe('a vault that loses drives', () => {
  it('reads all with any two drives failed, rebuilds onto others, and then can lose two more', async () => {
    const of = await start({ drives: 8 });
    const device = await volumeOf(of);
    const data = randomBytes(8 * mib);
    await device.write(0, [data]);
    await destage(of);
    const events: VaultEvent['kind'][] = [];
    of.onEvent(({ kind }) => void events.push(kind));
    await of.drives.fail(1);
    await of.drives.fail(2);
    expect(isSame(await readAll(device), data)).toBe(true);
    const result = await of.rebuild(call);
    expect(result.stripesLost).toBe(0);
    await waitUntil(() => of.status().stripes.degraded === 0);
    await of.drives.fail(3);
    await of.drives.fail(4);
    expect(isSame(await readAll(device), data)).toBe(true);
    expect(new Set(events)).toEqual(new Set([...events, 'drive-failed', 'stripe-degraded', 'stripe-rebuilt']));
  });

  it('names what is lost beyond its parity, reads the rest, and has all again when the drives come back', async () => {
    const of = await start();
    const device = await volumeOf(of);
    const data = randomBytes(8 * mib);
    await device.write(0, [data]);
    for (const number of [1, 2, 3]) {
      const path = folder?.drivePath(number) ?? '';
      await rename(path, `${path}.away`);
    }
    await waitUntil(() => of.status().drives.filter(({ state }) => state === 'failed').length === 3, { timeoutMs: 20_000 });
    await waitUntil(() => of.status().stripes.lost > 0);
    const { health, map } = await of.volumes.show('a');
    expect(health.lost).toBeGreaterThan(0);
    expect(health.lostRanges[0]).toEqual({ offsetBytes: 0, lengthBytes: 8 * mib });
    expect(map).toContain('lost');
    expect(of.status().conditions[0]).toMatchObject({ type: 'Degraded', status: 'True', reason: 'StripesLost' });
    for (const number of [1, 2, 3]) {
      const path = folder?.drivePath(number) ?? '';
      await rename(`${path}.away`, path);
    }
    await waitUntil(() => of.status().stripes.lost === 0 && of.status().stripes.degraded === 0, { timeoutMs: 40_000 });
    expect(isSame(await readAll(device), data)).toBe(true);
  });

  it('returns no byte of a corrupt shard, and the scrub heals it', async () => {
    const of = await start();
    const device = await volumeOf(of);
    const data = randomBytes(8 * mib);
    await device.write(0, [data]);
    expect(await corruptDrive(folder?.drivePath(3) ?? '')).toBeGreaterThan(10);
    expect(await corruptDrive(folder?.drivePath(5) ?? '')).toBeGreaterThan(10);
    expect(isSame(await readAll(device), data)).toBe(true);
    expect(of.status().checksumErrors).toBeGreaterThan(0);
    await of.scrub(call);
    const again = await of.scrub(call);
    expect(again.errorsFound).toBe(0);
    expect((await of.verify(call)).errorsFound).toBe(0);
  });

  it('drains a drive so that it can be taken out, and replaces one that failed', async () => {
    const of = await start({ drives: 7 });
    const device = await volumeOf(of);
    const data = randomBytes(8 * mib);
    await device.write(0, [data]);
    await of.drives.drain(2, call);
    expect(of.drives.list().map(({ number }) => number)).toEqual([1, 3, 4, 5, 6, 7]);
    await rm(folder?.drivePath(2) ?? '', { recursive: true });
    await of.drives.fail(4);
    await of.drives.replace({ number: 4, drive: { path: `${folder?.dir}/new`, domain: {} } }, call);
    expect(of.status()).toMatchObject({ stripes: { degraded: 0, lost: 0 } });
    expect(isSame(await readAll(device), data)).toBe(true);
  });

  it('refuses to empty a drive that stripes cannot do without', async () => {
    const of = await start();
    await volumeOf(of);
    await expect(of.drives.drain(1, call)).rejects.toThrow(/DRIVE_NEEDED/);
  });
});

describe('the policy of a vault', () => {
  it('may ask for another codec, whose stripes are read and rebuilt with two drives failed', async () => {
    const of = await start({ drives: 8, spec: { codec: 'ronomon' } });
    const device = await volumeOf(of, { sizeBytes: 2 * mib });
    const data = randomBytes(2 * mib);
    await device.write(0, [data]);
    await of.drives.fail(1);
    await of.drives.fail(4);
    const part = Buffer.alloc(12_288);
    await device.read(mib + 4096, part);
    expect(isSame(part, data.subarray(mib + 4096, mib + 16_384))).toBe(true);
    expect((await of.rebuild(call)).stripesLost).toBe(0);
    expect((await of.verify(call)).errorsFound).toBe(0);
    expect(isSame(await readAll(device), data)).toBe(true);
  });

  it('stops new stripes where fewer drives are left than minHealthyShards, and reads and journals on', async () => {
    const of = await start({ spec: { minHealthyShards: 5 } });
    const device = await volumeOf(of);
    const data = randomBytes(mib);
    await device.write(0, [data]);
    await of.drives.fail(1);
    const { stripesEncoded } = of.status();
    await of.drives.fail(2);
    await waitUntil(() => of.status().phase === 'readOnly');
    expect(of.status().conditions[0]).toMatchObject({ type: 'Degraded', status: 'True', reason: 'TooFewDrives' });
    await device.write(2 * mib, [data]);
    expect(of.status().stripesEncoded - stripesEncoded).toBeLessThan(2);
    const found = Buffer.alloc(mib);
    await device.read(2 * mib, found);
    expect(isSame(found, data)).toBe(true);
    await device.read(0, found);
    expect(isSame(found, data)).toBe(true);
  });

  it('keeps as many copies of the journal as it says, and goes on with the others when one is lost', async () => {
    const journalConfig = { journalSizeBytes: 8 * mib, replicationFactor: 3, destageInterval: '1h' };
    let of = await start({ spec: { journalConfig } });
    const device = await volumeOf(of);
    const data = randomBytes(4096);
    await device.write(8192, [data]);
    const live = of.status().journal.copies.filter(({ isLive }) => isLive);
    expect(live).toHaveLength(3);
    await of.close();
    await rm(live[0]?.path ?? '', { recursive: true });
    of = await restart();
    const found = Buffer.alloc(4096);
    await (await deviceOf(of, 'a')).read(8192, found);
    expect(isSame(found, data)).toBe(true);
    expect(of.status().journal.copies.filter(({ isLive }) => isLive)).toHaveLength(3);
  });

  it('cannot be exchanged for one with other stripes', async () => {
    await start();
    await vault?.close();
    vault = undefined;
    const spec = erasureCodingPolicySpecSchema.parse({ dataShards: 3 });
    await expect(folder?.open({ policy: { name: 'gold', spec } })).rejects.toThrow(/POLICY_CHANGED/);
  });
});

describe('the index of a vault', () => {
  it('can be made anew from the drives alone, with volumes, snapshots and blobs', async () => {
    let of = await start();
    const device = await volumeOf(of);
    const first = randomBytes(8 * mib);
    await device.write(0, [first]);
    await of.volumes.snapshot({ volume: 'a', name: 's' });
    const second = Buffer.from(first);
    for (let index = 0; index < 40; index += 1) {
      const block = randomBytes(4096);
      block.copy(second, index * 131_072);
      await device.write(index * 131_072, [block]);
    }
    await device.zero(5 * mib, 300_000);
    second.fill(0, 5 * mib, 5 * mib + 300_000);
    const blob = randomBytes(700_000);
    await of.blobs.put({ key: 'blob', body: chunksOf(blob), signal: noSignal });
    await of.close();
    await rm(join(folder?.dir ?? '', 'data', 'index'), { recursive: true });
    const drives = Array.from({ length: 6 }, (_, index) => ({ path: folder?.drivePath(index + 1) ?? '', domain: {} }));
    const result = await reindexVault(
      { dataDir: join(folder?.dir ?? '', 'data'), drives, journal: [], env: process.env, logger: quietLogger() },
      call,
    );
    expect(result).toMatchObject({ stripesLost: 0 });
    of = await restart();
    expect(isSame(await readAll(await deviceOf(of, 'a')), second)).toBe(true);
    expect(isSame(await readAll(await deviceOf(of, 'a@s')), first)).toBe(true);
    expect(isSame(await readBlob(of, 'blob'), blob)).toBe(true);
  });

  it('is backed up while it is served, and restored', async () => {
    let of = await start();
    const device = await volumeOf(of);
    const data = randomBytes(8 * mib);
    await device.write(0, [data.subarray(0, 5_000_000)]);
    const to = join(folder?.dir ?? '', 'backup');
    await device.write(5_000_000, [data.subarray(5_000_000)]);
    await of.backup(to, call);
    await of.close();
    const dataDir = join(folder?.dir ?? '', 'data');
    await expect(restoreVault({ from: to, dataDir, replace: false, logger: quietLogger() }, call)).rejects.toThrow(/INDEX_THERE/);
    await restoreVault({ from: to, dataDir, replace: true, logger: quietLogger() }, call);
    of = await restart();
    expect(isSame(await readAll(await deviceOf(of, 'a')), data)).toBe(true);
  });
});

describe('blobs of a vault', () => {
  it('come back whole and in ranges, small ones packed into few stripes, also with two drives failed', async () => {
    const of = await start();
    const blobs = new Map(Array.from({ length: 60 }, (_, index): [string, Buffer] => [`small-${index}`, randomBytes(1 + index * 67)]));
    blobs.set('large', randomBytes(3_000_000));
    blobs.set('one-stripe', randomBytes(262_144));
    await Promise.all([...blobs].map(([key, body]) => of.blobs.put({ key, body: chunksOf(body), signal: noSignal })));
    const { stripes } = of.status();
    expect(stripes.total).toBeLessThan(30);
    await of.drives.fail(1);
    await of.drives.fail(6);
    for (const [key, body] of blobs) {
      expect(isSame(await readBlob(of, key), body), key).toBe(true);
    }
    const range = { offsetBytes: 262_000, lengthBytes: 600_000 };
    const part = await readBlob(of, 'large', range);
    expect(isSame(part, blobs.get('large')?.subarray(262_000, 862_000) ?? Buffer.alloc(0))).toBe(true);
    await expect(of.blobs.get({ key: 'large', range: { offsetBytes: 2_999_999, lengthBytes: 2 } })).rejects.toThrow(/BAD_RANGE/);
  });

  it('are put, adopted and released as often as one likes, with one effect', async () => {
    const of = await start();
    const body = randomBytes(5_000);
    const put = () => of.blobs.put({ key: 'k', body: chunksOf(body), signal: noSignal });
    const [one, two] = await Promise.all([put(), put()]);
    expect(one).toEqual(two);
    expect(one).toMatchObject({ state: 'pending', sizeBytes: 5_000, blobId: createHash('sha256').update('k').digest('hex').slice(0, 32) });
    expect(await of.blobs.adopt('k')).toMatchObject({ state: 'adopted' });
    expect(await of.blobs.adopt('k')).toMatchObject({ state: 'adopted' });
    expect(await put()).toMatchObject({ state: 'adopted' });
    await of.blobs.release('k');
    await of.blobs.release('k');
    expect(await of.blobs.head('k')).toBeUndefined();
    await expect(of.blobs.adopt('k')).rejects.toThrow(/NO_SUCH_BLOB/);
  });
});

describe('the room of a vault', () => {
  it('is given back after a volume was overwritten, trimmed and deleted', async () => {
    const of = await start();
    const device = await volumeOf(of);
    for (let round = 0; round < 3; round += 1) {
      await device.write(0, [randomBytes(8 * mib)]);
    }
    await device.zero(0, 8 * mib);
    await destage(of);
    expect(of.status().capacity.mappedBytes).toBe(0);
  });
});
