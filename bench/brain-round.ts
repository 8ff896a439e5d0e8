/**
 * One round of the brain over 1,000, 10,000 and 100,000 volumes: time and memory, how they grow, and the ratio to a naive loop.
 *
 * A round is everything between Mayastor's parsed answers and the chosen moves: joining the catalog, assigning pools to tiers, deciding on
 * every volume with its reason in words, and giving out slots. On one core, without Mayastor, NATS or the disk.
 *
 * The baseline, "naive loop", is the same rule as one would write it first: for each volume and each policy, the policy is validated anew,
 * its durations and selectors are read anew, and the pool of each replica is searched among all pools. It makes no words and no slots.
 */
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { clusterOf, mayastorLabelCatalog, type Reading } from '@couchestor/policy-brain/adapters/volume-catalog';
import { selectorsOf, selectsVolume, windowSecondsOf } from '@couchestor/policy-brain/domain/active-policy';
import { decideRound, prepareRound, type RoundOutcome } from '@couchestor/policy-brain/domain/decide-round';
import { decideTier } from '@couchestor/policy-brain/domain/decide-tier';
import { emptyEntry, finish, request } from '@couchestor/policy-brain/domain/ledger';
import type { CompleteRound } from '@couchestor/policy-brain/domain/samples';
import type { LedgerEntry } from '@couchestor/shared/contracts/brain';
import type { VolumeSample } from '@couchestor/shared/contracts/volume-sampled';
import { parseDurationMs } from '@couchestor/shared/duration';
import type { Node, Pool, Volume } from '@couchestor/shared/mayastor/schema';
import { type StoragePolicy, storagePolicySpecSchema } from '@couchestor/shared/storage-policy';
import { currentTier, type Tier, tierOfPool, tiersFastestFirst } from '@couchestor/shared/tiers';

const sizes = [1_000, 10_000, 100_000];
const roundsMeasured = 7;
const warmUpVolumes = 100_000;
/** The naive loop takes minutes beyond this. */
const naiveVolumesMax = 10_000;
const policyCount = 8;
const nodeCount = 40;
const nowMs = Date.parse('2026-03-01T12:00:00Z');
const gib = 1024 ** 3;
const limits = { maxConcurrentMigrations: 20, migrationTimeoutMs: 1_800_000, dryRun: false, preservationMode: false };

setFlagsFromString('--expose_gc');
const collectGarbage = runInNewContext('gc') as () => void;

interface Scene {
  readonly policies: readonly StoragePolicy[];
  readonly reading: Reading;
  readonly rounds: ReadonlyMap<number, CompleteRound>;
  readonly ledger: ReadonlyMap<string, LedgerEntry>;
  readonly refusals: number;
}

/** `misplaced`: the part of the volumes that lie in another tier than their IOPS ask for. */
const scenes = {
  usual: { misplaced: 0.02, refused: false },
  'first day, most want to move': { misplaced: 0.9, refused: false },
  'all of those refused before': { misplaced: 0.9, refused: true },
} as const;

export async function run(): Promise<void> {
  const rows: Record<string, string | number>[] = [];
  for (const [name, kind] of Object.entries(scenes)) {
    let firstCpuUs: number | undefined;
    for (const size of sizes) {
      const scene = makeScene(size, kind);
      const ours = measureRounds(scene);
      const cpuUs = (ours.cpuMs * 1_000) / size;
      firstCpuUs ??= cpuUs;
      const naiveUs = name === 'usual' && size <= naiveVolumesMax ? (naiveRound(scene, ours.outcome) * 1_000) / size : undefined;
      rows.push({
        scene: name,
        volumes: size,
        'cpu ms': round(ours.cpuMs),
        'wall ms': round(ours.wallMs),
        'cpu us/volume': round(cpuUs),
        'x of 1,000': round(cpuUs / firstCpuUs),
        'kept MiB': round(ours.keptBytes / 1024 ** 2),
        'bytes/volume': Math.round(ours.keptBytes / size),
        'naive cpu us/volume': naiveUs === undefined ? '-' : round(naiveUs),
        'times less': naiveUs === undefined ? '-' : round(naiveUs / cpuUs),
      });
    }
  }
  console.log(
    `brain-round: medians of ${roundsMeasured} rounds; cpu is that of the whole process, garbage collection included; baseline "naive loop"`,
  );
  console.table(rows);
}

