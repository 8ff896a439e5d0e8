/** What a seed makes: a cluster, its policies, and everything that befalls it, drawn up front so that a failing world can be made smaller. */
import type { ScenarioInput } from '@couchestor/mayastor-simulator/domain/scenario';
import { type StoragePolicySpec, storagePolicySpecSchema } from '@couchestor/shared/storage-policy';
import { type Tier, tiersFastestFirst } from '@couchestor/shared/tiers';
import { Dice } from './dice.ts';
import { drawEvent, themes, type WorldEvent } from './events.ts';

export const gateKey = 'couchestor-managed';
const mebibyte = 1024 * 1024;

export interface PlannedPolicy {
  readonly name: string;
  readonly spec: StoragePolicySpec;
}

export interface WorldPlan {
  readonly seed: number;
  readonly scenario: ScenarioInput;
  readonly policies: readonly PlannedPolicy[];
  /** Mean IOPS of each volume at the start. */
  readonly loads: readonly number[];
  readonly migrators: number;
  readonly settings: WorldSettings;
  readonly events: readonly WorldEvent[];
  /** Until then events happen; after some calm the world is brought to rest. */
  readonly eventsMs: number;
  readonly calmMs: number;
}

export interface WorldSettings {
  readonly pollMs: number;
  readonly roundIntervalMs: number;
  readonly sweepIntervalMs: number;
  readonly callTimeoutMs: number;
  readonly leaseMs: number;
  readonly noProgressMs: number;
  readonly movesMax: number;
  readonly rebuildBytesPerSecond: number | undefined;
  /** Every stored record and message is validated. Slow, so only in some worlds. */
  readonly validates: boolean;
}

export const loadsOf: Readonly<Record<Tier, number>> = { hot: 8_000, warm: 3_000, cold: 100 };

export function drawPlan(seed: number): WorldPlan {
  const dice = new Dice(seed);
  const callTimeoutMs = dice.one([1_000, 2_000, 2_000, 4_000]);
  const scenario = drawScenario(dice, seed);
  const eventsMs = dice.between(4, 8) * 60_000;
  const quiet = dice.chance(0.06);
  const count = quiet ? 0 : dice.between(4, 22);
  const migrators = dice.chance(0.6) ? 2 : 1;
  const theme = dice.one(themes);
  const events: WorldEvent[] = [];
  for (let index = 0; index < count; index += 1) {
    events.push(drawEvent(dice, { eventsMs, theme, migrators }));
  }
  return {
    seed,
    scenario,
    policies: drawPolicies(dice),
    loads: scenario.volumes.map(() => loadsOf[dice.one(tiersFastestFirst)]),
    migrators,
    settings: {
      pollMs: dice.one([1_000, 2_000, 3_000, 5_000]),
      roundIntervalMs: dice.one([20_000, 30_000, 40_000]),
      sweepIntervalMs: dice.one([30_000, 45_000, 60_000]),
      callTimeoutMs,
      leaseMs: Math.max(6_000, callTimeoutMs * dice.one([2, 3, 5])),
      noProgressMs: dice.one([30_000, 60_000, 300_000]),
      movesMax: dice.between(1, 4),
      rebuildBytesPerSecond: dice.chance(0.08) ? dice.one([mebibyte / 64, 4 * mebibyte]) : undefined,
      validates: seed % 8 === 0,
    },
    events: events.sort((left, right) => left.atMs - right.atMs),
    eventsMs,
    calmMs: dice.between(1, 3) * 60_000,
  };
}

