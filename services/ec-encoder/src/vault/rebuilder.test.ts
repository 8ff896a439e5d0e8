import { waitUntil } from '@couchestor/shared/testing/wait-until';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { call, HealWorld } from './heal.fixture.ts';
import type { RebuildProgress } from './rebuilder-progress.ts';

const code = { dataShards: 4, parityShards: 2 };

async function rebuilt(world: HealWorld) {
  const rebuilder = world.rebuilder();
  rebuilder.start();
  const result = await rebuilder.settle(call());
  return { rebuilder, result };
}

describe('the rebuild', () => {
  it('writes the shards of a failed drive to others, with a higher generation and the meaning of the stripe', async () => {
    const world = new HealWorld({ ...code, drives: 7 });
    for (const blocks of [8, 3, 1, 0, 17]) {
      await world.write(blocks, blocks * 100);
    }
    const failed = world.at(1, 0).drive;
    world.drive(failed).become('failed');
    const { rebuilder, result } = await rebuilt(world);
    expect(await world.flaws()).toEqual([]);
    expect(world.at(1, 0)).toMatchObject({ generation: 2 });
    expect(world.at(1, 0).drive).not.toBe(failed);
    expect(result).toMatchObject({ stripesLost: 0, stripesWaiting: 0 });
    expect(result.stripesRebuilt).toBeGreaterThan(0);
    expect(world.told).toEqual(expect.arrayContaining(['degraded 1 by 1', 'rebuilt 1']));
    await rebuilder.close();
  });

  it('brings back whatever m drives are lost and whichever m shards are bad, byte for byte', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          dataShards: fc.integer({ min: 1, max: 5 }),
          parityShards: fc.integer({ min: 1, max: 3 }),
          sizes: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 5 }),
          failed: fc.integer({ min: 0, max: 3 }),
          bad: fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.boolean()), { maxLength: 12 }),
        }),
        async ({ sizes, failed, bad, ...shape }) => {
          const total = shape.dataShards + shape.parityShards;
          const world = new HealWorld({ ...shape, drives: total + shape.parityShards });
          const ids: number[] = [];
          for (const [at, blocks] of sizes.entries()) {
            ids.push(await world.write(blocks, at * 100));
          }
          const down = Math.min(failed, shape.parityShards);
          for (let number = 1; number <= down; number += 1) {
            world.drive(number).become('failed');
          }
          const rebuilder = world.rebuilder();
          const spoilt = new Set<string>();
          for (const [stripe, where, offset, isHeader] of bad) {
            const stripeId = ids[stripe % ids.length] ?? 1;
            const { shards, shape: its } = world.row(stripeId);
            const gone = shards.filter((at) => at !== undefined && at.drive <= down).length;
            const place = where % total;
            const at = world.at(stripeId, place);
            const mine = [...spoilt].filter((key) => key.startsWith(`${stripeId}/`)).length;
            if (at.drive <= down || spoilt.has(`${stripeId}/${place}`) || gone + mine >= Math.min(shape.parityShards, total - 1)) {
              continue;
            }
            spoilt.add(`${stripeId}/${place}`);
            const hasData = world.index.sums(stripeId, place)?.length ?? 0;
            const part = isHeader || hasData === 0 || its.shardBytes === 0 ? 'header' : 'data';
            world.corrupt(stripeId, place, part, part === 'data' ? offset % (hasData * 4096) : offset % 100);
            rebuilder.report({ stripeId, place, generation: at.generation, reason: 'corrupt' });
          }
          rebuilder.start();
          const result = await rebuilder.settle(call());
          expect(await world.flaws()).toEqual([]);
          expect(result).toMatchObject({ stripesLost: 0, stripesWaiting: 0 });
          expect(rebuilder.health()).toMatchObject({ degraded: 0, lost: 0, rebuilding: 0 });
          await rebuilder.close();
        },
      ),
      { numRuns: 25 },
    );
  });

  it('finds what is bad among the shards it reads, though nobody reported it', async () => {
    const world = new HealWorld({ ...code, drives: 8 });
    await world.write(8);
    world.drive(world.at(1, 0).drive).become('failed');
    world.corrupt(1, 1);
    const { rebuilder } = await rebuilt(world);
    expect(await world.flaws()).toEqual([]);
    await rebuilder.close();
  });

  it('goes by what is on the drive and not by the report', async () => {
    const world = new HealWorld({ ...code, drives: 7 });
    await world.write(8);
    const { rebuilder } = await rebuilt(world);
    rebuilder.report({ stripeId: 1, place: 0, generation: 1, reason: 'corrupt' });
    rebuilder.report({ stripeId: 1, place: 1, generation: 9, reason: 'corrupt' });
    rebuilder.report({ stripeId: 77, place: 1, generation: 1, reason: 'corrupt' });
    await rebuilder.settle(call());
    expect(world.row(1).shards.map((at) => at?.generation)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(world.told).toEqual([]);
    await rebuilder.close();
  });

  it('writes a bad shard to its own drive again where there is no other', async () => {
    const world = new HealWorld({ ...code, drives: 6 });
    await world.write(8);
    const { drive } = world.at(1, 5);
    world.corrupt(1, 5);
    const { rebuilder } = await rebuilt(world);
    rebuilder.report({ stripeId: 1, place: 5, generation: 1, reason: 'corrupt' });
    await rebuilder.settle(call());
    expect(world.at(1, 5)).toMatchObject({ drive, generation: 2 });
    expect(await world.flaws()).toEqual([]);
    await rebuilder.close();
  });

  it('heals by single blocks where more shards are bad than the parity makes good, each in another block', async () => {
    const world = new HealWorld({ ...code, drives: 10 });
    await world.write(16);
    const { rebuilder } = await rebuilt(world);
    for (const place of [0, 1, 2, 3]) {
      world.corrupt(1, place, 'data', place * 4096);
      rebuilder.report({ stripeId: 1, place, generation: 1, reason: 'corrupt' });
    }
    await rebuilder.settle(call());
    expect(await world.flaws()).toEqual([]);
    expect(world.told).toEqual(['degraded 1 by 4', 'rebuilt 1']);
    await rebuilder.close();
  });

  it('tells once that a stripe is lost, and heals it when drives come back', async () => {
    const world = new HealWorld({ ...code, drives: 8 });
    await world.write(8);
    const three = [0, 1, 2].map((place) => world.drive(world.at(1, place).drive));
    for (const drive of three) {
      drive.become('failed');
    }
    const { rebuilder } = await rebuilt(world);
    await rebuilder.settle(call());
    expect(world.told).toEqual(['lost 1']);
    expect(rebuilder.health()).toEqual({ degraded: 0, rebuilding: 0, lost: 1, lostStripes: [1] });
    three[0]?.become('online');
    expect(await rebuilder.settle(call())).toMatchObject({ stripesRebuilt: 1, stripesLost: 0 });
    expect(await world.flaws()).toEqual([]);
    expect(world.at(1, 0).generation).toBe(1);
    await rebuilder.close();
  });

  it('tells that a stripe is lost whose shards are there and bad', async () => {
    const world = new HealWorld({ ...code, drives: 8 });
    await world.write(4);
    const { rebuilder } = await rebuilt(world);
    for (const place of [0, 1, 2]) {
      world.corrupt(1, place);
      rebuilder.report({ stripeId: 1, place, generation: 1, reason: 'corrupt' });
    }
    await rebuilder.settle(call());
    await rebuilder.settle(call());
    expect(world.told.filter((line) => line.startsWith('lost'))).toEqual(['lost 1']);
    expect(rebuilder.isLost(1)).toBe(true);
    await rebuilder.close();
  });

  it('waits where no drive has room, without reading anything, and goes on when one is added', async () => {
    const world = new HealWorld({ ...code, drives: 6 });
    await world.write(8);
    world.drive(1).become('failed');
    const { rebuilder, result } = await rebuilt(world);
    expect(result).toMatchObject({ stripesRebuilt: 0, stripesWaiting: 1 });
    expect(world.allDrives().map(({ reads }) => reads)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(rebuilder.health()).toMatchObject({ degraded: 1, rebuilding: 0 });
    world.addDrive(7);
    rebuilder.drivesChanged();
    expect(await rebuilder.settle(call())).toMatchObject({ stripesRebuilt: 1, stripesWaiting: 0 });
    expect(await world.flaws()).toEqual([]);
    await rebuilder.close();
  });

  it('takes a lost stripe for degraded once enough of it is back, though there is no room to heal it', async () => {
    const world = new HealWorld({ ...code, drives: 6 });
    await world.write(8);
    for (const number of [1, 2, 3]) {
      world.drive(number).become('failed');
    }
    const { rebuilder } = await rebuilt(world);
    world.drive(2).become('online');
    await rebuilder.settle(call());
    expect(world.told).toEqual(['lost 1', 'degraded 1 by 2']);
    expect(rebuilder.health()).toEqual({ degraded: 1, rebuilding: 0, lost: 0, lostStripes: [] });
    for (const number of [1, 3]) {
      world.drive(number).become('online');
    }
    await rebuilder.settle(call());
    expect(rebuilder.health()).toMatchObject({ degraded: 0, lost: 0 });
    await rebuilder.close();
  });

  it('tells how far it has come, and leaves out what waits', async () => {
    const world = new HealWorld({ ...code, drives: 7 });
    for (let at = 0; at < 6; at += 1) {
      await world.write(4, at * 100);
    }
    let nowMs = 0;
    const failed = world.at(1, 0).drive;
    const affected = [...world.index.stripes()].filter(({ shards }) => shards.some((at) => at?.drive === failed)).length;
    world.drive(failed).become('failed');
    const seen: RebuildProgress[] = [];
    const rebuilder = world.rebuilder({
      now: () => nowMs,
      onRebuilt: () => {
        nowMs += 1_000;
        seen.push(rebuilder.progress());
      },
    });
    rebuilder.start();
    await rebuilder.settle(call());
    expect(seen.map(({ stripesDone }) => stripesDone)).toEqual(Array.from({ length: affected }, (_, at) => at + 1));
    const middle = seen[1];
    expect(middle).toMatchObject({ isRunning: true, stripesLeft: affected - 1 });
    expect(middle?.bytesPerSecond).toBeGreaterThan(0);
    expect(middle?.etaSeconds).toBe(affected - 1);
    expect(rebuilder.progress()).toEqual({ isRunning: false, stripesLeft: 0, stripesDone: affected, bytesPerSecond: 0 });
    await rebuilder.close();
  });

  it('takes up, after a while, stripes that were written without all their shards', async () => {
    const world = new HealWorld({ ...code, drives: 6 });
    const rebuilder = world.rebuilder({ recheckMs: 1 });
    rebuilder.start();
    await rebuilder.settle(call());
    world.drive(1).become('failed');
    await world.write(8);
    rebuilder.writtenDegraded(1, 1);
    expect(world.told).toEqual(['degraded 1 by 1']);
    expect(world.row(1).shards.filter((at) => at === undefined)).toHaveLength(1);
    // Nobody tells the rebuilder of the new drive.
    world.addDrive(7);
    await waitUntil(() => world.told.includes('rebuilt 1'));
    expect(world.told).toEqual(['degraded 1 by 1', 'rebuilt 1']);
    expect(await world.flaws()).toEqual([]);
    await rebuilder.close();
  });

  it('goes on with the others where one stripe cannot be healed for a reason of its own', async () => {
    const world = new HealWorld({ ...code, drives: 7 });
    await world.write(8);
    await world.write(8, 100);
    world.drive(world.at(1, 0).drive).become('failed');
    world.drive(world.at(2, 0).drive).become('failed');
    let isFirst = true;
    world.index.beforeChange = async () => {
      if (isFirst) {
        isFirst = false;
        throw new Error('for a reason of its own');
      }
    };
    const { rebuilder, result } = await rebuilt(world);
    expect(result.stripesWaiting).toBeGreaterThan(0);
    expect(world.told.some((line) => line.includes('for a reason of its own'))).toBe(true);
    world.addDrive(8);
    world.addDrive(9);
    await rebuilder.settle(call());
    expect(await world.flaws()).toEqual([]);
    await rebuilder.close();
  });

  it('tells that it has stopped where the index failed', async () => {
    const world = new HealWorld({ ...code, drives: 7 });
    await world.write(8);
    world.drive(world.at(1, 0).drive).become('failed');
    const error = new Error('flush failed');
    world.index.failed = error;
    world.index.beforeChange = async () => {
      throw error;
    };
    const rebuilder = world.rebuilder();
    rebuilder.start();
    await expect(rebuilder.settle(call())).rejects.toThrow('flush failed');
    expect(world.told).toContain('failed Error: flush failed');
    await rebuilder.close();
  });

  it('goes to another drive when one refuses, with a generation of its own', async () => {
    const world = new HealWorld({ ...code, drives: 8 });
    await world.write(8);
    const used = world.row(1).shards.map((at) => at?.drive);
    const spare = world.allDrives().filter(({ number }) => !used.includes(number));
    world.drive(used[0] ?? 0).become('failed');
    let refusals = 0;
    for (const drive of spare) {
      drive.beforeWrite = async () => {
        refusals += 1;
        if (refusals === 1) {
          throw new Error('refused');
        }
      };
    }
    const { rebuilder } = await rebuilt(world);
    expect(world.at(1, 0).generation).toBe(3);
    expect(await world.flaws()).toEqual([]);
    await rebuilder.close();
  });

  it('leaves the old row where it crashes before the index has the new one, and is done again', async () => {
    const world = new HealWorld({ ...code, drives: 7 });
    await world.write(8);
    const before = world.row(1);
    world.drive(world.at(1, 2).drive).become('failed');
    world.index.beforeChange = async () => {
      throw new Error('crashed');
    };
    const first = await rebuilt(world);
    expect(first.result).toMatchObject({ stripesRebuilt: 0, stripesWaiting: 1 });
    expect(world.row(1)).toBe(before);
    await first.rebuilder.close();
    world.index.beforeChange = async () => undefined;
    const second = await rebuilt(world);
    expect(await world.flaws()).toEqual([]);
    await second.rebuilder.close();
  });

  it('does not overwrite what changed while it worked, and looks again', async () => {
    const world = new HealWorld({ ...code, drives: 8 });
    await world.write(8);
    world.drive(world.at(1, 0).drive).become('failed');
    world.index.beforeChange = async () => {
      world.index.beforeChange = async () => undefined;
      const row = world.row(1);
      world.index.replaceStripe({
        ...row,
        shards: row.shards.map((at, place) => (place === 0 && at !== undefined ? { ...at, drive: 99 } : at)),
      });
    };
    const { changes } = world.index;
    const { rebuilder } = await rebuilt(world);
    // The first change found another row than it was made for, and left it alone.
    expect(world.index.changes - changes).toBe(2);
    expect(world.told).toEqual(['degraded 1 by 1', 'rebuilt 1']);
    expect(await world.flaws()).toEqual([]);
    await rebuilder.close();
  });

  it('takes the most endangered stripe first', async () => {
    const world = new HealWorld({ ...code, drives: 9 });
    for (let at = 0; at < 12; at += 1) {
      await world.write(4, at * 100);
    }
    world.drive(1).become('failed');
    world.drive(2).become('failed');
    const missing = new Map(
      [...world.index.stripes()].map(({ stripeId, shards }) => [stripeId, shards.filter((at) => (at?.drive ?? 9) < 3).length]),
    );
    const { rebuilder } = await rebuilt(world);
    const order = world.told.filter((line) => line.startsWith('rebuilt')).map((line) => missing.get(Number(line.split(' ')[1])) ?? 0);
    const twos = order.filter((count) => count === 2).length;
    expect(twos).toBeGreaterThan(0);
    // Two are healed at a time, so the last of the more endangered may be overtaken by one.
    expect(order.slice(0, twos - 1).every((count) => count === 2)).toBe(true);
    await rebuilder.close();
  });
});

