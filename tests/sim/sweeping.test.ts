/** What the sweep finds between the stores. */
import { formatGateMark, formatVolumeMark, gateMarkKey, volumeMarkKey } from '@couchestor/shared/placement/marks';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  atStep,
  ends,
  expectNothingLeft,
  gateKey,
  type House,
  house,
  leftIn,
  moveId,
  poolsOf,
  request,
  sweep,
  volumeId,
  volumeOf,
} from './house.ts';
import type { SimulatedMigrator } from './simulated-migrator.ts';

let h: House;
let process: SimulatedMigrator;

beforeEach(() => {
  h = house({ seed: 1, replicas: 1 });
  process = h.start();
});

function label(pool: string, key: string, value: string): void {
  const found = h.world.model.pools[pool];
  if (found === undefined) {
    throw new Error(`no pool ${pool}`);
  }
  found.labels[key] = value;
}

function mark(pool: string, o: { originalReplicas: number; kept?: boolean; volume?: string }): void {
  label(
    pool,
    volumeMarkKey(o.volume ?? volumeId),
    formatVolumeMark({ moveId, originalReplicas: o.originalReplicas, kept: o.kept ?? false }),
  );
}

describe('an open move without a job', () => {
  it('is queued under a new id, for the old one may still exist somewhere', async () => {
    await h.time.run(process.accept(request()), 60_000);
    process.jobs.clear();
    await h.time.run(process.lookAround(), 60_000);
    expect([...process.jobs]).toEqual([[`${moveId}-1`, { moveId, volumeId }]]);
    await h.time.run(process.lookAround(), 60_000);
    expect([...process.jobs.keys()]).toEqual([`${moveId}-1`]);
  });

  it('is left alone while its job waits, or it runs in this process', async () => {
    await h.time.run(process.accept(request()), 60_000);
    const entry = await process.deps.journal.open.get(volumeId);
    await h.time.run(process.lookAround(), 60_000);
    process.jobs.clear();
    await h.time.run(process.lookAround(new Set([volumeId])), 60_000);
    expect(process.jobs.size).toBe(0);
    expect((await process.deps.journal.open.get(volumeId))?.revision).toBe(entry?.revision);
  });

  it('whose process died and whose job Redis lost goes on to its end', async () => {
    const first = h.start(260);
    await h.time.run(Promise.race([first.accept(request()).then(() => first.run(request())), first.died]), 600_000);
    await sweep(h);
    expect(ends(h)).toEqual(['success MOVED']);
    await expectNothingLeft(h);
  });
});

