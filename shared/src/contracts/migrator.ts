/** What the migrator stores and answers. */
import { z } from 'zod';
import { tierSchema } from '../tiers.ts';
import { defineBucket, defineRpc } from './define.ts';
import { instantSchema, moveIdSchema, nodeIdSchema, poolIdSchema, sentenceSchema, volumeIdSchema } from './fields.ts';
import { moveRequestSchema, moveResultSchema, moveStepSchema } from './migration.ts';

export const placedReplicaSchema = z.strictObject({ uuid: z.string(), pool: poolIdSchema, node: nodeIdSchema });
export type PlacedReplica = z.infer<typeof placedReplicaSchema>;

/** How Mayastor is made to remove the replica that we mean: see docs/safety.md, "Every shrink is biased". */
export const biasSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('pool-label'), pool: poolIdSchema, key: z.string(), value: z.string() }),
  z.strictObject({ kind: z.literal('node-cordon'), node: nodeIdSchema }),
]);
export type Bias = z.infer<typeof biasSchema>;

/** The plan for the replica in hand. */
export const replicaPlanSchema = z.strictObject({
  source: placedReplicaSchema,
  destination: z.strictObject({ pool: poolIdSchema, node: nodeIdSchema }),
  /** Pools that would also be eligible and are cordoned while Mayastor chooses. */
  cordonPools: z.array(poolIdSchema),
  bytes: z.int().nonnegative(),
});
export type ReplicaPlan = z.infer<typeof replicaPlanSchema>;

/** Lines of a move's story that are kept; the middle is dropped first. */
export const storyLinesMax = 200;

export const storyLineSchema = z.strictObject({
  at: instantSchema,
  step: moveStepSchema,
  text: sentenceSchema,
  /** Of a line that tells of a call to Mayastor, made at `at`: how it was answered, and after how long. */
  call: z.strictObject({ answer: z.string().max(500), tookMs: z.number().nonnegative() }).optional(),
});
export type StoryLine = z.infer<typeof storyLineSchema>;

export const moveRecordSchema = z.strictObject({
  request: moveRequestSchema,
  step: moveStepSchema,
  /** Raised each time the job is queued anew; the BullMQ job id is moveId-attempt. */
  attempt: z.int().nonnegative(),
  startedAt: instantSchema,
  /** num_replicas when the move began: the floor of S2 and what every ending restores. */
  originalReplicas: z.int().positive().optional(),
  plan: replicaPlanSchema.optional(),
  /** Replicas as they lay just before the PUT in hand; exactly one uuid outside this set is ours. */
  before: z.array(placedReplicaSchema).optional(),
  /** The replica that SCALE UP made, once known. */
  newReplica: placedReplicaSchema.optional(),
  bias: biasSchema.optional(),
  /** Set before the first SCALE DOWN of the replica in hand is sent: from then on its effect may show at any time. */
  scaleDownSent: z.boolean(),
  /** Where the move goes on once everything that gates or biases is undone. */
  next: moveStepSchema.optional(),
  /** Retries for the replica in hand. */
  tries: z.int().nonnegative(),
  syncStartedAt: instantSchema.optional(),
  /** Rebuild progress as last seen, and when it last changed. */
  syncPercent: z.number().min(0).max(100).optional(),
  syncProgressAt: instantSchema.optional(),
  replicasMoved: z.int().nonnegative(),
  replicasPlanned: z.int().nonnegative(),
  bytesMoved: z.int().nonnegative(),
  /** Time that the finished syncs of this move took. */
  syncedMs: z.number().nonnegative(),
  /** How the move is to end, once that is known: set on the way into a roll-back, and at `finish`. */
  result: moveResultSchema.optional(),
  story: z.array(storyLineSchema).max(storyLinesMax),
});
export type MoveRecord = z.infer<typeof moveRecordSchema>;

