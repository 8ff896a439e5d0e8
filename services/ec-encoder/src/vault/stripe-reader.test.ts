import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockBytes } from '../domain/geometry.ts';
import { HealWorld } from './heal.fixture.ts';

const code = { dataShards: 4, parityShards: 2, drives: 6 };

type Harm = 'gone' | 'suspect' | 'corrupt' | 'unreadable';
const harms: readonly Harm[] = ['gone', 'suspect', 'corrupt', 'unreadable'];

async function harmed(o: { blocks: number; harm: readonly { place: number; how: Harm }[]; areCached: boolean }) {
  const world = new HealWorld(code);
  const stripeId = await world.write(o.blocks);
  for (const { place, how } of o.harm) {
    const { drive } = world.at(stripeId, place);
    if (how === 'corrupt') {
      for (let block = 0; block < Math.ceil(o.blocks / code.dataShards); block += 1) {
        world.corrupt(stripeId, place, 'data', block * blockBytes);
      }
    } else if (how === 'unreadable') {
      world.drive(drive).readFault = 'IO';
    } else {
      world.drive(drive).become(how === 'gone' ? 'failed' : 'suspect');
    }
  }
  for (const drive of world.allDrives()) {
    drive.isCached = o.areCached && drive.readFault === undefined;
  }
  return { world, stripeId };
}

/** Up to parityShards shards are harmed, of a stripe whose shards are all whole; then any range is read. */
const someRead = fc
  .record({
    rows: fc.integer({ min: 1, max: 4 }),
    harm: fc.uniqueArray(fc.record({ place: fc.nat(5), how: fc.constantFrom(...harms) }), { maxLength: 2, selector: ({ place }) => place }),
    areCached: fc.boolean(),
  })
  .chain(({ rows, ...rest }) => {
    const blocks = rows * code.dataShards;
    return fc.record({
      ...Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, fc.constant(value)])),
      blocks: fc.constant(blocks),
      range: fc.tuple(fc.nat(blocks - 1), fc.nat(blocks - 1)).map(([a, b]) => [Math.min(a, b), Math.max(a, b) + 1] as const),
    }) as fc.Arbitrary<typeof rest & { blocks: number; range: readonly [number, number] }>;
  });

describe('a stripe', () => {
  it('is read rightly in any range, whatever parityShards shards are gone, slow, corrupt or unreadable', async () => {
    await fc.assert(
      fc.asyncProperty(someRead, async ({ range: [first, end], ...o }) => {
        const { world, stripeId } = await harmed(o);
        const expected = Buffer.from(world.payloads.get(stripeId) ?? []).subarray(first * blockBytes, end * blockBytes);
        const row = world.row(stripeId);
        const now = Buffer.alloc(expected.length);
        if (world.reader.readNow(row, first * blockBytes, now)) {
          expect(now.equals(expected)).toBe(true);
        }
        const bytes = Buffer.alloc(expected.length);
        await world.reader.read(row, first * blockBytes, bytes);
        expect(bytes.equals(expected)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('gives a block of a lost drive at once where memory has the others', async () => {
    const { world, stripeId } = await harmed({ blocks: 4, harm: [{ place: 1, how: 'gone' }], areCached: true });
    const bytes = Buffer.alloc(blockBytes);
    expect(world.reader.readNow(world.row(stripeId), blockBytes, bytes)).toBe(true);
    expect(bytes.equals(world.payloads.get(stripeId)?.subarray(blockBytes, 2 * blockBytes) ?? Buffer.alloc(0))).toBe(true);
  });

  it('costs no more reads as a whole with lost drives than without', async () => {
    const { world, stripeId } = await harmed({
      blocks: 16,
      harm: [
        { place: 0, how: 'gone' },
        { place: 2, how: 'gone' },
      ],
      areCached: false,
    });
    const before = world.allDrives().reduce((sum, { reads }) => sum + reads, 0);
    await world.read(stripeId);
    expect(world.allDrives().reduce((sum, { reads }) => sum + reads, 0) - before).toBe(code.dataShards);
  });
});
