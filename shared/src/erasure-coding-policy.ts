/**
 * ErasureCodingPolicy, group storage.billyronks.io/v1: how volumes are spread over k data and m parity shards. The one schema behind file
 * policies and, generated from it, the custom resource.
 *
 * The shape of a stripe never changes once a policy was accepted: stripes are on disk that were written by it. Another shape is another
 * policy, and the volumes are moved to it.
 */
import { z } from 'zod';
import { conditionsSchema, countSchema, documentSchema, durationSchema, instantSchema, sizeBytesSchema } from './crds/fields.ts';
import { breachesOf, describeBreach, refineBy, type SpecRule } from './crds/rule.ts';

/** GF(2^8) has no more points. */
const shardsMax = 255;
const stripeSizeBytesMin = 65_536;
const stripeSizeBytesMax = 67_108_864;
/** Of the ronomon codec. */
const ronomonDataShardsMax = 24;
const ronomonParityShardsMax = 6;

const journalConfigSchema = z.strictObject({
  journalSizeBytes: sizeBytesSchema
    .min(1_048_576)
    .default(10_737_418_240)
    .describe('Size of the write-ahead journal. Writers wait, and do not fail, while it is full.'),
  replicationFactor: z.int().min(1).max(16).default(3).describe('Copies of the journal, each in a failure domain of its own.'),
  destageThresholdPercent: z.int().min(1).max(100).default(80).describe('The journal is written out to stripes when it is this full.'),
  destageInterval: durationSchema('The journal is written out to stripes at least this often.').default('30s'),
});

const fieldsSchema = z.strictObject({
  dataShards: z.int().min(1).max(254).default(4).describe('k: shards that the data of a stripe is cut into. Cannot be changed later.'),
  parityShards: z
    .int()
    .min(1)
    .max(254)
    .default(2)
    .describe('m: shards that are computed in addition; any m shards of a stripe may be lost. Cannot be changed later.'),
  stripeSizeBytes: z
    .int()
    .min(stripeSizeBytesMin)
    .max(stripeSizeBytesMax)
    .default(1_048_576)
    .describe('User data of a full stripe. Cannot be changed later.'),
  algorithm: z
    .enum(['ReedSolomon', 'LRC'])
    .default('ReedSolomon')
    .describe('How parity is computed. LRC is reserved and not supported. Cannot be changed later.'),
  codec: z
    .enum(['isal-compatible', 'ronomon'])
    .default('isal-compatible')
    .describe(
      "Which code computes it. isal-compatible: Cauchy matrix over GF(2^8) as Intel ISA-L's, any k and m. ronomon: @ronomon/reed-solomon, at most 24 + 6. Cannot be changed later.",
    ),
  journalConfig: journalConfigSchema.prefault({}).describe('The write-ahead journal.'),
  minHealthyShards: z
    .int()
    .min(1)
    .max(shardsMax)
    .optional()
    .describe('With fewer healthy shards than this no new stripe is written; reads go on. From k to k + m. Absent: k.'),
  scrubbingEnabled: z.boolean().default(false).describe('Read and verify every shard from time to time.'),
  scrubInterval: durationSchema('How often every shard is verified.').default('7d'),
});

export type ErasureCodingPolicySpec = z.infer<typeof fieldsSchema>;

export const erasureCodingRules: readonly SpecRule<ErasureCodingPolicySpec>[] = [
  {
    path: 'parityShards',
    rule: `self.dataShards + self.parityShards <= ${shardsMax}`,
    message: `must be at most ${shardsMax} together with dataShards`,
    holds: (spec) => spec.dataShards + spec.parityShards <= shardsMax,
    values: (spec) => `${spec.dataShards} + ${spec.parityShards} = ${spec.dataShards + spec.parityShards}`,
  },
  {
    path: 'stripeSizeBytes',
    rule: `self.stripeSizeBytes >= ${stripeSizeBytesMin} && self.stripeSizeBytes <= ${stripeSizeBytesMax}`,
    message: `must be from ${stripeSizeBytesMin} (64 KiB) to ${stripeSizeBytesMax} (64 MiB)`,
    holds: (spec) => spec.stripeSizeBytes >= stripeSizeBytesMin && spec.stripeSizeBytes <= stripeSizeBytesMax,
    isBound: true,
  },
  {
    path: 'algorithm',
    rule: "self.algorithm == 'ReedSolomon'",
    message: 'LRC is not supported: write ReedSolomon, or leave it out',
    holds: (spec) => spec.algorithm === 'ReedSolomon',
  },
  {
    path: 'codec',
    rule: `self.codec != 'ronomon' || (self.dataShards <= ${ronomonDataShardsMax} && self.parityShards <= ${ronomonParityShardsMax})`,
    message: `ronomon takes at most ${ronomonDataShardsMax} data and ${ronomonParityShardsMax} parity shards: lower them, or write isal-compatible`,
    holds: (spec) => spec.codec !== 'ronomon' || (spec.dataShards <= ronomonDataShardsMax && spec.parityShards <= ronomonParityShardsMax),
    values: (spec) => `${spec.dataShards} + ${spec.parityShards}`,
  },
  {
    path: 'minHealthyShards',
    rule: '!has(self.minHealthyShards) || (self.minHealthyShards >= self.dataShards && self.minHealthyShards <= self.dataShards + self.parityShards)',
    message: 'must be from dataShards to dataShards + parityShards',
    holds: ({ dataShards, parityShards, minHealthyShards: least }) =>
      least === undefined || (least >= dataShards && least <= dataShards + parityShards),
    values: (spec) => `${spec.minHealthyShards} is not from ${spec.dataShards} to ${spec.dataShards + spec.parityShards}`,
  },
  {
    path: 'journalConfig.destageThresholdPercent',
    rule: '!has(self.journalConfig) || (self.journalConfig.destageThresholdPercent >= 1 && self.journalConfig.destageThresholdPercent <= 100)',
    message: 'must be from 1 to 100',
    holds: ({ journalConfig }) => journalConfig.destageThresholdPercent >= 1 && journalConfig.destageThresholdPercent <= 100,
    isBound: true,
  },
  {
    path: 'journalConfig.journalSizeBytes',
    rule: '!has(self.journalConfig) || self.journalConfig.journalSizeBytes >= 2 * self.stripeSizeBytes',
    message: 'must hold at least two stripes',
    holds: (spec) => spec.journalConfig.journalSizeBytes >= 2 * spec.stripeSizeBytes,
    values: (spec) => `${spec.journalConfig.journalSizeBytes} is less than 2 * ${spec.stripeSizeBytes}`,
  },
];

