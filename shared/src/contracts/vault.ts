/**
 * What a vault tells of itself: the one set of shapes behind its API, the terminal and the records on the bus.
 *
 * A vault is one process of ec-encoder over one data folder, its drives and one ErasureCodingPolicy. What its API answers may have fields
 * that an older reader does not know; what is recorded on the bus has versions.
 */
import { z } from 'zod';
import { instantSchema, sentenceSchema } from './fields.ts';

const count = z.int().nonnegative();
const bytes = z.int().nonnegative();
const milliseconds = z.number().nonnegative();

export const vaultIdSchema = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[A-Za-z0-9-]+$/);

/** Of volumes and snapshots. NBD exports are called `volume` and `volume@snapshot`. */
export const volumeNameSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/,
    'a name has 1 to 128 letters, digits, dots, dashes and underscores, and none of the last three at its ends',
  );

/** The caller's name of a blob: printable, without spaces. */
export const blobKeySchema = z.string().regex(/^[\x21-\x7e]{1,512}$/, 'a key has 1 to 512 printable characters and no space');

/** Up to 16 TiB: 2^32 blocks. */
export const volumeSizeBytesSchema = z
  .int()
  .min(4_096)
  .max(2 ** 44)
  .multipleOf(4_096);

/** `starting`: the journal is being replayed. `degraded`: works, with less safety than the policy promises. `failed`: must be started again. */
export const vaultPhases = ['starting', 'ready', 'degraded', 'readOnly', 'failed'] as const;
export const vaultPhaseSchema = z.enum(vaultPhases);
export type VaultPhase = z.infer<typeof vaultPhaseSchema>;

export const vaultPolicySchema = z.strictObject({
  name: z.string().min(1).max(253),
  /** Of the custom resource, or `file:` and the name. Absent where the vault was made without a source. */
  uid: z.string().max(300).optional(),
  dataShards: z.int().positive(),
  parityShards: z.int().nonnegative(),
  stripeSizeBytes: z.int().positive(),
  codec: z.string().max(64),
});

export const vaultConditionSchema = z.strictObject({
  /** As in `Degraded`. */
  type: z.string().min(1).max(316),
  status: z.enum(['True', 'False', 'Unknown']),
  /** One word for programs. */
  reason: z.string().max(1_024),
  message: sentenceSchema,
});
export type VaultCondition = z.infer<typeof vaultConditionSchema>;

/** Well while they are True. All others name a problem. */
const wellWhenTrue: readonly string[] = ['Ready', 'Writable'];

/** The conditions that tell of something wrong. */
export function problemConditions(conditions: readonly VaultCondition[]): VaultCondition[] {
  return conditions.filter(({ type, status }) => status === (wellWhenTrue.includes(type) ? 'False' : 'True'));
}

export const driveDomainSchema = z.strictObject({ zone: z.string(), node: z.string(), pool: z.string(), disk: z.string() });

/** What may be lost of each kind, all at a time, without a byte being lost. */
export const survivesSchema = z.strictObject({
  zones: count,
  nodes: count,
  pools: count,
  disks: count,
  drives: count,
  sentence: sentenceSchema,
});

export const driveStates = ['online', 'suspect', 'failed', 'draining'] as const;

export const driveStatusSchema = z.object({
  /** In this vault, from 1. Never used again for another drive. */
  number: z.int().positive(),
  driveId: z.string(),
  path: z.string(),
  domain: driveDomainSchema,
  state: z.enum(driveStates),
  reason: sentenceSchema.optional(),
  totalBytes: bytes,
  usedBytes: bytes,
  freeBytes: bytes,
  shards: count,
  readP99Ms: milliseconds,
  writeP99Ms: milliseconds,
});
export type DriveStatus = z.infer<typeof driveStatusSchema>;

export const stripeCountsSchema = z.strictObject({
  total: count,
  healthy: count,
  /** Lack shards and can still be read. */
  degraded: count,
  /** Of the degraded ones: being rebuilt. */
  rebuilding: count,
  /** Fewer shards than the data needs are left. */
  lost: count,
});