describe('marks without a move', () => {
  it('at n are taken off, and the brain hears of it', async () => {
    mark('pool-hot-1', { originalReplicas: 1 });
    await sweep(h);
    expect(ends(h)).toEqual(['other failed RECOVERED']);
    expect(poolsOf(h)).toEqual(['pool-cold-3']);
    await expectNothingLeft(h);
  });

  it('at n + 1 take back the replica on the marked pool', async () => {
    atStep(h, 'wait-sync', () => {
      process.alive = false;
    });
    await Promise.race([process.accept(request()).then(() => process.run(request())), died()]);
    h.broker.wipe();
    expect(volumeOf(h).numReplicas).toBe(2);
    await h.time.run(h.time.sleep(3_000), 600_000);
    await sweep(h);
    expect(ends(h)).toEqual(['other failed RECOVERED']);
    expect(poolsOf(h)).toEqual(['pool-cold-3']);
    await expectNothingLeft(h);

    async function died(): Promise<void> {
      await h.time.run(
        (async () => {
          while (process.alive) {
            await h.time.sleep(10);
          }
        })(),
        600_000,
      );
    }
  });

  it('where the replica too many is not on the marked pool, or not to be told, are left to a person', async () => {
    h.world.call('PUT', `/volumes/${volumeId}/replica_count/2`);
    await h.time.run(h.time.sleep(30_000), 60_000);
    const elsewhere = ['pool-hot-1', 'pool-hot-2', 'pool-warm-6'].find((pool) => !poolsOf(h).includes(pool)) ?? '';
    mark(elsewhere, { originalReplicas: 1 });
    await sweep(h);
    expect(ends(h)).toEqual(['other kept-old ROLL_BACK_REFUSED']);
    expect(volumeOf(h).numReplicas).toBe(2);
    expect(await leftIn(h)).toEqual([`kept mark on ${elsewhere}`]);
  });

  it('wait while an operation on the volume is in flight: what comes of it is not seen yet', async () => {
    mark('pool-hot-1', { originalReplicas: 1 });
    volumeOf(h).operation = { operation: 'SetReplica', endsAtMs: h.time.now() + 20_000 };
    await sweep(h);
    expect(ends(h)).toEqual([]);
    expect(await leftIn(h)).toEqual(['mark on pool-hot-1']);
    await h.time.run(h.time.sleep(30_000), 60_000);
    await sweep(h);
    await expectNothingLeft(h);
  });

  it('of a volume that is gone are taken off without more ado', async () => {
    mark('pool-hot-1', { originalReplicas: 1, volume: '99999999-2222-4333-8444-555555555555' });
    await sweep(h);
    expect(ends(h)).toEqual([]);
    await expectNothingLeft(h);
  });

  it('that were kept on purpose stay for as long as the extra replica does', async () => {
    h.world.call('PUT', `/volumes/${volumeId}/replica_count/2`);
    await h.time.run(h.time.sleep(30_000), 60_000);
    mark('pool-hot-1', { originalReplicas: 1, kept: true });
    await sweep(h);
    expect(await leftIn(h)).toEqual(['kept mark on pool-hot-1']);
    h.world.call('PUT', `/volumes/${volumeId}/replica_count/1`);
    await h.time.run(h.time.sleep(5_000), 60_000);
    await sweep(h);
    expect(ends(h)).toEqual([]);
    await expectNothingLeft(h);
  });

  it('are left alone while a move of the volume is open', async () => {
    mark('pool-hot-1', { originalReplicas: 1 });
    await h.time.run(process.accept(request()), 60_000);
    await h.time.run(process.lookAround(), 60_000);
    expect(await leftIn(h)).toEqual(['mark on pool-hot-1']);
    expect(await process.deps.journal.open.entries()).toMatchObject([{ value: { request: { moveId } } }]);
  });

  it('do not keep each other from being seen to', async () => {
    mark('pool-hot-1', { originalReplicas: 1 });
    mark('pool-warm-6', { originalReplicas: 1, volume: '99999999-2222-4333-8444-555555555555' });
    mark('pool-hot-2', { originalReplicas: 1 });
    await sweep(h);
    await sweep(h);
    await expectNothingLeft(h);
  });
});

describe('gates without a move', () => {
  beforeEach(() => {
    const { model } = h.world;
    label('pool-warm-6', gateMarkKey, formatGateMark({ kind: 'cordon', moveId }));
    (model.pools['pool-warm-6'] ?? { cordon: { replicas: false } }).cordon.replicas = true;
    label('pool-cold-3', gateMarkKey, formatGateMark({ kind: 'label', moveId, key: gateKey, value: 'true' }));
    delete model.pools['pool-cold-3']?.labels[gateKey];
    model.nodes['node-4']?.cordonLabels.push(`couchestor-${moveId}`, 'maintenance');
    (model.pools['pool-hot-2'] ?? { cordon: { replicas: false } }).cordon.replicas = true;
  });

  it('are undone from their marks alone, and an administrator’s cordons stay', async () => {
    await sweep(h);
    expect(await leftIn(h)).toEqual(['cordon on pool-hot-2', 'cordon maintenance on node-4']);
  });

  it('are undone by the next move that takes the gate', async () => {
    await h.time.run(
      process.accept(request()).then(() => process.run(request())),
      600_000,
    );
    expect(ends(h)).toEqual(['success MOVED']);
    expect(await leftIn(h)).toEqual(['cordon on pool-hot-2', 'cordon maintenance on node-4']);
  });
});
