/** One volume on six nodes, one broker and as many migrator processes as a test wants, all in virtual time. */
import type { ScenarioInput } from '@couchestor/mayastor-simulator/domain/scenario';
import { syncedReplicas } from '@couchestor/mayastor-simulator/domain/status';
import { moveStanding } from '@couchestor/shared/contracts/brain';
import type { FinishedMove, MoveRequest, MoveStep } from '@couchestor/shared/contracts/migration';
import { cancelsBucket } from '@couchestor/shared/contracts/migrator';
import { findLeftovers, findVolumeMarks } from '@couchestor/shared/placement/marks';
import { expect } from 'vitest';
import { MemoryBroker } from './memory-broker.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import { SimulatedGate, SimulatedMigrator } from './simulated-migrator.ts';
import { VirtualTime } from './virtual-time.ts';

const mebibyte = 1024 * 1024;
const limitMs = 12 * 3_600_000;

export const gateKey = 'couchestor-managed';
export const volumeId = '11111111-2222-4333-8444-555555555555';
export const moveId = 'm0123456789abcdef';

export interface HouseInput {
  readonly seed: number;
  /** With it the removal is biased by the label, without it by node cordons. */
  readonly gateKey?: boolean;
  readonly replicas?: number;
  readonly settings?: Partial<ScenarioInput>;
}

export type House = ReturnType<typeof house>;

export function house(o: HouseInput) {
  const time = new VirtualTime();
  const world = new SimulatedCluster({ scenario: scenario(o), seed: o.seed, time });
  const broker = new MemoryBroker(time.now);
  broker.answer(moveStanding, () => ({ stands: true, reason: 'it stands' }));
  const gate = new SimulatedGate(time);
  const start = (diesAtStep = Number.POSITIVE_INFINITY) => new SimulatedMigrator({ time, broker, cluster: world, gate, diesAtStep });
  return { time, world, broker, gate, start };
}

export function request(over: Partial<MoveRequest> = {}): MoveRequest {
  return {
    moveId,
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

/** Runs the move, restarting the migrator each time it has died. Gives how many operations the last process did. */
export async function runToEnd(h: House, diesAt: readonly number[] = [], asked = request()): Promise<number> {
  let steps = 0;
  for (const diesAtStep of [...diesAt, Number.POSITIVE_INFINITY]) {
    const process = h.start(diesAtStep);
    const work = process.accept(asked).then(() => process.run(asked));
    await h.time.run(Promise.race([work, process.died]), limitMs);
    steps = process.steps;
  }
  h.world.catchUp();
  return steps;
}

/** A fresh process looks for what others left, and does it. */
export async function sweep(h: House): Promise<void> {
  await h.time.run(h.start().sweep(), limitMs);
  h.world.catchUp();
}

export async function pass(h: House, ms: number): Promise<void> {
  await h.time.run(h.time.sleep(ms), Number.POSITIVE_INFINITY);
  h.world.catchUp();
}

/** Does something the moment the journal first holds the step (of the nth replica), before any call of that step is made. */
export function atStep(h: House, step: MoveStep, act: () => void, replica = 1): void {
  const before = h.broker.onPublished;
  let done = false;
  h.broker.onPublished = (message) => {
    before(message);
    const advanced = message.payload as { step: MoveStep; replica: number };
    if (!done && message.type === 'migration.advanced' && advanced.step === step && advanced.replica >= replica) {
      done = true;
      act();
    }
  };
}

export function cancel(h: House): void {
  void h.broker
    .bus(() => Promise.resolve())
    .bucket(cancelsBucket)
    .create(moveId, { requestedAt: new Date(h.time.now()).toISOString() });
}

export function finished({ broker }: House): FinishedMove[] {
  return broker.published.filter(({ type }) => type === 'migration.finished').map(({ payload }) => payload as FinishedMove);
}

/** Outcome and code of every end that was told; the same one may be told again. */
export function ends(h: House): string[] {
  return [...new Set(finished(h).map(({ moveId: id, result }) => `${id === moveId ? '' : 'other '}${result.outcome} ${result.code}`))];
}

export function poolsOf({ world }: House): string[] {
  return Object.values(world.model.replicas)
    .filter(({ volume }) => volume === volumeId)
    .map(({ pool }) => pool)
    .sort();
}

export function volumeOf({ world }: House) {
  const volume = world.model.volumes[volumeId];
  if (volume === undefined) {
    throw new Error('the volume is gone');
  }
  return volume;
}

export function syncedOf(h: House): number {
  return syncedReplicas(h.world.model, volumeOf(h)).length;
}

/** The replica that the volume has beside those on the cold pools where it began. */
export function newReplicaOf(h: House): { uuid: string; pool: string; node: string } {
  const replica = Object.values(h.world.model.replicas).find(({ volume, pool }) => volume === volumeId && !pool.startsWith('pool-cold'));
  if (replica === undefined) {
    throw new Error('there is no new replica');
  }
  return { uuid: replica.uuid, pool: replica.pool, node: h.world.model.pools[replica.pool]?.node ?? '' };
}

/** What of ours is left in Mayastor, and every cordon and missing gate label whosever it is. */
export async function leftIn(h: House): Promise<string[]> {
  const mayastor = h.world.client(() => Promise.resolve());
  const [pools, nodes] = await h.time.run(Promise.all([mayastor.listPools(), mayastor.listNodes()]), Number.POSITIVE_INFINITY);
  const { model } = h.world;
  return [
    ...findLeftovers(pools, nodes).map((leftover) => `gate ${JSON.stringify(leftover)}`),
    ...findVolumeMarks(pools).map((mark) => `${mark.kept ? 'kept ' : ''}mark on ${mark.pool}`),
    ...Object.values(model.pools).flatMap((pool) => (pool.cordon.replicas ? [`cordon on ${pool.id}`] : [])),
    ...Object.values(model.pools).flatMap((pool) => (pool.labels[gateKey] === 'true' ? [] : [`no gate label on ${pool.id}`])),
    ...Object.values(model.nodes).flatMap((node) => node.cordonLabels.map((label) => `cordon ${label} on ${node.id}`)),
  ];
}

export async function expectNothingLeft(h: House): Promise<void> {
  expect(await leftIn(h)).toEqual([]);
  expect(h.world.breaches).toEqual([]);
}

function scenario(o: HouseInput): ScenarioInput {
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
      labels: { 'storage-tier': tier, [gateKey]: 'true' },
    })),
    volumes: [
      {
        name: 'orders',
        uuid: volumeId,
        sizeBytes: 64 * mebibyte,
        replicas: o.replicas ?? 2,
        pools: ['pool-cold-3', 'pool-cold-4', 'pool-cold-5'].slice(0, o.replicas ?? 2),
        thin: false,
        topology: (o.gateKey ?? true) ? { presence: [gateKey] } : {},
      },
    ],
    ...o.settings,
  };
}
