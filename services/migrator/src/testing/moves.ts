/** One move for tests: of a volume with two replicas on cold pools, the first of which is to go to pool hot-1, seen in every way. */
import type { MoveStep } from '@couchestor/shared/contracts/migration';
import type { Bias, MoveRecord, PlacedReplica } from '@couchestor/shared/contracts/migrator';
import { formatGateMark, formatVolumeMark, gateMarkKey, volumeMarkKey } from '@couchestor/shared/placement/marks';
import { someVolumeId } from '@couchestor/shared/testing/facts';
import { aWorld, type PoolInput, type ReplicaInput, type VolumeInput } from '@couchestor/shared/testing/mayastor-objects';
import type { Limits } from '../domain/machine.ts';
import type { Reading, Sight, SightKind } from '../domain/sight.ts';

export const moveId = 'm0123456789abcdef';
export const nowMs = Date.parse('2026-01-01T12:00:00Z');
const at = '2026-01-01T12:00:00.000Z';

export const limits: Limits = {
  syncedHoldMs: 5_000,
  noProgressMs: 300_000,
  pollMs: 1_000,
  settleMs: 5_000,
  triesMax: 5,
  capabilities: { poolCordon: true },
};

const source: PlacedReplica = { uuid: 'r1', pool: 'cold-1', node: 'node-cold-1' };
const other: PlacedReplica = { uuid: 'r2', pool: 'cold-2', node: 'node-cold-2' };
export const newReplica: PlacedReplica = { uuid: 'r9', pool: 'hot-1', node: 'node-hot-1' };
const original = [source, other];

export function aMove(step: MoveStep, over: Partial<MoveRecord> = {}): MoveRecord {
  const grown = !(['analyze', 'gate-grow', 'scale-up'] as MoveStep[]).includes(step);
  return {
    request: {
      moveId,
      volumeId: someVolumeId,
      policy: { name: 'p', uid: 'u', generation: 1 },
      epoch: 1,
      from: 'cold',
      to: 'hot',
      selectors: {
        hot: { matchLabels: { tier: 'hot' } },
        warm: { matchLabels: { tier: 'warm' } },
        cold: { matchLabels: { tier: 'cold' } },
      },
      triggerIops: 5_000,
      reason: 'busy',
      expiresAt: '2026-01-01T13:00:00Z',
      syncTimeoutMs: 1_800_000,
      capacityWatermarkPercent: 85,
      allowSnapshots: false,
      preservationMode: false,
    },
    step,
    attempt: 0,
    startedAt: at,
    originalReplicas: 2,
    before: original,
    plan: { source, destination: { pool: 'hot-1', node: 'node-hot-1' }, cordonPools: ['hot-2', 'warm-1'], bytes: 1024 ** 3 },
    ...(grown ? { newReplica, syncStartedAt: at, syncProgressAt: at, syncPercent: 0 } : {}),
    ...(step === 'gate-shrink' || step === 'scale-down' ? { bias: biasOn('cold-1') } : {}),
    ...(step === 'gate-rollback' || step === 'roll-back' ? { bias: biasOn('hot-1') } : {}),
    ...(step.startsWith('ungate') ? { next: 'finish' as const } : {}),
    scaleDownSent: step === 'scale-down' || step === 'ungate-shrink',
    tries: 0,
    replicasMoved: 0,
    replicasPlanned: 2,
    bytesMoved: 0,
    syncedMs: 0,
    ...(step === 'gate-rollback' || step === 'roll-back' || step === 'ungate-rollback' || step === 'finish'
      ? { result: { outcome: 'failed' as const, code: 'SYNC_TIMEOUT', message: 'It took too long.', replicasMoved: 0, bytesMoved: 0 } }
      : {}),
    story: [{ at, step: 'analyze', text: 'Accepted.' }],
    ...over,
  };
}

export function biasOn(pool: string): Bias {
  return { kind: 'pool-label', pool, key: 'gate', value: 'yes' };
}

const rebuilding: ReplicaInput = { uuid: 'r9', pool: 'hot-1', childStatus: 'Degraded', rebuildProgress: 40, healthy: false };
const synced: ReplicaInput = { uuid: 'r9', pool: 'hot-1' };

/** The volume as it looks in each kind of sight but two. */
const volumes: Record<Exclude<SightKind, 'unreadable' | 'gone'>, VolumeInput> = {
  busy: { replicas: [source, other], operation: 'SetReplica' },
  unsettled: { replicas: [source, other], numReplicas: 3, status: 'Degraded' },
  'at-n': { replicas: [source, other] },
  moved: { replicas: [other, synced] },
  'wrong-removed': { replicas: [source, synced] },
  grown: { replicas: [source, other, rebuilding], status: 'Degraded', targetState: 'Degraded' },
  'grown-faulted': {
    replicas: [source, other, { uuid: 'r9', pool: 'hot-1', state: 'Faulted', childStatus: 'Faulted', healthy: false }],
    status: 'Degraded',
    targetState: 'Degraded',
  },
  'grown-synced': { replicas: [source, other, synced] },
  'grown-misplaced': { replicas: [source, other, { ...rebuilding, pool: 'warm-1' }], status: 'Degraded', targetState: 'Degraded' },
  'grown-unclear': { replicas: [source, { uuid: 'r7', pool: 'hot-1' }, { uuid: 'r8', pool: 'hot-2' }] },
  external: { replicas: [source, other], numReplicas: 5 },
};

/** What of ours is in place in Mayastor. */
export type Placed = 'nothing' | 'gates' | { readonly biasOn: string };

export function aReading(kind: SightKind, placed: Placed = 'nothing', over: Partial<VolumeInput> = {}): Reading | undefined {
  if (kind === 'unreadable') {
    return undefined;
  }
  const volume = { poolInclusion: { gate: '' }, replicas: [source, other], ...(kind === 'gone' ? {} : volumes[kind]), ...over };
  const world = aWorld({ volume, pools: ['cold-1', 'cold-2', 'hot-1', 'hot-2', 'warm-1'].map((id) => poolOf(id, placed)) });
  return { volume: kind === 'gone' ? undefined : world.volume, pools: world.pools, nodes: world.nodes };
}

function poolOf(id: string, placed: Placed): PoolInput {
  const tier = id.split('-')[0] ?? '';
  const mark = (kind: 'cordon' | 'label') =>
    formatGateMark(kind === 'cordon' ? { kind, moveId } : { kind, moveId, key: 'gate', value: 'yes' });
  if (placed === 'gates' && id === 'hot-1') {
    return {
      id,
      labels: { tier, gate: 'yes', [volumeMarkKey(someVolumeId)]: formatVolumeMark({ moveId, originalReplicas: 2, kept: false }) },
    };
  }
  if (placed === 'gates' && (id === 'hot-2' || id === 'warm-1')) {
    return { id, labels: { tier, gate: 'yes', [gateMarkKey]: mark('cordon') }, cordoned: true };
  }
  return typeof placed === 'object' && placed.biasOn === id
    ? { id, labels: { tier, [gateMarkKey]: mark('label') } }
    : { id, labels: { tier, gate: 'yes' } };
}

export function aSight(reading: Reading | undefined, over: Partial<Sight> = {}): Sight {
  return { reading, nowMs, atStepMs: 0, cancelled: false, standing: { kind: 'stands', reason: '' }, syncedForMs: 0, gate: 'none', ...over };
}