export const journalBucket = defineBucket({
  name: 'COUCHESTOR_journal',
  version: 2, // v2 added `poolLabels` to a request.
  owner: 'migrator',
  description:
    'Key: volume id. The open move of a volume; creating the record is the lock on the volume, each step a compare-and-set before its call.',
  value: moveRecordSchema,
  upcast: { 1: (old) => moveRecordSchema.parse(old) },
  history: 8,
  maxBytes: 256 * 1024 * 1024,
});

const finishedRecordSchema = moveRecordSchema.extend({ finishedAt: instantSchema });

export const finishedMovesBucket = defineBucket({
  name: 'COUCHESTOR_moves',
  version: 2, // v2 added `poolLabels` to a request.
  owner: 'migrator',
  description: 'Key: move id. Moves that have ended, with their story, for 30 days.',
  value: finishedRecordSchema,
  upcast: { 1: (old) => finishedRecordSchema.parse(old) },
  history: 1,
  ttlMs: 30 * 86_400_000,
  maxBytes: 512 * 1024 * 1024,
});

export const cancelsBucket = defineBucket({
  name: 'COUCHESTOR_cancels',
  version: 1,
  owner: 'migrator',
  description: 'Key: move id. Moves that a person has asked to cancel.',
  value: z.strictObject({ requestedAt: instantSchema }),
  history: 1,
  ttlMs: 7 * 86_400_000,
  maxBytes: 16 * 1024 * 1024,
});

export const lockBucket = defineBucket({
  name: 'COUCHESTOR_locks',
  version: 1,
  owner: 'migrator',
  description:
    'Key: lock name. Renewed by its holder; taken over when its revision has not changed for the lease, by the taker’s own clock.',
  value: z.strictObject({ holder: z.string(), leaseMs: z.int().positive(), renewals: z.int().nonnegative(), released: z.boolean() }),
  history: 1,
  maxBytes: 1024 * 1024,
});

/** The lock under which pools and nodes are cordoned: one for each Mayastor cluster. */
export const gateLockName = 'gate';

export const moveViewSchema = z.strictObject({
  moveId: moveIdSchema,
  volumeId: volumeIdSchema,
  policy: z.string(),
  from: z.union([tierSchema, z.literal('mixed')]),
  to: tierSchema,
  step: moveStepSchema,
  replicasMoved: z.int(),
  replicasPlanned: z.int(),
  syncPercent: z.number().optional(),
  sourcePool: poolIdSchema.optional(),
  destinationPool: poolIdSchema.optional(),
  startedAt: instantSchema,
  finishedAt: instantSchema.optional(),
  result: moveResultSchema.optional(),
});
export type MoveView = z.infer<typeof moveViewSchema>;

export const listMoves = defineRpc({
  name: 'migrator.list-moves',
  answeredBy: 'migrator',
  description: 'Open moves, and the newest finished ones.',
  request: z.strictObject({ finishedLimit: z.int().min(0).max(1_000) }),
  response: z.strictObject({ open: z.array(moveViewSchema), finished: z.array(moveViewSchema) }),
});

export const showMove = defineRpc({
  name: 'migrator.show-move',
  answeredBy: 'migrator',
  description: 'One move with its whole story: each step, each call that changed Mayastor with its answer, and when.',
  request: z.strictObject({ move: z.string().min(1).max(64).describe('Move id or volume id.') }),
  response: z.strictObject({ move: moveViewSchema, story: z.array(storyLineSchema.extend({ sinceStartMs: z.number() })) }),
});

export const cancelMove = defineRpc({
  name: 'migrator.cancel-move',
  answeredBy: 'migrator',
  description: 'Asks a move to end with the volume as it was. A replica that is already being removed is not brought back.',
  request: z.strictObject({ move: z.string().min(1).max(64).describe('Move id or volume id.') }),
  response: z.strictObject({ moveId: moveIdSchema, message: sentenceSchema }),
});

/** The job of BullMQ's `migrate-volume` queue: a wake-up. The truth is the journal. */
export const migrateVolumeJobSchema = z.strictObject({ moveId: moveIdSchema, volumeId: volumeIdSchema });
export const migrateVolumeQueue = 'migrate-volume';
