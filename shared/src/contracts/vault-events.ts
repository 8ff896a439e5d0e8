/** What ec-encoder tells the others: what happens to stripes and drives, and how each vault is. */
import { z } from 'zod';
import { defineBucket, defineEvent } from './define.ts';
import { instantSchema, sentenceSchema } from './fields.ts';
import { stripeCountsSchema, survivesSchema, vaultConditionSchema, vaultIdSchema, vaultPhaseSchema, vaultPolicySchema } from './vault.ts';

/** Ids that one message names: a drive that fails touches a million stripes at once, and NATS takes 1 MiB. */
export const stripeIdsMax = 1_000;

const count = z.int().nonnegative();

const stripesSchema = z.strictObject({
  vaultId: vaultIdSchema,
  policy: z.string().min(1).max(253),
  /** All of them, or the first where there are more than `stripeIdsMax`: `count` is always right. */
  stripeIds: z.array(count).min(1).max(stripeIdsMax),
  count: z.int().positive(),
});

const common = { version: 1, stream: 'COUCHESTOR_VAULT', producer: 'ec-encoder', consumers: [] } as const;

export const stripeEncoded = defineEvent({
  ...common,
  type: 'stripe.encoded',
  description: 'Stripes were written: all their shards are durable on drives and in the index. Batched over a few seconds.',
  payload: stripesSchema.extend({ payloadBytes: count }),
});

export const stripeDegraded = defineEvent({
  ...common,
  type: 'stripe.degraded',
  description: 'Stripes have lost shards and can still be read. They are rebuilt as drives allow.',
  payload: stripesSchema,
});

export const stripeRebuilt = defineEvent({
  ...common,
  type: 'stripe.rebuilt',
  description: 'Stripes have all their shards again.',
  payload: stripesSchema,
});

export const stripeLost = defineEvent({
  ...common,
  type: 'stripe.lost',
  description: 'Fewer shards of these stripes are left than their data needs. They are readable again when drives come back.',
  payload: stripesSchema,
});

export const driveFailed = defineEvent({
  ...common,
  type: 'drive.failed',
  description: 'A drive was given up, by itself or because it was told to be. Its shards are being rebuilt on the others.',
  payload: z.strictObject({
    vaultId: vaultIdSchema,
    policy: z.string().min(1).max(253),
    drive: z.int().positive(),
    path: z.string(),
    reason: sentenceSchema,
  }),
});

export const vaultRecordSchema = z.strictObject({
  vaultId: vaultIdSchema,
  policy: vaultPolicySchema,
  phase: vaultPhaseSchema,
  volumes: count,
  stripes: stripeCountsSchema,
  survives: survivesSchema,
  conditions: z.array(vaultConditionSchema).max(32),
  at: instantSchema,
});
export type VaultRecord = z.infer<typeof vaultRecordSchema>;

export const vaultsBucket = defineBucket({
  name: 'COUCHESTOR_vaults',
  version: 1,
  owner: 'ec-encoder',
  description: 'Key: vault id. How each vault is, for the counts of its ErasureCodingPolicy. Gone a day after the vault last said so.',
  value: vaultRecordSchema,
  history: 1,
  ttlMs: 86_400_000,
  maxBytes: 64 * 1024 * 1024,
});