/** Fields that stripes on disk depend on. */
export const unchangeableFields = ['dataShards', 'parityShards', 'stripeSizeBytes', 'algorithm', 'codec'] as const;

export const erasureCodingPolicySpecSchema = fieldsSchema.superRefine(refineBy(erasureCodingRules));

export const erasureCodingPolicySchema = documentSchema('ErasureCodingPolicy', erasureCodingPolicySpecSchema);

/**
 * What the CEL rules of the custom resource refuse, for servers that have no CEL.
 * @param accepted the spec that the policy was accepted with, `status.acceptedSpec`: unchangeable fields must be as they are there.
 */
export function erasureCodingProblems(spec: ErasureCodingPolicySpec, accepted?: ErasureCodingPolicySpec): string[] {
  return [
    ...breachesOf(erasureCodingRules, spec).map(describeBreach),
    ...(accepted === undefined ? [] : unchangeableProblems(spec, accepted)),
  ];
}

export const unchangeableMessage = 'cannot be changed once the policy was accepted, for stripes are written by it: make another policy';

/** A message for each unchangeable field that is not as it was accepted. */
export function unchangeableProblems(spec: ErasureCodingPolicySpec, accepted: ErasureCodingPolicySpec): string[] {
  return unchangeableFields
    .filter((field) => spec[field] !== accepted[field])
    .map((path) => describeBreach({ path, message: `${unchangeableMessage} (${accepted[path]} was accepted, ${spec[path]} is written)` }));
}

/** User data as a part of all that is stored. */
export function storageEfficiencyOf(spec: Pick<ErasureCodingPolicySpec, 'dataShards' | 'parityShards'>): number {
  return spec.dataShards / (spec.dataShards + spec.parityShards);
}

/** What each condition of the status says while it is True. */
export const erasureCodingPolicyConditions: Readonly<Record<string, string>> = {
  Ready: 'The spec is valid and may be used. The message tells what is wrong with it otherwise.',
  Degraded: 'A vault of the policy keeps less than it promises, or has gone silent. Absent where the policy has no vault.',
};

export const erasureCodingPolicyStatusSchema = z.object({
  phase: z
    .enum(['Pending', 'Ready', 'Invalid', 'Active'])
    .optional()
    .describe('Pending: not checked yet. Ready: valid, not in use. Active: valid and in use. Invalid: the message says why.'),
  observedGeneration: countSchema.optional().describe('metadata.generation of the spec that this status is about.'),
  activeVolumes: countSchema.optional().describe('Volumes that use the policy.'),
  totalStripes: countSchema.optional().describe('Stripes that were written by it.'),
  healthyStripes: countSchema.optional().describe('Those of them with all shards.'),
  degradedStripes: countSchema.optional().describe('Those of them that lack shards.'),
  rebuildingStripes: countSchema.optional().describe('Those of them whose lost shards are being rebuilt.'),
  storageEfficiency: z.number().min(0).max(1).optional().describe('k / (k + m): user data as a part of all that is stored.'),
  lastValidationTime: instantSchema.optional().describe('When the spec was last checked.'),
  message: z.string().max(32_768).optional().describe('What is wrong and what to do about it.'),
  // Without the rules: what was accepted once stays readable when a rule is added.
  acceptedSpec: z.object(fieldsSchema.shape).optional().describe('The spec that was last accepted: stripes are written by it.'),
  conditions: conditionsSchema.optional().describe('Findings, each with the time of its last change.'),
});
export type ErasureCodingPolicyStatus = z.infer<typeof erasureCodingPolicyStatusSchema>;
