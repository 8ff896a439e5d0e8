/** How hard each volume worked over one sampling window: the watcher's measurement of one round, in batches. */
import { z } from 'zod';
import { defineEvent } from './define.ts';
import { instantSchema, sentenceSchema, volumeIdSchema } from './fields.ts';

const rate = z.number().nonnegative();

/**
 * One volume's sample. `idle` is known from Mayastor (not published), never from silence: a published volume without series is `unknown`,
 * with the reason, and no decision moves it (S4).
 */
export const volumeSampleSchema = z.discriminatedUnion('status', [
  z.strictObject({
    status: z.literal('measured'),
    volumeId: volumeIdSchema,
    /** Means over the window, operations per second. */
    readIops: rate,
    writeIops: rate,
    iops: rate,
    /** Mean latency over the window in microseconds; absent where there was no such operation. */
    readLatencyUs: rate.optional(),
    writeLatencyUs: rate.optional(),
    /** Part of the window that was really measured, 0 to 1. */
    coverage: z.number().min(0).max(1),
  }),
  z.strictObject({ status: z.literal('idle'), volumeId: volumeIdSchema }),
  z.strictObject({ status: z.literal('unknown'), volumeId: volumeIdSchema, reason: sentenceSchema }),
]);
export type VolumeSample = z.infer<typeof volumeSampleSchema>;

/** A batch is published once its JSON would pass this size. NATS takes 1 MiB. */
export const sampleBatchBytesMax = 512 * 1024;

export const volumeSampled = defineEvent({
  type: 'volume.sampled',
  version: 1,
  stream: 'COUCHESTOR_SAMPLES',
  producer: 'metrics-watcher',
  consumers: ['policy-brain'],
  description:
    'IOPS, latency and coverage of every volume over one sampling window; batch i of n of one round. One message is kept for each window and batch, so that downtime replays nothing stale.',
  payload: z.strictObject({
    windowSeconds: z.int().positive(),
    /** Rises with every round of this window. Batches of different rounds are never joined. */
    round: z.int().nonnegative(),
    /** Length of a round: two of them without a new one make a sample stale. */
    roundIntervalMs: z.int().positive(),
    observedAt: instantSchema,
    batch: z.int().nonnegative(),
    batches: z.int().positive(),
    samples: z.array(volumeSampleSchema).max(20_000),
  }),
  subjectTail: ({ windowSeconds, batch }) => `${windowSeconds}.${batch}`,
});
export type VolumeSampledPayload = z.infer<typeof volumeSampled.payload>;
