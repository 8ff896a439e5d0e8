/**
 * StoragePolicy, group storage.billyronks.io/v1: the one schema behind file policies and, generated from it, the custom resource.
 * Field names are the published ones, capitals and all (`highWatermarkIOPS`).
 */
import { z } from 'zod';
import {
  conditionsSchema,
  countSchema,
  documentSchema,
  durationSchema,
  instantSchema,
  objectNameSchema,
  sizeBytesSchema,
} from './crds/fields.ts';
import { breachesOf, describeBreach, refineBy, type SpecRule } from './crds/rule.ts';
import { labelSelectorSchema } from './label-selector.ts';

const iops = z.int().min(0).max(100_000_000);

const fieldsSchema = z.strictObject({
  highWatermarkIOPS: iops.min(1).default(5_000).describe('Hot when the mean IOPS of the window reach this.'),
  warmWatermarkIOPS: iops
    .default(2_000)
    .describe('Lower edge of warm for a hot volume, upper edge of cold for a cold one. 0 turns the warm tier off.'),
  lowWatermarkIOPS: iops.default(500).describe('Cold when the mean IOPS of the window are at or below this.'),
  samplingWindow: durationSchema('Window over which IOPS are averaged.').default('1h'),
  cooldownPeriod: durationSchema('Least time between two moves of one volume.').default('24h'),
  storageClassName: objectNameSchema.default('mayastor').describe('Only volumes of this StorageClass.'),
  hotPoolSelector: labelSelectorSchema.optional().describe('Pools of the hot tier.'),
  warmPoolSelector: labelSelectorSchema.optional().describe('Pools of the warm tier.'),
  coldPoolSelector: labelSelectorSchema.optional().describe('Pools of the cold tier.'),
  volumeSelector: labelSelectorSchema.optional().describe('Only volumes whose labels match.'),
  maxConcurrentMigrations: z
    .int()
    .min(1)
    .max(100)
    .optional()
    .describe("Most moves of this policy at a time. The operator's flag limits those of all policies together. Absent: that flag alone."),
  migrationTimeout: durationSchema("Longest that one replica's sync may take. Absent: the operator's flag.").optional(),
  capacityWatermarkPercent: z.int().min(1).max(100).default(85).describe('A move may fill its destination pool up to this.'),
  allowSnapshots: z
    .boolean()
    .default(false)
    .describe('Also move volumes that have snapshots or are clones. The snapshots stay on the old pool.'),
  preservationMode: z.boolean().default(false).describe("Never remove the old replica. The operator's flag turns it on for every policy."),
  enabled: z.boolean().default(true).describe('Off: no decision is acted on.'),
  dryRun: z.boolean().default(false).describe("Decide and explain, move nothing. The operator's flag turns it on for every policy."),
  ecPolicyRef: objectNameSchema.optional().describe('ErasureCodingPolicy for cold volumes.'),
  ecMinVolumeSizeBytes: sizeBytesSchema.default(10_737_418_240).describe('Only volumes of at least this size are erasure-coded.'),
});

export type StoragePolicySpec = z.infer<typeof fieldsSchema>;

export const storagePolicyRules: readonly SpecRule<StoragePolicySpec>[] = [
  {
    path: 'highWatermarkIOPS',
    rule: 'self.highWatermarkIOPS > self.lowWatermarkIOPS',
    message: 'must be above lowWatermarkIOPS',
    holds: (spec) => spec.highWatermarkIOPS > spec.lowWatermarkIOPS,
    values: (spec) => `${spec.highWatermarkIOPS} is not above ${spec.lowWatermarkIOPS}`,
  },
  {
    path: 'warmWatermarkIOPS',
    rule: 'self.warmWatermarkIOPS == 0 || (self.highWatermarkIOPS > self.warmWatermarkIOPS && self.warmWatermarkIOPS > self.lowWatermarkIOPS)',
    message: 'must be 0 (no warm tier) or between low and high',
    holds: ({ highWatermarkIOPS: high, warmWatermarkIOPS: warm, lowWatermarkIOPS: low }) => warm === 0 || (high > warm && warm > low),
    values: (spec) => `${spec.lowWatermarkIOPS} < ${spec.warmWatermarkIOPS} < ${spec.highWatermarkIOPS} does not hold`,
  },
];

export const storagePolicySpecSchema = fieldsSchema.superRefine(refineBy(storagePolicyRules));

export const storagePolicySchema = documentSchema('StoragePolicy', storagePolicySpecSchema);

