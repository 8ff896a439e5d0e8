import { randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterEach, describe, expect, it } from 'vitest';
import type { BlockDevice } from '../adapters/nbd/block-device.ts';
import { type TestVaultFolder, testVaultFolder } from './vault.fixture.ts';
import type { VaultApi } from './vault-api.ts';

const mib = 1024 * 1024;
const blockBytes = 4096;

let folder: TestVaultFolder | undefined;
let vault: VaultApi | undefined;

afterEach(async () => {
  await vault?.close();
  await folder?.remove();
});

async function start(): Promise<VaultApi> {
  folder = await testVaultFolder({ spec: { stripeSizeBytes: 65_536 }, options: { segmentBytes: mib } });
  vault = await folder.open();
  return vault;
}

async function deviceOf(of: VaultApi, name: string): Promise<BlockDevice> {
  const device = (await of.exports.open(name))?.device;
  if (device === undefined) {
    throw new Error(`no export ${name}`);
  }
  return device;
}

async function readAll(device: BlockDevice): Promise<Buffer> {
  const all = Buffer.alloc(device.sizeBytes);
  await device.read(0, all);
  return all;
}

/** What is in the journal goes into stripes, and what is dead is looked for. */
async function settle(of: VaultApi): Promise<void> {
  await of.volumes.snapshot({ volume: 'a', name: 'tidy' });
  await of.volumes.removeSnapshot({ volume: 'a', name: 'tidy' });
}

/** Of all segments of all drives, in bytes. */
async function storedBytes(): Promise<number> {
  let bytes = 0;
  for (let number = 1; number <= 6; number += 1) {
    const segments = join(folder?.drivePath(number) ?? '', 'segments');
    for (const name of await readdir(segments)) {
      bytes += await stat(join(segments, name)).then(
        ({ size }) => size,
        () => 0,
      );
    }
  }
  return bytes;
}

describe('what is dead on the drives', () => {
  it('is given back while it is written to, and no byte of what lives is changed', async () => {
    const of = await start();
    await of.volumes.create({ name: 'a', sizeBytes: 4 * mib });
    const device = await deviceOf(of, 'a');
    const model = randomBytes(4 * mib);
    await device.write(0, [model]);
    await of.volumes.snapshot({ volume: 'a', name: 'kept' });
    const kept = Buffer.from(model);
    await of.blobs.put({
      key: 'blob',
      body: [kept.subarray(0, 300_000)] as unknown as AsyncIterable<Uint8Array>,
      signal: new AbortController().signal,
    });
    const blocks = model.length / blockBytes;
    for (let round = 0; round < 4; round += 1) {
      // Every fifth block or so, each once: writes of one block at the same time have no order.
      const writes = Array.from({ length: blocks / 5 }, async (_, index) => {
        const block = (index * 5 + round) % blocks;
        const data = randomBytes(blockBytes);
        data.copy(model, block * blockBytes);
        await device.write(block * blockBytes, [data]);
      });
      await Promise.all([...writes, settle(of)]);
    }
    // Two layers of 4 MiB at 6/4, a header for each shard, and as much again that may be dead at any time.
    const enoughBytes = 2 * (2 * 4 * mib * 1.5 * 1.35) + 6 * mib;
    await waitUntil(
      async () => {
        await settle(of);
        return (await storedBytes()) < enoughBytes;
      },
      { timeoutMs: 20_000 },
    );
    expect((await readAll(device)).equals(model)).toBe(true);
    expect((await readAll(await deviceOf(of, 'a@kept'))).equals(kept)).toBe(true);
    expect((await of.verify({ signal: new AbortController().signal, report: () => undefined })).errorsFound).toBe(0);
    await vault?.close();
    vault = await folder?.open();
    expect(vault === undefined ? undefined : (await readAll(await deviceOf(vault, 'a'))).equals(model)).toBe(true);
  });

  it('goes with the volume that is deleted', async () => {
    const of = await start();
    await of.volumes.create({ name: 'a', sizeBytes: 8 * mib });
    await of.volumes.create({ name: 'b', sizeBytes: mib });
    const opened = await of.exports.open('a');
    for (let round = 0; round < 2; round += 1) {
      await opened?.device.write(0, [randomBytes(8 * mib)]);
    }
    const before = await storedBytes();
    await expect(of.volumes.remove({ name: 'a' })).rejects.toThrow(/IN_USE/);
    opened?.close();
    await of.volumes.remove({ name: 'a' });
    await waitUntil(async () => (await storedBytes()) < before / 4 && of.status().capacity.mappedBytes === 0, { timeoutMs: 20_000 });
    expect(await of.volumes.list()).toHaveLength(1);
  });
});
