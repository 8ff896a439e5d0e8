/** Valid payloads of the real contracts, for tests that need some event and not a certain one. */
import type { z } from 'zod';
import type { MoveRequest, migrationAdvanced } from '../contracts/migration.ts';
import type { MoveRecord } from '../contracts/migrator.ts';
import type { volumeSampled } from '../contracts/volume-sampled.ts';

export const someVolumeId = '5b1f8e0c-6f5e-4d7a-9f60-2f0b5a7b9c11';

export function someAdvance(message: string): z.infer<typeof migrationAdvanced.payload> {
  return { moveId: 'm0123456789abcdef', volumeId: someVolumeId, step: 'analyze', replica: 1, replicas: 2, message };
}

export function someSample(o: { windowSeconds: number; round: number; batch: number }): z.infer<typeof volumeSampled.payload> {
  return {
    ...o,
    batches: 2,
    roundIntervalMs: 1_000,
    observedAt: '2026-01-01T00:00:00Z',
    samples: [{ status: 'idle', volumeId: someVolumeId }],
  };
}

/** From cold to hot, and good for a minute. */
export function someMoveRequest(over: Partial<MoveRequest> = {}): MoveRequest {
  return {
    moveId: 'm0123456789abcdef',
    volumeId: someVolumeId,
    policy: { name: 'gold', uid: 'u', generation: 1 },
    epoch: 1,
    from: 'cold',
    to: 'hot',
    selectors: { hot: { matchLabels: { 'storage-tier': 'hot' } }, cold: { matchLabels: { 'storage-tier': 'cold' } } },
    triggerIops: 5_000,
    reason: 'busy',
    expiresAt: new Date(Date.now() + 60_000).toISOString(),
    syncTimeoutMs: 60_000,
    capacityWatermarkPercent: 85,
    allowSnapshots: false,
    preservationMode: false,
    ...over,
  };
}

/** Accepted and planned, with nothing done yet. */
export function someOpenMove(over: Partial<MoveRecord> = {}): MoveRecord {
  return {
    request: someMoveRequest(),
    step: 'analyze',
    attempt: 0,
    startedAt: new Date().toISOString(),
    scaleDownSent: false,
    tries: 0,
    replicasMoved: 0,
    replicasPlanned: 1,
    bytesMoved: 0,
    syncedMs: 0,
    story: [],
    ...over,
  };
}
