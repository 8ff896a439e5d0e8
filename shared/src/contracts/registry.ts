/** Every contract there is. Streams, docs/events.md and the schema lock derive from these lists. */
import {
  epochBucket,
  explainVolume,
  ledgerBucket,
  listPolicies,
  listVolumes,
  moveStanding,
  policyRecordsBucket,
  retryVolume,
  windowsBucket,
} from './brain.ts';
import type { BucketContract, EventContract, RpcContract, StreamName } from './define.ts';
import { migrationAdvanced, migrationFinished, migrationRequested } from './migration.ts';
import { cancelMove, cancelsBucket, finishedMovesBucket, journalBucket, listMoves, lockBucket, showMove } from './migrator.ts';
import { driveFailed, stripeDegraded, stripeEncoded, stripeLost, stripeRebuilt, vaultsBucket } from './vault-events.ts';
import { volumeSampled } from './volume-sampled.ts';

export interface StreamConfig {
  readonly name: StreamName | 'COUCHESTOR_DEAD_LETTERS';
  readonly subjects: readonly string[];
  readonly description: string;
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  /** 1 where only the newest message of a subject matters. */
  readonly maxMessagesPerSubject?: number;
}

export const streams: readonly StreamConfig[] = [
  {
    name: 'COUCHESTOR_SAMPLES',
    subjects: ['couchestor.volume.sampled.>'],
    description: 'The newest measurement of each window and batch.',
    maxAgeMs: 86_400_000,
    maxBytes: 512 * 1024 * 1024,
    maxMessagesPerSubject: 1,
  },
  {
    name: 'COUCHESTOR_MIGRATIONS',
    subjects: ['couchestor.migration.>'],
    description: 'Requests for moves, their steps and their ends.',
    maxAgeMs: 7 * 86_400_000,
    maxBytes: 512 * 1024 * 1024,
  },
  {
    name: 'COUCHESTOR_VAULT',
    subjects: ['couchestor.stripe.>', 'couchestor.drive.>'],
    description: 'What happened to stripes and drives.',
    maxAgeMs: 7 * 86_400_000,
    maxBytes: 256 * 1024 * 1024,
  },
  {
    name: 'COUCHESTOR_DEAD_LETTERS',
    subjects: ['couchestor.dead-letter.>'],
    description: 'Messages that could not be handled, with the error, until they are replayed or 30 days old.',
    maxAgeMs: 30 * 86_400_000,
    maxBytes: 512 * 1024 * 1024,
  },
];

// The lists hold contracts of many types; each is typed where it is used, by its own export.
// biome-ignore lint/suspicious/noExplicitAny: the payload type of a list's entry is not one type.
type Any = any;

export const events: readonly EventContract<Any>[] = [
  volumeSampled,
  migrationRequested,
  migrationAdvanced,
  migrationFinished,
  stripeEncoded,
  stripeDegraded,
  stripeRebuilt,
  stripeLost,
  driveFailed,
];

export const rpcs: readonly RpcContract<Any, Any>[] = [
  moveStanding,
  listVolumes,
  explainVolume,
  listPolicies,
  retryVolume,
  listMoves,
  showMove,
  cancelMove,
];

export const buckets: readonly BucketContract<Any>[] = [
  windowsBucket,
  epochBucket,
  ledgerBucket,
  policyRecordsBucket,
  journalBucket,
  finishedMovesBucket,
  cancelsBucket,
  lockBucket,
  vaultsBucket,
];