export const vaultStatusSchema = z.object({
  vaultId: vaultIdSchema,
  policy: vaultPolicySchema,
  phase: vaultPhaseSchema,
  conditions: z.array(vaultConditionSchema).max(32),
  survives: survivesSchema,
  codecEngine: z.strictObject({ name: z.string(), slowBecause: sentenceSchema.optional() }),
  journal: z.strictObject({
    usedBytes: bytes,
    sizeBytes: bytes,
    fillPercent: z.number().min(0).max(100),
    /** Age of the oldest write that is in no stripe yet. */
    destageLagMs: milliseconds,
    copies: z.array(z.strictObject({ path: z.string(), domain: z.string(), isLive: z.boolean(), reason: sentenceSchema.optional() })),
    wantedCopies: count,
  }),
  stripes: stripeCountsSchema,
  capacity: z.strictObject({
    totalBytes: bytes,
    usedBytes: bytes,
    freeBytes: bytes,
    /** What volumes and blobs hold, before parity. */
    mappedBytes: bytes,
  }),
  drives: z.array(driveStatusSchema),
  rebuild: z.strictObject({
    isRunning: z.boolean(),
    stripesLeft: count,
    /** Since it last began. */
    stripesDone: count,
    bytesPerSecond: z.number().nonnegative(),
    etaSeconds: z.number().nonnegative().optional(),
  }),
  scrub: z.strictObject({
    isRunning: z.boolean(),
    lastFinishedAt: instantSchema.optional(),
    stripesChecked: count,
    stripesTotal: count,
    errorsFound: count,
    healed: count,
  }),
  volumes: count,
  /** These count since the process started. */
  checksumErrors: count,
  reconstructions: count,
  stripesEncoded: count,
});
export type VaultStatus = z.infer<typeof vaultStatusSchema>;

export const snapshotInfoSchema = z.object({ name: volumeNameSchema, createdAt: instantSchema, sizeBytes: bytes });
export type SnapshotInfo = z.infer<typeof snapshotInfoSchema>;

/** Ranges that are listed of a volume. More of them are only counted. */
export const lostRangesMax = 100;

export const volumeInfoSchema = z.object({
  name: volumeNameSchema,
  uuid: z.uuid(),
  sizeBytes: bytes,
  mappedBytes: bytes,
  readOnly: z.boolean(),
  createdAt: instantSchema,
  snapshots: z.array(snapshotInfoSchema),
  health: z.strictObject({
    stripes: count,
    degraded: count,
    lost: count,
    lostRanges: z.array(z.strictObject({ offsetBytes: bytes, lengthBytes: bytes })).max(lostRangesMax),
  }),
});
export type VolumeInfo = z.infer<typeof volumeInfoSchema>;

/** From the best to the worst. */
export const volumeCells = ['hole', 'journal', 'healthy', 'degraded', 'lost'] as const;
export type VolumeCell = (typeof volumeCells)[number];
export const volumeCellsMax = 512;

export const volumeDetailSchema = volumeInfoSchema.extend({
  /** The volume in equal ranges, each with the worst that is in it. The last one may be shorter. */
  map: z.array(z.enum(volumeCells)).max(volumeCellsMax),
});
export type VolumeDetail = z.infer<typeof volumeDetailSchema>;

export const blobStates = ['pending', 'adopted'] as const;
export const blobInfoSchema = z.object({
  /** Made of the key by the vault; the key itself is not kept. */
  blobId: z.string().regex(/^[0-9a-f]{32}$/),
  sizeBytes: bytes,
  state: z.enum(blobStates),
  createdAt: instantSchema,
});
export type BlobInfo = z.infer<typeof blobInfoSchema>;

export const operationKinds = ['scrub', 'rebuild', 'verify', 'backup', 'drain', 'replace'] as const;
export type OperationKind = (typeof operationKinds)[number];

/** What a long operation says at its end. Which of the numbers there are depends on its kind. */
export const operationResultSchema = z.object({
  message: sentenceSchema,
  stripesChecked: count.optional(),
  stripesRebuilt: count.optional(),
  stripesLost: count.optional(),
  errorsFound: count.optional(),
  healed: count.optional(),
  bytes: bytes.optional(),
});
export type OperationResult = z.infer<typeof operationResultSchema>;

/** How the API refuses and fails: as the error was thrown in the vault. */
export const vaultErrorSchema = z.object({
  /** As in docs/errors.md. */
  code: z.string(),
  /** One line with everything, for logs. */
  message: z.string(),
  /** What happened and what cures it. */
  help: z.string(),
  retry: z.boolean(),
  facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
export type VaultErrorBody = z.infer<typeof vaultErrorSchema>;

export const operationSchema = z.object({
  id: z.string().min(1).max(64),
  kind: z.enum(operationKinds),
  phase: z.enum(['running', 'done', 'failed', 'cancelled']),
  done: z.number().nonnegative(),
  /** 0 while it is not known. */
  total: z.number().nonnegative(),
  unit: z.enum(['stripes', 'bytes']),
  startedAt: instantSchema,
  etaSeconds: z.number().nonnegative().optional(),
  result: operationResultSchema.optional(),
  error: vaultErrorSchema.optional(),
});
export type Operation = z.infer<typeof operationSchema>;