function measureRounds(scene: Scene): { cpuMs: number; wallMs: number; keptBytes: number; outcome: RoundOutcome } {
  let outcome = decide(scene, new Map());
  // As many volumes as make the compiler settle, whatever the size.
  for (let warm = 0; warm < warmUpVolumes / scene.reading.volumes.length; warm += 1) {
    outcome = decide(scene, outcome.wishes);
  }
  const cpuTimes: number[] = [];
  const wallTimes: number[] = [];
  for (let n = 0; n < roundsMeasured; n += 1) {
    const startedMs = performance.now();
    const startedCpu = process.cpuUsage();
    outcome = decide(scene, outcome.wishes);
    cpuTimes.push(cpuMsSince(startedCpu));
    wallTimes.push(performance.now() - startedMs);
  }
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  // A round more beside the last one: what it takes is what a round keeps until the next.
  const another = decide(scene, outcome.wishes);
  collectGarbage();
  const keptBytes = Math.max(0, process.memoryUsage().heapUsed - before);
  return {
    cpuMs: median(cpuTimes),
    wallMs: median(wallTimes),
    keptBytes,
    outcome: another.decisions.size === outcome.decisions.size ? outcome : another,
  };
}

function cpuMsSince(started: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1_000;
}

function median(values: number[]): number {
  return values.sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0;
}

function decide({ policies, reading, rounds, ledger, refusals }: Scene, wishes: RoundOutcome['wishes']): RoundOutcome {
  const windows = new Set(policies.map(windowSecondsOf));
  const cluster = clusterOf(reading, mayastorLabelCatalog);
  const looks = { refusals, turn: 1 };
  const prepared = prepareRound({ policies, windows, rounds, cluster, readable: true, limits, looks, nowMs });
  return decideRound(prepared, { ledger, open: [], wishes });
}

/** @returns milliseconds of processor time; throws where it comes to other tiers than the brain, for then the two are not to be compared */
function naiveRound({ policies, reading, rounds }: Scene, outcome: RoundOutcome): number {
  const documents = policies.map(({ name, spec }) => ({ name, spec: JSON.parse(JSON.stringify(spec)) as unknown }));
  const wanted = new Map<string, Tier>();
  const started = process.cpuUsage();
  for (const volume of reading.volumes) {
    for (const document of documents) {
      const policy = { name: document.name, uid: document.name, generation: 1, spec: storagePolicySpecSchema.parse(document.spec) };
      const sample = rounds.get(parseDurationMs(policy.spec.samplingWindow) / 1_000)?.samples.get(volume.spec.uuid);
      const labels = volume.spec.labels ?? {};
      if (!selectsVolume(policy, { storageClass: labels['couchestor-storage-class'], labels }) || sample?.status !== 'measured') {
        continue;
      }
      const selectors = selectorsOf(policy);
      const tiers = Object.values(volume.state.replica_topology).map(({ pool }) => {
        const found = reading.pools.find(({ id }) => id === pool);
        return tierOfPool(found?.spec?.labels ?? {}, selectors);
      });
      const current = currentTier(tiers).decideAs;
      if (current !== undefined) {
        const watermarks = { high: policy.spec.highWatermarkIOPS, warm: policy.spec.warmWatermarkIOPS, low: policy.spec.lowWatermarkIOPS };
        wanted.set(volume.spec.uuid, decideTier({ current, iops: sample.iops, watermarks, destinations: new Set(tiersFastestFirst) }).to);
      }
    }
  }
  const tookMs = cpuMsSince(started);
  for (const [id, { to, rule }] of outcome.decisions) {
    if (to !== undefined && rule !== 'REFUSED' && wanted.get(id) !== to) {
      throw new Error(`the naive loop wants ${id} in ${wanted.get(id)}, the brain in ${to}`);
    }
  }
  return tookMs;
}

function makeScene(size: number, o: { misplaced: number; refused: boolean }): Scene {
  const random = seeded(42);
  const pools = tiersFastestFirst.flatMap((tier) => Array.from({ length: nodeCount }, (_, node) => poolOf(tier, node)));
  const nodes = Array.from(
    { length: nodeCount },
    (_, node): Node => ({ id: `node-${node}`, spec: { id: `node-${node}` }, state: { id: `node-${node}`, status: 'Online' } }),
  );
  const iopsOf = Array.from({ length: size }, () => Math.exp(random() * 10));
  const volumes = iopsOf.map((iops, n) => volumeOf(n, { tier: random() < o.misplaced ? misplacedTier(iops) : rightTier(iops), random }));
  const samples = new Map(volumes.map(({ spec: { uuid } }, n) => [uuid, sampleOf(uuid, iopsOf[n] ?? 0)]));
  const policies = Array.from({ length: policyCount }, (_, n) => policyOf(n));
  const rounds = new Map(policies.map((policy) => [windowSecondsOf(policy), roundOf(windowSecondsOf(policy), samples)]));
  const ledger = new Map(
    volumes.map(({ spec: { uuid } }, n) => [uuid, ledgerOf(uuid, { n, refused: o.refused, to: rightTier(iopsOf[n] ?? 0) })]),
  );
  return { policies, reading: { volumes, pools, nodes, poolCordon: true }, rounds, ledger, refusals: o.refused ? size : 0 };
}

