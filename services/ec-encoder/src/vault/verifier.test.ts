import { describe, expect, it } from 'vitest';
import { emptyCatalog } from '../domain/catalog.ts';
import { call, HealWorld } from './heal.fixture.ts';
import { verifyVault } from './verifier.ts';

const createdAt = '2026-01-02T03:04:05.000Z';

async function worldOf() {
  const world = new HealWorld({ dataShards: 2, parityShards: 1, drives: 4 });
  const volume = { volumeId: 1, uuid: 'u', sizeBytes: 2 ** 22, readOnly: false, createdAt };
  world.index.catalog = {
    ...emptyCatalog,
    volumes: [{ ...volume, name: 'data', layer: 2 }],
    snapshots: [{ name: 'monday', volumeId: 1, layer: 1, sizeBytes: 2 ** 22, createdAt }],
    layers: [{ id: 1 }, { id: 2, parent: 1 }],
  };
  await world.write(8, 0);
  await world.write(4, 300);
  const verify = () => verifyVault({ ...world, throttle: async () => undefined, inFlight: (work) => work() }, call());
  return { world, verify };
}

describe('the verification', () => {
  it('reads everything once, also what has to be computed, and changes nothing', async () => {
    const { world, verify } = await worldOf();
    world.drive(world.at(1, 0).drive).become('failed');
    const { changes } = world.index;
    expect(await verify()).toEqual({ bytes: 12 * 4096, unreadableRanges: 0, ranges: [] });
    expect(world.index.changes).toBe(changes);
  });

  it('tells which ranges of which volumes and snapshots cannot be read, to the block', async () => {
    const { world, verify } = await worldOf();
    // Of the second stripe's four blocks the last of each data shard.
    world.corrupt(2, 0, 'data', 4096);
    world.corrupt(2, 1, 'data', 4096);
    const { ranges, unreadableRanges } = await verify();
    const at = { lengthBytes: 4096 };
    expect(unreadableRanges).toBe(4);
    expect(ranges).toEqual([
      { of: 'data', offsetBytes: 301 * 4096, ...at },
      { of: 'data@monday', offsetBytes: 301 * 4096, ...at },
      { of: 'data', offsetBytes: 303 * 4096, ...at },
      { of: 'data@monday', offsetBytes: 303 * 4096, ...at },
    ]);
  });

  it('names only those that show a page, not those that have one of their own', async () => {
    const { world, verify } = await worldOf();
    await world.index.change((see) => ({ writes: { pages: [{ layer: 2, page: 0, value: see.resolvePage(2, 1) }] }, result: undefined }));
    world.corrupt(1, 0);
    world.corrupt(1, 2);
    expect((await verify()).ranges).toEqual([{ of: 'data@monday', offsetBytes: 0, lengthBytes: 4096 }]);
  });

  it('reads blobs, and tells where they cannot be read and where they end too soon', async () => {
    const { world, verify } = await worldOf();
    const part = { part: 0, isLast: true, stripeId: 1, offsetBytes: 100, lengthBytes: 20_000 };
    const blob = { sizeBytes: 20_000, state: 'adopted' as const, createdAt };
    await world.index.change(() => ({
      writes: {
        blobs: [
          { ...blob, blobId: 'a'.repeat(32), parts: [part] },
          { ...blob, blobId: 'b'.repeat(32), parts: [{ ...part, stripeId: 2, lengthBytes: 50, isLast: false }] },
        ],
      },
      result: undefined,
    }));
    expect((await verify()).ranges).toEqual([{ of: `blob:${'b'.repeat(32)}`, offsetBytes: 50, lengthBytes: 0 }]);
    for (const number of [1, 2, 3]) {
      world.drive(number).become('failed');
    }
    expect((await verify()).ranges).toContainEqual({ of: `blob:${'a'.repeat(32)}`, offsetBytes: 0, lengthBytes: 20_000 });
  });

  it('ends with the reason of whoever called', async () => {
    const { world } = await worldOf();
    const signal = AbortSignal.abort(new Error('enough'));
    const verified = verifyVault(
      { ...world, throttle: async () => undefined, inFlight: (work) => work() },
      { signal, report: () => undefined },
    );
    await expect(verified).rejects.toThrow('enough');
  });
});
