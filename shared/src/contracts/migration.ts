/** The life of one move as its events: requested by the brain, advanced and finished by the migrator. */
import { z } from 'zod';
import { tierSchema, tierSelectorsSchema } from '../tiers.ts';
import { defineEvent } from './define.ts';
import { instantSchema, moveIdSchema, poolIdSchema, sentenceSchema, volumeIdSchema } from './fields.ts';

/** What the migrator is to do, complete: it needs no policy of its own. */
export const moveRequestSchema = z.strictObject({
  moveId: moveIdSchema,
  volumeId: volumeIdSchema,
  policy: z.strictObject({ name: z.string(), uid: z.string(), generation: z.int() }),
  /** The brain's term of office. A later term supersedes an earlier one's commands. */
  epoch: z.int().nonnegative(),
  from: z.union([tierSchema, z.literal('mixed')]),
  to: tierSchema,
  /** Selectors of all tiers, so that a pool which two of them select is never a destination. */
  selectors: tierSelectorsSchema,
  /**
   * Labels that Kubernetes gives a pool and Mayastor does not, by pool id, as far as the selectors ask for them: the migrator assigns pools to
   * tiers by the same labels as the brain.
   */
  poolLabels: z.record(poolIdSchema, z.record(z.string(), z.string())).optional(),
  triggerIops: z.number().nonnegative(),
  reason: sentenceSchema,
  /** Past this, by JetStream's clock, a move that has not started does not start. */
  expiresAt: instantSchema,
  syncTimeoutMs: z.int().positive(),
  capacityWatermarkPercent: z.int().min(1).max(100),
  allowSnapshots: z.boolean(),
  preservationMode: z.boolean(),
});
export type MoveRequest = z.infer<typeof moveRequestSchema>;

export const migrationRequested = defineEvent({
  type: 'migration.requested',
  version: 2, // v2 added `poolLabels`.
  stream: 'COUCHESTOR_MIGRATIONS',
  producer: 'policy-brain',
  consumers: ['migrator'],
  description: 'A volume is to move to a tier. Published again under a new message id, with the same moveId, until accepted or expired.',
  payload: moveRequestSchema,
  upcast: { 1: (old) => moveRequestSchema.parse(old) },
});

/**
 * The steps of a move in their order. Each stands in the journal before its Mayastor call is made; docs/safety.md tells what a crash in
 * each leaves behind.
 */
export const moveSteps = [
  'analyze',
  'gate-grow',
  'scale-up',
  'ungate-grow',
  'wait-sync',
  'gate-shrink',
  'scale-down',
  'ungate-shrink',
  'gate-rollback',
  'roll-back',
  'ungate-rollback',
  'finish',
] as const;
export const moveStepSchema = z.enum(moveSteps);
export type MoveStep = z.infer<typeof moveStepSchema>;

export const migrationAdvanced = defineEvent({
  type: 'migration.advanced',
  version: 1,
  stream: 'COUCHESTOR_MIGRATIONS',
  producer: 'migrator',
  consumers: ['policy-brain'],
  description: 'A move was accepted (its first `analyze`) or reached its next step.',
  payload: z.strictObject({
    moveId: moveIdSchema,
    volumeId: volumeIdSchema,
    step: moveStepSchema,
    /** The replica in hand, from 1. */
    replica: z.int().positive(),
    replicas: z.int().positive(),
    sourcePool: poolIdSchema.optional(),
    destinationPool: poolIdSchema.optional(),
    /** Of the rebuild in hand, 0 to 100. */
    syncPercent: z.number().min(0).max(100).optional(),
    message: sentenceSchema,
  }),
});

/**
 * How a move ended. `success`: placement changed and verified. `failed`: error or timeout. `aborted`: cancelled, withdrawn or expired
 * after it was accepted. These three are counted in couchestor_migrations_total; `refused`, `no-op` and `kept-old` are not.
 */
export const moveOutcomes = ['success', 'failed', 'aborted', 'refused', 'no-op', 'kept-old'] as const;
export const moveOutcomeSchema = z.enum(moveOutcomes);
export type MoveOutcome = z.infer<typeof moveOutcomeSchema>;

export const moveResultSchema = z.strictObject({
  outcome: moveOutcomeSchema,
  /** Stable code of the reason, as in docs/errors.md: `SYNC_TIMEOUT`, `REFUSED_NO_FREE_NODE`. */
  code: z.string().max(64),
  /** What happened and, where something is wrong, what to do about it. */
  message: sentenceSchema,
  /** Of a refusal: changes when, and only when, the recorded cause changes, so that the same refusal is not tried again. */
  causeFingerprint: z.string().max(128).optional(),
  replicasMoved: z.int().nonnegative(),
  bytesMoved: z.int().nonnegative(),
});

export const finishedMoveSchema = z.strictObject({
  moveId: moveIdSchema,
  volumeId: volumeIdSchema,
  policy: z.string(),
  from: z.union([tierSchema, z.literal('mixed')]),
  to: tierSchema,
  triggerIops: z.number().nonnegative(),
  startedAt: instantSchema,
  finishedAt: instantSchema,
  result: moveResultSchema,
});
export type FinishedMove = z.infer<typeof finishedMoveSchema>;

export const migrationFinished = defineEvent({
  type: 'migration.finished',
  version: 1,
  stream: 'COUCHESTOR_MIGRATIONS',
  producer: 'migrator',
  consumers: ['policy-brain'],
  description: 'A move ended, in one way or another; nothing of it is left in Mayastor but what the message names.',
  payload: finishedMoveSchema,
});
