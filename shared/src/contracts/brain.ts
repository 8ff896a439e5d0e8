/** What the brain stores and answers. */
import { z } from 'zod';
import { tierSchema } from '../tiers.ts';
import { defineBucket, defineRpc } from './define.ts';
import { instantSchema, moveIdSchema, sentenceSchema, volumeIdSchema } from './fields.ts';
import { finishedMoveSchema, moveRequestSchema } from './migration.ts';
import { volumeSampleSchema } from './volume-sampled.ts';

/** The most windows that may be in use at a time. A policy with a ninth gets a condition and no decisions. */
export const windowsMax = 8;

export const windowsBucket = defineBucket({
  name: 'COUCHESTOR_windows',
  version: 1,
  owner: 'policy-brain',
  description: 'Key `in-use`: the sampling windows of all policies, for the watcher to measure.',
  value: z.strictObject({ windowSeconds: z.array(z.int().positive()).max(windowsMax) }),
  history: 1,
  maxBytes: 1024 * 1024,
});
export const windowsKey = 'in-use';

export const epochBucket = defineBucket({
  name: 'COUCHESTOR_epoch',
  version: 1,
  owner: 'policy-brain',
  description: 'Key `brain`: the term of office of the leading brain, raised by compare-and-set when a term begins.',
  value: z.strictObject({ epoch: z.int().nonnegative() }),
  history: 1,
  maxBytes: 1024 * 1024,
});
export const epochKey = 'brain';

/** Finished moves of a volume that the ledger keeps, newest first. */
export const ledgerHistoryMax = 50;

/** One line of history; the fields of `status.migrationHistory` of the custom resource derive from it. */
export const historyEntrySchema = finishedMoveSchema.omit({ volumeId: true });

export const ledgerEntrySchema = z.strictObject({
  /** Rises with every request made for the volume; with the volume's id it gives the moveId. */
  requests: z.int().nonnegative(),
  /** The request that is out and not finished. At most one a volume. */
  pending: z
    .strictObject({
      request: moveRequestSchema,
      /** True once the migrator has journaled it: from then on only its end clears it. */
      accepted: z.boolean(),
      step: z.string().optional(),
      /** num_replicas when the move was requested. */
      numReplicas: z.int().positive(),
      /** What the decision rested on beside IOPS, in short: compared for equality with a later look at the same volume. */
      sight: z.string().max(128),
    })
    .optional(),
  /** Start of the cooldown: when placement last changed on our account. */
  lastMovedAt: instantSchema.optional(),
  /** Failures since the last success. At five the volume waits for `migrations retry`. */
  failures: z.int().nonnegative(),
  /** No further attempt before this: doubles from 5 minutes to the cooldown. */
  retryAt: instantSchema.optional(),
  /** The last refusal: the same move is not tried again until the fingerprint of its cause changes. */
  refusal: z
    .strictObject({
      code: z.string(),
      message: sentenceSchema,
      causeFingerprint: z.string(),
      to: tierSchema,
      at: instantSchema,
      sight: z.string().max(128),
    })
    .optional(),
  /** Set by preservation mode or a missing bias: no move until num_replicas is back at this. */
  keptOld: z.strictObject({ numReplicas: z.int().positive(), message: sentenceSchema }).optional(),
  history: z.array(historyEntrySchema).max(ledgerHistoryMax),
});
export type LedgerEntry = z.infer<typeof ledgerEntrySchema>;

export const ledgerBucket = defineBucket({
  name: 'COUCHESTOR_ledger',
  version: 2, // v2 added `poolLabels` to a request.
  owner: 'policy-brain',
  description: 'Key: volume id. The pending request, cooldown, back-off, refusal and history of each volume.',
  value: ledgerEntrySchema,
  upcast: { 1: (old) => ledgerEntrySchema.parse(old) },
  history: 1,
  maxBytes: 1024 * 1024 * 1024,
});

/** Finished moves that a policy's record keeps, newest first: as many as its status shows. */
export const policyHistoryMax = 50;
/** Moves that a policy's record remembers as counted. A message that comes again comes long before this many others have ended. */
export const countedMovesMax = 500;

const counts = { total: z.int().nonnegative(), failed: z.int().nonnegative() };

export const policyRecordSchema = z.strictObject({
  ...counts,
  /** What was counted before this record began, as the policy's status said. */
  before: z.strictObject(counts),
  /** Whether the status was asked for `before`. */
  seeded: z.boolean(),
  /** The moves that were counted last, newest first: a message that is delivered again does not count again. */
  counted: z.array(z.strictObject({ moveId: moveIdSchema, finishedAt: instantSchema })).max(countedMovesMax),
  /** Newest first. Stays when its volume is gone. */
  history: z.array(finishedMoveSchema.omit({ policy: true }).extend({ volumeName: z.string().min(1).max(253) })).max(policyHistoryMax),
});
export type PolicyRecord = z.infer<typeof policyRecordSchema>;

export const policyRecordsBucket = defineBucket({
  name: 'COUCHESTOR_policies',
  version: 1,
  owner: 'policy-brain',
  description: 'Key: policy name. How many moves were made by each policy, and the last of them, whatever became of their volumes.',
  value: policyRecordSchema,
  history: 1,
  maxBytes: 256 * 1024 * 1024,
});

