/** A small cluster for tests, in Mayastor's own words: three nodes, on each a hot, a warm and a cold pool. */

import type { LedgerEntry } from '@couchestor/shared/contracts/brain';
import type { FinishedMove, MoveOutcome, MoveRequest } from '@couchestor/shared/contracts/migration';
import type { VolumeSample } from '@couchestor/shared/contracts/volume-sampled';
import type { Node, Pool, Volume } from '@couchestor/shared/mayastor/schema';
import { type StoragePolicy, type StoragePolicySpec, storagePolicySpecSchema } from '@couchestor/shared/storage-policy';
import { type Tier, tiersFastestFirst } from '@couchestor/shared/tiers';
import { clusterOf, mayastorLabelCatalog } from '../adapters/volume-catalog.ts';
import type { OperatorLimits } from '../domain/active-policy.ts';
import { type PreparedRound, prepareRound, type RoundInput } from '../domain/decide-round.ts';
import { decideVolume, type RoundFacts } from '../domain/decide-volume.ts';
import type { Cluster } from '../domain/known-volume.ts';
import type { CompleteRound } from '../domain/samples.ts';

export const gib = 1024 ** 3;
/** A moment for tests; JetStream's, as far as they know. */
export const nowMs = Date.parse('2026-03-01T12:00:00.000Z');
export const windowSeconds = 3_600;
export const roundIntervalMs = 60_000;
export const limits: OperatorLimits = { maxConcurrentMigrations: 2, migrationTimeoutMs: 1_800_000, dryRun: false, preservationMode: false };

export function volumeId(n: number): string {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
}

export function policyOf(name: string, spec: Partial<StoragePolicySpec> = {}): StoragePolicy {
  const selectors = Object.fromEntries(tiersFastestFirst.map((tier) => [`${tier}PoolSelector`, { matchLabels: { 'storage-tier': tier } }]));
  return { name, uid: `file:${name}`, generation: 1, spec: storagePolicySpecSchema.parse({ ...selectors, ...spec }) };
}

export function poolOf(tier: string, node: number, o: { online?: boolean; labels?: Record<string, string> } = {}): Pool {
  const id = `${tier}-${node}`;
  const place = { id, node: `node-${node}` };
  return {
    id,
    spec: { ...place, disks: [], status: 'Created', labels: { 'storage-tier': tier, 'couchestor-managed': 'true', ...o.labels } },
    state: { ...place, status: o.online === false ? 'Offline' : 'Online', capacity: 1_000 * gib, used: 0 },
  };
}

export function nodeOf(node: number): Node {
  const id = `node-${node}`;
  return { id, spec: { id, labels: {} }, state: { id, status: 'Online' } };
}

export interface VolumeInput {
  readonly id?: string;
  /** One pool for each replica, as `hot-1`; the node is its number. Undefined: Mayastor does not know. */
  readonly pools?: readonly (string | undefined)[];
  readonly published?: boolean;
  readonly status?: string;
  readonly numReplicas?: number;
  readonly labels?: Record<string, string>;
}

export function volumeOf(o: VolumeInput = {}): Volume {
  const { id = volumeId(1), pools = ['cold-1', 'cold-2'], published = true, status = 'Online', labels = {} } = o;
  const replicas = Object.fromEntries(
    pools.map((pool, index) => [
      `00000000-0000-4000-9000-${String(index).padStart(12, '0')}`,
      pool === undefined
        ? { state: 'Unknown' }
        : { state: 'Online', pool, node: `node-${pool.split('-').at(-1)}`, 'child-status': 'Online' },
    ]),
  );
  const target = {
    uuid: '00000000-0000-4000-a000-000000000001',
    node: 'node-1',
    size: gib,
    state: 'Online',
    protocol: 'nvmf',
    deviceUri: '',
    rebuilds: 0,
    children: pools.map(() => ({ uri: 'bdev:///r', state: 'Online' })),
  };
  return {
    spec: {
      uuid: id,
      size: gib,
      num_replicas: o.numReplicas ?? pools.length,
      status: 'Created',
      thin: false,
      num_snapshots: 0,
      labels: { 'couchestor-storage-class': 'mayastor', ...labels },
      topology: { pool_topology: { labelled: { exclusion: {}, inclusion: { 'couchestor-managed': '' } } } },
      ...(published ? { target: { node: 'node-1', protocol: 'nvmf' } } : {}),
    },
    state: { uuid: id, size: gib, status, replica_topology: replicas, ...(published ? { target } : {}) },
  };
}

