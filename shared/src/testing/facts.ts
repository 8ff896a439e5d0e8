/** Valid payloads of the real contracts, for tests that need some event and not a certain one. */
import type { z } from 'zod';
import type { migrationAdvanced } from '../contracts/migration.ts';
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