function policyOf(n: number): StoragePolicy {
  const selectors = Object.fromEntries(tiersFastestFirst.map((tier) => [`${tier}PoolSelector`, { matchLabels: { 'storage-tier': tier } }]));
  const spec = storagePolicySpecSchema.parse({
    ...selectors,
    storageClassName: `class-${n >> 1}`,
    samplingWindow: `${(n >> 1) + 1}h`,
    volumeSelector:
      n % 2 === 0 ? { matchLabels: { team: 'a' } } : { matchExpressions: [{ key: 'team', operator: 'In', values: ['b', 'c'] }] },
  });
  return { name: `policy-${n}`, uid: `policy-${n}`, generation: 1, spec };
}

function poolOf(tier: Tier, node: number): Pool {
  const place = { id: `${tier}-${node}`, node: `node-${node}` };
  return {
    id: place.id,
    spec: { ...place, status: 'Created', labels: { 'storage-tier': tier, 'couchestor-managed': 'true' } },
    state: { ...place, status: 'Online', capacity: 10_000 * gib, used: 1_000 * gib },
  };
}

function rightTier(iops: number): Tier {
  return iops >= 5_000 ? 'hot' : iops <= 500 ? 'cold' : 'warm';
}

function misplacedTier(iops: number): Tier {
  return rightTier(iops) === 'cold' ? 'hot' : 'cold';
}

function volumeOf(n: number, { tier, random }: { tier: Tier; random: () => number }): Volume {
  const uuid = `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
  const first = Math.floor(random() * nodeCount);
  const replicas = Object.fromEntries(
    [0, 1, 2].map((index) => {
      const node = (first + index) % nodeCount;
      return [`${uuid.slice(0, 35)}${index}`, { state: 'Online', pool: `${tier}-${node}`, node: `node-${node}`, 'child-status': 'Online' }];
    }),
  );
  const target = {
    uuid,
    node: `node-${first}`,
    size: gib,
    state: 'Online',
    protocol: 'nvmf',
    deviceUri: '',
    rebuilds: 0,
    children: [0, 1, 2].map(() => ({ uri: 'bdev:///r', state: 'Online' })),
  };
  const labels = {
    'couchestor-storage-class': `class-${n % (policyCount / 2)}`,
    'couchestor-name': `volume-${n}`,
    team: ['a', 'b', 'c'][n % 3] ?? 'a',
  };
  return {
    spec: {
      uuid,
      size: gib,
      num_replicas: 3,
      status: 'Created',
      thin: true,
      labels,
      topology: { pool_topology: { labelled: { inclusion: { 'couchestor-managed': '' } } } },
      target: { node: `node-${first}` },
    },
    state: { uuid, size: gib, status: 'Online', target, replica_topology: replicas },
  };
}

function sampleOf(volumeId: string, iops: number): VolumeSample {
  return { status: 'measured', volumeId, readIops: iops * 0.7, writeIops: iops * 0.3, iops, coverage: 1 };
}

function roundOf(windowSeconds: number, samples: ReadonlyMap<string, VolumeSample>): CompleteRound {
  return {
    windowSeconds,
    round: 1,
    roundIntervalMs: 60_000,
    observedAt: new Date(nowMs).toISOString(),
    publishedAtMs: nowMs - 5_000,
    samples,
  };
}

/** Every tenth volume has moved before; or every volume was refused, so that the cause of each refusal is looked at again. */
function ledgerOf(volumeId: string, o: { n: number; refused: boolean; to: Tier }): LedgerEntry {
  const move = {
    moveId: 'm0000000000000000',
    volumeId,
    policy: 'policy-0',
    from: 'mixed',
    to: o.to,
    triggerIops: 9_000,
    startedAt: new Date(nowMs).toISOString(),
    finishedAt: new Date(nowMs).toISOString(),
  } as const;
  const facts = { atMs: nowMs - 3_600_000, cooldownMs: 86_400_000, numReplicas: 3 };
  if (o.refused) {
    const asked = request(emptyEntry, { request: requestOf(volumeId), numReplicas: 3, sight: 'another' });
    return finish(
      asked,
      {
        ...move,
        result: { outcome: 'refused', code: 'REFUSED_X', message: 'No.', causeFingerprint: 'x', replicasMoved: 0, bytesMoved: 0 },
      },
      facts,
    );
  }
  return o.n % 10 === 0
    ? finish(
        emptyEntry,
        { ...move, result: { outcome: 'success', code: 'MOVED', message: 'Moved.', replicasMoved: 3, bytesMoved: gib } },
        facts,
      )
    : emptyEntry;
}

function requestOf(volumeId: string) {
  return {
    moveId: 'm0000000000000000',
    volumeId,
    policy: { name: 'policy-0', uid: 'policy-0', generation: 1 },
    epoch: 1,
    from: 'cold',
    to: 'hot',
    selectors: {},
    triggerIops: 9_000,
    reason: '',
    expiresAt: new Date(nowMs).toISOString(),
    syncTimeoutMs: 1,
    capacityWatermarkPercent: 85,
    allowSnapshots: false,
    preservationMode: false,
  } as const;
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
