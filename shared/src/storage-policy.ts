/**
 * StoragePolicy, group storage.billyronks.io/v1: the one schema behind file policies and, generated from it, the custom resource.
 * Field names are the published ones, capitals and all (`highWatermarkIOPS`).
 */
import { z } from 'zod';
import { parseDurationMs } from './duration.ts';
import { labelSelectorSchema } from './label-selector.ts';

export const storagePolicyApiVersion = 'storage.billyronks.io/v1';

const duration = (description: string) =>
  z
    .string()
    .max(32)
    .refine(isDuration, { message: 'not a duration: write digits and a unit, for example 90s, 30m, 24h or 1d12h' })
    .describe(description);

const iops = z.int().min(0).max(100_000_000);

export const storagePolicySpecSchema = z
  .strictObject({
    highWatermarkIOPS: iops.min(1).default(5_000).describe('Hot when the mean IOPS of the window reach this.'),
    warmWatermarkIOPS: iops
      .default(2_000)
      .describe('Lower edge of warm for a hot volume, upper edge of cold for a cold one. 0 turns the warm tier off.'),
    lowWatermarkIOPS: iops.default(500).describe('Cold when the mean IOPS of the window are at or below this.'),
    samplingWindow: duration('Window over which IOPS are averaged.').default('1h'),
    cooldownPeriod: duration('Least time between two moves of one volume.').default('24h'),
    storageClassName: z.string().min(1).max(253).default('mayastor').describe('Only volumes of this StorageClass.'),
    hotPoolSelector: labelSelectorSchema.optional().describe('Pools of the hot tier.'),
    warmPoolSelector: labelSelectorSchema.optional().describe('Pools of the warm tier.'),
    coldPoolSelector: labelSelectorSchema.optional().describe('Pools of the cold tier.'),
    volumeSelector: labelSelectorSchema.optional().describe('Only volumes whose labels match.'),
    maxConcurrentMigrations: z
      .int()
      .min(1)
      .max(100)
      .optional()
      .describe("Most moves of this policy at a time. Absent: the operator's flag."),
    migrationTimeout: duration("Longest that one replica's sync may take. Absent: the operator's flag.").optional(),
    capacityWatermarkPercent: z.int().min(1).max(100).default(85).describe('A move may fill its destination pool up to this.'),
    allowSnapshots: z
      .boolean()
      .default(false)
      .describe('Also move volumes that have snapshots or are clones. The snapshots stay on the old pool.'),
    preservationMode: z.boolean().default(false).describe('Never remove the old replica.'),
    enabled: z.boolean().default(true).describe('Off: no decision is acted on.'),
    dryRun: z.boolean().default(false).describe('Decide and explain, move nothing.'),
    ecPolicyRef: z.string().min(1).max(253).optional().describe('ErasureCodingPolicy for cold volumes.'),
    ecMinVolumeSizeBytes: z.int().min(0).default(10_737_418_240).describe('Only volumes of at least this size are erasure-coded.'),
  })
  .superRefine((spec, context) => {
    const { highWatermarkIOPS: high, warmWatermarkIOPS: warm, lowWatermarkIOPS: low } = spec;
    if (high <= low) {
      context.addIssue({
        code: 'custom',
        path: ['highWatermarkIOPS'],
        message: `must be above lowWatermarkIOPS (${high} is not above ${low})`,
      });
    }
    if (warm !== 0 && !(high > warm && warm > low)) {
      context.addIssue({
        code: 'custom',
        path: ['warmWatermarkIOPS'],
        message: `must be 0 (no warm tier) or between low and high (${low} < ${warm} < ${high} does not hold)`,
      });
    }
  });

export const storagePolicySchema = z.strictObject({
  apiVersion: z.literal(storagePolicyApiVersion),
  kind: z.literal('StoragePolicy'),
  metadata: z.looseObject({
    name: z.string().regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/, 'must be a DNS name: lower-case letters, digits, - and .'),
  }),
  spec: storagePolicySpecSchema,
});

export type StoragePolicySpec = z.infer<typeof storagePolicySpecSchema>;

/** A policy as the brain works with it. */
export interface StoragePolicy {
  readonly name: string;
  /** Of the custom resource, or derived from the file's policy name. */
  readonly uid: string;
  /** Changes with the spec; compared for equality only. */
  readonly generation: number;
  readonly spec: StoragePolicySpec;
}

function isDuration(text: string): boolean {
  try {
    return parseDurationMs(text) > 0;
  } catch {
    return false;
  }
}