export function clusterWith(volumes: readonly Volume[], o: { pools?: readonly Pool[]; poolCordon?: boolean } = {}): Cluster {
  const pools = o.pools ?? tiersFastestFirst.flatMap((tier) => [1, 2, 3].map((node) => poolOf(tier, node)));
  return clusterOf({ volumes, pools, nodes: [1, 2, 3].map(nodeOf), poolCordon: o.poolCordon ?? true }, mayastorLabelCatalog);
}

export function measured(iops: number, o: { id?: string; coverage?: number } = {}): VolumeSample {
  return { status: 'measured', volumeId: o.id ?? volumeId(1), readIops: iops / 2, writeIops: iops / 2, iops, coverage: o.coverage ?? 1 };
}

export function roundOf(samples: readonly VolumeSample[], o: { ageMs?: number } = {}): CompleteRound {
  const publishedAtMs = nowMs - (o.ageMs ?? 1_000);
  const byVolume = new Map(samples.map((sample) => [sample.volumeId, sample]));
  return { windowSeconds, round: 7, roundIntervalMs, observedAt: new Date(publishedAtMs).toISOString(), publishedAtMs, samples: byVolume };
}

export interface SituationInput extends Partial<RoundInput> {
  readonly volume?: Volume;
  readonly entry?: LedgerEntry;
  readonly sample?: VolumeSample;
}

/** A round over one volume and one policy, but for what the test says otherwise. */
export function situation(o: SituationInput = {}): PreparedRound {
  const { volume = volumeOf(), sample = measured(100), entry: _entry, ...input } = o;
  return prepareRound({
    policies: [policyOf('gold')],
    windows: new Set([windowSeconds]),
    rounds: new Map([[windowSeconds, roundOf([sample])]]),
    cluster: clusterWith([volume]),
    readable: true,
    limits,
    looks: { refusals: 1, turn: 1 },
    nowMs,
    ...input,
  });
}

export function decide(o: SituationInput = {}): ReturnType<typeof decideVolume> {
  const { facts } = situation(o);
  return decideVolume(onlyVolume(facts), o.entry, facts);
}

export function onlyVolume({ cluster }: RoundFacts) {
  const [volume] = cluster?.volumes ?? [];
  if (volume === undefined) {
    throw new TypeError('the test has no volume');
  }
  return volume;
}

export function requestFor(o: Partial<MoveRequest> = {}): MoveRequest {
  return {
    moveId: 'm0123456789abcdef',
    volumeId: volumeId(1),
    policy: { name: 'gold', uid: 'file:gold', generation: 1 },
    epoch: 1,
    from: 'cold',
    to: 'hot',
    selectors: Object.fromEntries(tiersFastestFirst.map((tier) => [tier, { matchLabels: { 'storage-tier': tier } }])),
    triggerIops: 6_000,
    reason: 'mean over 1h is 6000 IOPS',
    expiresAt: new Date(nowMs + 2 * roundIntervalMs).toISOString(),
    syncTimeoutMs: 1_800_000,
    capacityWatermarkPercent: 85,
    allowSnapshots: false,
    preservationMode: false,
    ...o,
  };
}

export function finishedMove(
  outcome: MoveOutcome,
  o: { moveId?: string; to?: Tier; code?: string; replicasMoved?: number; causeFingerprint?: string } = {},
): FinishedMove {
  const replicasMoved = o.replicasMoved ?? (outcome === 'success' ? 2 : 0);
  return {
    moveId: o.moveId ?? 'm0123456789abcdef',
    volumeId: volumeId(1),
    policy: 'gold',
    from: 'cold',
    to: o.to ?? 'hot',
    triggerIops: 6_000,
    startedAt: new Date(nowMs - 60_000).toISOString(),
    finishedAt: new Date(nowMs).toISOString(),
    result: {
      outcome,
      code: o.code ?? outcome.toUpperCase(),
      message: `It ended as ${outcome}.`,
      ...(o.causeFingerprint === undefined ? {} : { causeFingerprint: o.causeFingerprint }),
      replicasMoved,
      bytesMoved: replicasMoved * gib,
    },
  };
}