/** Whether a move that the migrator is about to start (or to start on its next replica) still stands. */
export const moveStanding = defineRpc({
  name: 'brain.move-standing',
  answeredBy: 'policy-brain',
  description: 'Asked by the migrator just before every SCALE UP. No answer means: do not start.',
  request: z.strictObject({
    moveId: moveIdSchema,
    volumeId: volumeIdSchema,
    epoch: z.int(),
    policyUid: z.string(),
    policyGeneration: z.int(),
  }),
  response: z.strictObject({ stands: z.boolean(), reason: sentenceSchema }),
});

/** Why a volume is left where it is or is to be moved: one of these for every volume in every round. */
export const decisionVerbs = ['move', 'stay', 'unknown', 'wait', 'blocked'] as const;

export const decisionSchema = z.strictObject({
  volumeId: volumeIdSchema,
  policy: z.string().optional(),
  decidedAt: instantSchema,
  /** move: to `to`. stay: where it belongs. unknown: no usable measurement. wait: wants to move, later. blocked: wants to move, cannot. */
  verb: z.enum(decisionVerbs),
  /** Stable code of the rule that decided: docs/decision.md lists them all. */
  rule: z.string(),
  reason: sentenceSchema,
  placement: z.union([tierSchema, z.enum(['mixed', 'none'])]),
  to: tierSchema.optional(),
  sample: volumeSampleSchema.optional(),
  sampleAgeMs: z.number().nonnegative().optional(),
  watermarks: z.strictObject({ high: z.number(), warm: z.number(), low: z.number() }).optional(),
});
export type Decision = z.infer<typeof decisionSchema>;

export const volumeViewSchema = z.strictObject({
  volumeId: volumeIdSchema,
  name: z.string(),
  sizeBytes: z.int().nonnegative(),
  numReplicas: z.int().nonnegative(),
  status: z.string(),
  published: z.boolean(),
  pools: z.array(z.strictObject({ pool: z.string(), node: z.string(), tier: z.string(), state: z.string() })),
  decision: decisionSchema.optional(),
  pending: z.strictObject({ moveId: moveIdSchema, to: tierSchema, step: z.string() }).optional(),
});
export type VolumeView = z.infer<typeof volumeViewSchema>;

export const listVolumes = defineRpc({
  name: 'brain.list-volumes',
  answeredBy: 'policy-brain',
  description: 'Volumes as the brain sees them, by pages.',
  request: z.strictObject({ after: volumeIdSchema.optional(), limit: z.int().min(1).max(1_000) }),
  response: z.strictObject({ volumes: z.array(volumeViewSchema), next: volumeIdSchema.optional() }),
});

export const explainVolume = defineRpc({
  name: 'brain.explain-volume',
  answeredBy: 'policy-brain',
  description: 'The last decision on one volume with its numbers, its ledger and its history.',
  request: z.strictObject({ volume: z.string().min(1).max(300).describe('Volume id, PV name, or a unique beginning of either.') }),
  response: z.strictObject({ volume: volumeViewSchema, ledger: ledgerEntrySchema.optional(), facts: z.array(sentenceSchema) }),
});

export const conditionSchema = z.strictObject({
  type: z.string(),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string(),
  message: sentenceSchema,
  lastTransitionTime: instantSchema,
});
export type Condition = z.infer<typeof conditionSchema>;

export const policyViewSchema = z.strictObject({
  name: z.string(),
  /** Where it was read: a file's path, or the custom resource. */
  source: z.string(),
  phase: z.enum(['Pending', 'Active', 'Disabled', 'Error']),
  enabled: z.boolean(),
  dryRun: z.boolean(),
  watermarks: z.strictObject({ high: z.number(), warm: z.number(), low: z.number() }).optional(),
  samplingWindow: z.string().optional(),
  watchedVolumes: z.int().nonnegative(),
  hotVolumes: z.int().nonnegative(),
  warmVolumes: z.int().nonnegative(),
  coldVolumes: z.int().nonnegative(),
  activeMigrations: z.int().nonnegative(),
  totalMigrations: z.int().nonnegative(),
  failedMigrations: z.int().nonnegative(),
  conditions: z.array(conditionSchema),
});
export type PolicyView = z.infer<typeof policyViewSchema>;

export const ecPolicyViewSchema = z.strictObject({
  name: z.string(),
  source: z.string(),
  phase: z.enum(['Pending', 'Ready', 'Active']),
  dataShards: z.int().positive(),
  parityShards: z.int().positive(),
  storageEfficiency: z.number().min(0).max(1),
  /** Watched by the policies that refer to it. */
  activeVolumes: z.int().nonnegative(),
});
export type EcPolicyView = z.infer<typeof ecPolicyViewSchema>;

export const listPolicies = defineRpc({
  name: 'brain.list-policies',
  answeredBy: 'policy-brain',
  description:
    'Policies with phase, counters and conditions, and erasure coding policies. What could not be read as either is a policy in phase Error.',
  request: z.strictObject({}),
  response: z.strictObject({
    policies: z.array(policyViewSchema),
    ecPolicies: z.array(ecPolicyViewSchema),
    windows: z.array(z.int()),
    epoch: z.int(),
  }),
});

export const retryVolume = defineRpc({
  name: 'brain.retry-volume',
  answeredBy: 'policy-brain',
  description: 'Clears the failures, the back-off and the recorded refusal of one volume.',
  request: z.strictObject({ volume: z.string().min(1).max(300) }),
  response: z.strictObject({ volumeId: volumeIdSchema, message: sentenceSchema }),
});