/** What the CEL rules of the custom resource refuse, for servers that have no CEL. */
export function storagePolicyProblems(spec: StoragePolicySpec): string[] {
  return breachesOf(storagePolicyRules, spec).map(describeBreach);
}

/** Moves that a policy's status remembers. */
export const migrationHistoryMax = 50;

export const migrationHistoryEntrySchema = z
  .object({
    volumeName: z.string().max(253).describe('Name of the PersistentVolume, or the id of the volume.'),
    timestamp: instantSchema.describe('When the move ended.'),
    fromTier: z.string().max(32).describe('Tier of the volume before the move.'),
    toTier: z.string().max(32).describe('Tier that it was to move to.'),
    triggerIOPS: z.number().min(0).describe('Mean IOPS that the decision was made on.'),
    duration: z.string().max(32).describe('How long the move took: 320ms, 4.2s, 12.5m, 1.5h.'),
    success: z.boolean().describe('Whether the volume is where it was to go.'),
    error: z.string().max(2_048).optional().describe('Why not.'),
  })
  .describe('One move.');
export type MigrationHistoryEntry = z.infer<typeof migrationHistoryEntrySchema>;

/** What each condition of the status says while it is True. */
export const storagePolicyConditions: Readonly<Record<string, string>> = {
  Ready:
    'Decisions of this policy are made and acted on. The reason tells why not: it is the name of a condition below, or Disabled, Invalid, DryRun, Deciding, NotDecidedYet.',
  TooManyWindows: 'Eight other sampling windows are in use already. Give the policy one of those.',
  MeasurementUnavailable: 'There is no complete round of samples that is fresh enough to decide on. Check metrics-watcher and Prometheus.',
  PrometheusUnavailable: 'Prometheus could not be asked about some volumes, or about any: those that were not measured are not moved.',
  MayastorUnavailable: 'Mayastor cannot be read. The message has its answer.',
  KubernetesUnavailable: 'Volumes, claims or policies cannot be read from Kubernetes. The message tells why.',
  Unsupported: 'This Mayastor cannot cordon a pool: decisions are made and explained, moves are refused.',
  EcNotSupported: 'The policy refers to an ErasureCodingPolicy, and nothing acts on that yet: cold volumes stay replicated.',
  EcPolicyInvalid: 'The ErasureCodingPolicy that the policy refers to is not there, or is not valid.',
  Conflict: 'Volumes are selected by another policy too. No policy acts on them.',
  NoEligiblePool: 'Volumes are to move to a tier where no pool is online.',
  AmbiguousPools: 'Pools are selected by two tiers, and used by none.',
  UnselectedPools: 'Pools belong to no tier of this policy.',
};

export const storagePolicyStatusSchema = z.object({
  phase: z
    .enum(['Pending', 'Active', 'Disabled', 'Error'])
    .optional()
    .describe(
      'Pending: not decided yet. Active: decisions are made. Disabled: switched off. Error: nothing is decided until it is corrected.',
    ),
  observedGeneration: countSchema.optional().describe('metadata.generation of the spec that this status is about.'),
  watchedVolumes: countSchema.optional().describe('Volumes that the policy is for.'),
  hotVolumes: countSchema.optional().describe('Those of them with all replicas on hot pools.'),
  warmVolumes: countSchema.optional().describe('Those of them with all replicas on warm pools.'),
  coldVolumes: countSchema.optional().describe('Those of them with all replicas on cold pools.'),
  keptVolumes: countSchema
    .optional()
    .describe(
      'Those of them that still hold the old replica too, because preservation mode kept it. They are not moved again before it is gone.',
    ),
  activeMigrations: countSchema.optional().describe('Moves under way.'),
  totalMigrations: countSchema.optional().describe('Moves that ended, by success or not, since the policy was made.'),
  failedMigrations: countSchema.optional().describe('Those of them that failed.'),
  lastReconcileTime: instantSchema.optional().describe('When this status was last found to have changed.'),
  conditions: conditionsSchema.optional().describe('Findings, each with the time of its last change.'),
  migrationHistory: z
    .array(migrationHistoryEntrySchema)
    .max(migrationHistoryMax)
    .optional()
    .describe(`The last ${migrationHistoryMax} moves, newest first.`),
});
export type StoragePolicyStatus = z.infer<typeof storagePolicyStatusSchema>;

/** A policy as the brain works with it. */
export interface StoragePolicy {
  readonly name: string;
  /** Of the custom resource, or derived from the file's policy name. */
  readonly uid: string;
  /** Changes with the spec; compared for equality only. */
  readonly generation: number;
  readonly spec: StoragePolicySpec;
}
