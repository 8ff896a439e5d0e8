/** A journal that came back empty counts its revisions from the beginning: a process from before the loss may hold a number that is another record's. */
import type { BucketEntry } from '@couchestor/shared/bus/connect';
import type { MoveRecord } from '@couchestor/shared/contracts/migrator';
import { beforeEach, describe, expect, it } from 'vitest';
import { atStep, ends, expectNothingLeft, type House, house, pass, poolsOf, request, runToEnd, sweep, volumeId } from './house.ts';
import type { SimulatedMigrator } from './simulated-migrator.ts';

let h: House;
let process: SimulatedMigrator;

beforeEach(() => {
  h = house({ seed: 1, replicas: 1 });
  process = h.start();
});

async function open(asked = request()): Promise<BucketEntry<MoveRecord>> {
  await h.time.run(process.accept(asked), 60_000);
  const entry = await process.deps.journal.open.get(volumeId);
  if (entry === undefined) {
    throw new Error('the move was not accepted');
  }
  return entry;
}

describe('a record with the revision of one that was lost', () => {
  it.each([
    ['of another move', request({ moveId: 'm00000000000000bb' })],
    ['of the same move, requested and accepted anew', request()],
  ])('%s is neither written over nor removed by whoever knew that one', async (_whose, asked) => {
    const lost = await open();
    h.broker.wipe();
    h.time.jump(60_000);
    const there = await open(asked);
    expect(there.revision).toBe(lost.revision);

    const { journal } = process.deps;
    await expect(journal.replace(lost, { ...lost.value, step: 'finish' })).rejects.toThrow(/MOVE_TAKEN/);
    await expect(journal.assertCurrent(lost)).rejects.toThrow(/MOVE_TAKEN/);
    expect(await journal.letGo(lost)).toBe(false);
    expect(await journal.open.get(volumeId)).toEqual(there);

    const next = await journal.replace(there, { ...there.value, tries: 1 });
    expect(await journal.letGo(there)).toBe(false);
    expect(await journal.letGo(next)).toBe(true);
  });
});

it('a process that runs on after the loss lets go of the move, though the next record has come to its revision', async () => {
  // So slow a rebuild that the process does not write meanwhile.
  h = house({ seed: 1, replicas: 1, settings: { rebuildBytesPerSecond: 128 * 1024 } });
  const { journal } = h.start().deps;
  let revisions: (number | undefined)[] = [];
  atStep(h, 'wait-sync', () => void loseAndRecover());
  async function loseAndRecover(): Promise<void> {
    const lost = await journal.open.get(volumeId);
    h.broker.wipe();
    h.gate.wipe();
    await h.time.sleep(2_000);
    await h.start().lookAround();
    let entry = await journal.open.get(volumeId);
    while (entry !== undefined && entry.revision < (lost?.revision ?? 0)) {
      entry = await journal.open.update(volumeId, { ...entry.value, attempt: entry.value.attempt + 1 }, entry.revision);
    }
    revisions = [lost?.revision, entry?.revision];
  }
  await runToEnd(h);
  expect(revisions[0]).toBeGreaterThan(1);
  expect(revisions[1]).toBe(revisions[0]);
  await pass(h, 60_000);
  await sweep(h);
  expect(ends(h)).toEqual(['other failed RECOVERED']);
  expect(poolsOf(h)).toEqual(['pool-cold-3']);
  await expectNothingLeft(h);
});
