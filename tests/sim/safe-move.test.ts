import { moveStanding } from '@couchestor/shared/contracts/brain';
import type { FinishedMove, MoveRequest } from '@couchestor/shared/contracts/migration';
import { findLeftovers, findVolumeMarks } from '@couchestor/shared/placement/marks';
import { describe, expect, it } from 'vitest';
import { MemoryBroker } from './memory-broker.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import { SimulatedGate, SimulatedMigrator } from './simulated-migrator.ts';
import { VirtualTime } from './virtual-time.ts';

const mebibyte = 1024 * 1024;
const volumeId = '11111111-2222-4333-8444-555555555555';
const limitMs = 4 * 3_600_000;

function cluster(o: { gateKey: boolean; replicas: number }) {
  const tiers = ['hot', 'hot', 'cold', 'cold', 'cold', 'warm'];
  return {
    rebuildBytesPerSecond: 8 * mebibyte,
    cacheLagMs: 1_000,
    operationMs: 200,
    nodes: tiers.map((_, index) => ({ id: `node-${index + 1}` })),
    pools: tiers.map((tier, index) => ({
      id: `pool-${tier}-${index + 1}`,
      node: `node-${index + 1}`,
      capacityBytes: 1024 * mebibyte,
      labels: { 'storage-tier': tier, 'couchestor-managed': 'true' },
    })),
    volumes: [
      {
        name: 'orders',
        uuid: volumeId,
        sizeBytes: 64 * mebibyte,
        replicas: o.replicas,
        pools: ['pool-cold-3', 'pool-cold-4', 'pool-cold-5'].slice(0, o.replicas),
        thin: false,
        topology: o.gateKey ? { presence: ['couchestor-managed'] } : {},
      },
    ],
  };
}

function request(over: Partial<MoveRequest> = {}): MoveRequest {
  return {
    moveId: 'm0123456789abcdef',
    volumeId,
    policy: { name: 'p', uid: 'u', generation: 1 },
    epoch: 1,
    from: 'cold',
    to: 'hot',
    selectors: {
      hot: { matchLabels: { 'storage-tier': 'hot' } },
      warm: { matchLabels: { 'storage-tier': 'warm' } },
      cold: { matchLabels: { 'storage-tier': 'cold' } },
    },
    triggerIops: 5_000,
    reason: 'busy',
    expiresAt: new Date(limitMs).toISOString(),
    syncTimeoutMs: 1_800_000,
    capacityWatermarkPercent: 85,
    allowSnapshots: false,
    preservationMode: false,
    ...over,
  };
}

function house(o: { seed: number; gateKey?: boolean; replicas?: number }) {
  const time = new VirtualTime();
  const world = new SimulatedCluster({ scenario: cluster({ gateKey: o.gateKey ?? true, replicas: o.replicas ?? 2 }), seed: o.seed, time });
  const broker = new MemoryBroker(time.now);
  broker.answer(moveStanding, () => ({ stands: true, reason: 'it stands' }));
  const gate = new SimulatedGate(time);
  const start = (diesAtStep = Number.POSITIVE_INFINITY) => new SimulatedMigrator({ time, broker, cluster: world, gate, diesAtStep });
  return { time, world, broker, start };
}

/** Runs the move, restarting the migrator each time it has died. */
async function runToEnd(h: ReturnType<typeof house>, diesAt: readonly number[], asked = request()): Promise<{ steps: number }> {
  let steps = 0;
  for (const diesAtStep of [...diesAt, Number.POSITIVE_INFINITY]) {
    const process = h.start(diesAtStep);
    const work = process.accept(asked).then(() => process.run(asked));
    await h.time.run(Promise.race([work, process.died]), limitMs);
    steps = process.steps;
  }
  h.world.catchUp();
  return { steps };
}

function finished({ broker }: ReturnType<typeof house>): FinishedMove[] {
  return broker.published.filter(({ type }) => type === 'migration.finished').map(({ payload }) => payload as FinishedMove);
}

function poolsOf({ world }: ReturnType<typeof house>): string[] {
  return Object.values(world.model.replicas)
    .filter(({ volume }) => volume === volumeId)
    .map(({ pool }) => pool)
    .sort();
}

async function expectNothingLeft(h: ReturnType<typeof house>): Promise<void> {
  const mayastor = h.world.client(() => Promise.resolve());
  const [pools, nodes] = await h.time.run(Promise.all([mayastor.listPools(), mayastor.listNodes()]), Number.POSITIVE_INFINITY);
  expect(findLeftovers(pools, nodes)).toEqual([]);
  expect(findVolumeMarks(pools)).toEqual([]);
  expect(Object.values(h.world.model.pools).filter(({ cordon }) => cordon.replicas)).toEqual([]);
  expect(Object.values(h.world.model.pools).every(({ labels }) => labels['couchestor-managed'] === 'true')).toBe(true);
  expect(h.world.model.underReplicatedMs).toBe(0);
}

describe('the safe move on the model of Mayastor', () => {
  for (const gateKey of [true, false]) {
    it(`moves every replica to the tier and leaves nothing behind, ${gateKey ? 'biased by the gate label' : 'biased by node cordons'}`, async () => {
      for (let seed = 1; seed <= 20; seed += 1) {
        const h = house({ seed, gateKey });
        await runToEnd(h, []);
        expect(finished(h).map(({ result }) => [result.outcome, result.code, result.replicasMoved])).toEqual([['success', 'MOVED', 2]]);
        expect(poolsOf(h)).toEqual(['pool-hot-1', 'pool-hot-2']);
        await expectNothingLeft(h);
      }
    });
  }

  it('survives the death of its process at every point between two operations', async () => {
    const { steps } = await runToEnd(house({ seed: 7, replicas: 1 }), []);
    expect(steps).toBeGreaterThan(100);
    for (let at = 1; at < steps; at += 1) {
      const h = house({ seed: at, replicas: 1 });
      await runToEnd(h, [at]);
      expect({ at, ends: finished(h).map(({ result }) => result.code) }).toMatchObject({ at, ends: expect.arrayContaining(['MOVED']) });
      expect({ at, pools: poolsOf(h) }).toMatchObject({ at, pools: [expect.stringContaining('pool-hot-')] });
      await expectNothingLeft(h);
    }
  });
});