function drawScenario(dice: Dice, seed: number): ScenarioInput {
  const nodeCount = dice.one([4, 5, 5, 6, 6, 7, 8]);
  const gated = dice.chance(0.6);
  const nodes = Array.from({ length: nodeCount }, (_, index) => ({
    id: `n${index + 1}`,
    labels: { zone: `z${(index % 3) + 1}`, ...(dice.chance(0.8) ? { storage: 'yes' } : {}) },
  }));
  const pools = nodes.flatMap(({ id }, nodeIndex) => {
    const tiers = dice.shuffled(tiersFastestFirst).slice(0, dice.one([1, 1, 1, 2, 2, 2, 3]));
    // Each tier has a pool somewhere.
    return [...new Set([tiersFastestFirst[nodeIndex] ?? tiers[0] ?? 'hot', ...tiers.slice(1)])].map((tier) => ({
      id: `${tier}-${id}`,
      node: id,
      capacityBytes: dice.chance(0.06) ? 160 * mebibyte : 2_048 * mebibyte,
      labels: {
        ...(dice.chance(0.97) ? { 'storage-tier': tier } : {}),
        ...(gated && dice.chance(0.96) ? { [gateKey]: dice.one(['true', 'true', 'yes']) } : {}),
      },
      ...(dice.chance(0.03) ? { encrypted: true } : {}),
      ...(dice.chance(0.03) ? { clusterSizeBytes: 8 * mebibyte } : {}),
    }));
  });
  const volumes = Array.from({ length: dice.one([1, 2, 2, 3, 3, 4, 5, 6]) }, (_, index) => {
    const replicas = Math.min(nodeCount, Number(dice.weighted({ '1': 5, '2': 5, '3': 1 })));
    const home = dice.one(tiersFastestFirst);
    const preferred = [...pools].sort(
      (left, right) => Number(right.labels['storage-tier'] === home) - Number(left.labels['storage-tier'] === home),
    );
    const chosen: typeof pools = [];
    for (const pool of dice.chance(0.8) ? preferred : dice.shuffled(pools)) {
      if (chosen.length < replicas && chosen.every(({ node }) => node !== pool.node)) {
        chosen.push(pool);
      }
    }
    const topology = dice.weighted({ gate: gated ? 12 : 0, none: gated ? 3 : 12, value: 1, allowed: 1, spread: 1, nodeLabel: 1 });
    return {
      name: `v${index + 1}`,
      sizeBytes: dice.one([16, 32, 64, 96, 128]) * mebibyte,
      replicas: chosen.length,
      pools: chosen.map(({ id }) => id),
      thin: dice.chance(0.5),
      selfHeal: dice.chance(0.92),
      filledPercent: dice.between(5, 100),
      published: dice.chance(0.9),
      ...(dice.chance(0.3) ? { targetNode: dice.one(nodes).id } : {}),
      snapshots: dice.chance(0.1) ? dice.between(1, 2) : 0,
      ...(dice.chance(0.06) ? { affinityGroup: 'set' } : {}),
      labels: { 'couchestor-storage-class': dice.chance(0.95) ? 'mayastor' : 'other', app: dice.one(['a', 'b']) },
      topology: {
        ...(topology === 'gate' ? { presence: [gateKey] } : {}),
        ...(topology === 'value' ? { inclusion: { 'storage-tier': home } } : {}),
        ...(topology === 'allowed' ? { allowedNodes: dice.shuffled(nodes.map(({ id }) => id)).slice(0, nodeCount - 1) } : {}),
        ...(topology === 'spread' ? { nodeSpread: ['zone'] } : {}),
        ...(topology === 'nodeLabel' ? { nodeInclusion: { storage: 'yes' } } : {}),
      },
    };
  });
  return {
    seed,
    mayastorVersion: dice.chance(0.97) ? '2.10' : '2.9',
    rebuildBytesPerSecond: dice.one([2, 4, 8, 16]) * mebibyte,
    ...(dice.chance(0.05) ? { rebuildsMax: dice.between(1, 2) } : {}),
    cacheLagMs: dice.one([0, 0, 1_000, 2_000, 4_000]),
    operationMs: dice.one([0, 50, 200, 800]),
    reconcileMs: dice.one([5_000, 10_000, 20_000]),
    faultedChildWaitMs: dice.one([30_000, 60_000, 600_000]),
    failoverMs: dice.one([2_000, 5_000, 20_000]),
    nodes,
    pools,
    volumes,
  };
}

function drawPolicies(dice: Dice): PlannedPolicy[] {
  const selector = (tier: Tier) => ({ matchLabels: { 'storage-tier': tier } });
  const spec = (over: Partial<StoragePolicySpec>) =>
    storagePolicySpecSchema.parse({
      samplingWindow: dice.one(['10m', '1h']),
      cooldownPeriod: dice.one(['30s', '1m', '3m']),
      maxConcurrentMigrations: dice.between(1, 4),
      migrationTimeout: dice.one(['1m', '3m', '10m', '30m']),
      hotPoolSelector: selector('hot'),
      ...(dice.chance(0.85) ? { warmPoolSelector: selector('warm') } : {}),
      ...(dice.chance(0.95) ? { coldPoolSelector: selector('cold') } : {}),
      allowSnapshots: dice.chance(0.5),
      preservationMode: dice.chance(0.07),
      ...over,
    });
  const two = dice.chance(0.15);
  const main = { name: 'main', spec: spec(two && dice.chance(0.6) ? { volumeSelector: { matchLabels: { app: 'a' } } } : {}) };
  return two ? [main, { name: 'second', spec: spec({ volumeSelector: { matchLabels: { app: 'b' } } }) }] : [main];
}