describe('draining a drive', () => {
  it('moves every shard to others, reading it alone', async () => {
    const world = new HealWorld({ ...code, drives: 7 });
    for (const blocks of [8, 5, 0, 1]) {
      await world.write(blocks, blocks * 100);
    }
    const drive = world.at(1, 0).drive;
    world.drive(drive).become('draining');
    const rebuilder = world.rebuilder();
    rebuilder.start();
    await rebuilder.drain(drive, call());
    expect([...world.index.stripes()].flatMap(({ shards }) => shards.filter((at) => at?.drive === drive))).toEqual([]);
    expect(world.allDrives().filter(({ number, reads }) => number !== drive && reads > 0)).toEqual([]);
    expect(await world.flaws()).toEqual([]);
    expect(world.told).toEqual([]);
    await rebuilder.close();
  });

  it('computes what the drive no longer gives', async () => {
    const world = new HealWorld({ ...code, drives: 7 });
    await world.write(8);
    const drive = world.at(1, 3).drive;
    world.corrupt(1, 3);
    world.drive(drive).become('draining');
    const rebuilder = world.rebuilder();
    rebuilder.start();
    await rebuilder.drain(drive, call());
    expect(await world.flaws()).toEqual([]);
    await rebuilder.close();
  });

  it('is refused where the others cannot take what is on it', async () => {
    const world = new HealWorld({ ...code, drives: 6 });
    await world.write(8);
    world.drive(3).become('draining');
    const rebuilder = world.rebuilder();
    rebuilder.start();
    await expect(rebuilder.drain(3, call())).rejects.toMatchObject({ code: 'VAULT_DRIVE_NEEDED', facts: { drive: 3, shardsLeft: 1 } });
    expect(await world.flaws()).toEqual([]);
    await rebuilder.close();
  });

  it('ends with the reason of whoever called when that gives up, and of the vault when it stops', async () => {
    const world = new HealWorld({ ...code, drives: 7 });
    await world.write(8);
    const drive = world.at(1, 0).drive;
    world.drive(drive).beforeRead = () => new Promise((resolve) => setImmediate(resolve));
    world.drive(drive).become('draining');
    const rebuilder = world.rebuilder();
    rebuilder.start();
    const abort = new AbortController();
    const drained = rebuilder.drain(drive, { signal: abort.signal, report: () => undefined });
    abort.abort(new Error('enough'));
    await expect(drained).rejects.toThrow('enough');
    const settled = rebuilder.settle(call());
    settled.catch(() => undefined);
    await rebuilder.close();
    await expect(rebuilder.settle(call())).rejects.toMatchObject({ code: 'VAULT_STOPPING' });
  });
});
