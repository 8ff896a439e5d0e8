/**
 * Every rule code that a decision may carry. docs/decision.md holds the same table, and a test compares the two.
 *
 * The verbs: `move` to another tier, `stay` where it is, `unknown` for want of a measurement, `wait` with a move that is wanted later,
 * `blocked` with a move that is wanted and cannot be made as things are.
 */
import type { Decision } from '@couchestor/shared/contracts/brain';

export const rules = {
  TO_HOT: { verb: 'move', says: 'The mean reached highWatermarkIOPS.' },
  TO_COLD: { verb: 'move', says: 'The mean is at or below lowWatermarkIOPS.' },
  UP_TO_WARM: { verb: 'move', says: 'A cold volume reached warmWatermarkIOPS.' },
  DOWN_TO_WARM: { verb: 'move', says: 'A hot volume fell below warmWatermarkIOPS.' },
  REPAIR: { verb: 'move', says: 'The replicas lie in several tiers; they are brought together in the tier that holds most of them.' },
  REQUESTED: { verb: 'move', says: 'A move was requested and has not been accepted yet.' },
  MOVING: { verb: 'move', says: 'The migrator is moving the volume.' },

  STAY: { verb: 'stay', says: 'The volume is in the tier that its mean IOPS ask for.' },
  NO_POLICY: { verb: 'stay', says: 'No policy selects the volume.' },
  POLICY_DISABLED: { verb: 'stay', says: 'The policy that selects the volume is disabled.' },

  MAYASTOR_UNREADABLE: { verb: 'unknown', says: 'Mayastor could not be read, so nobody knows where the replicas lie.' },
  KUBERNETES_UNREADABLE: { verb: 'unknown', says: 'Kubernetes could not be read, so nobody knows what the policies and labels are now.' },
  LABELS_UNKNOWN: { verb: 'unknown', says: 'Kubernetes does not say for certain which StorageClass and labels the volume has.' },
  PLACEMENT_UNKNOWN: { verb: 'unknown', says: 'Mayastor does not say where a replica of the volume lies.' },
  NO_WINDOW: { verb: 'unknown', says: 'The policy’s sampling window is not measured: eight others are in use.' },
  NO_ROUND: { verb: 'unknown', says: 'No complete round of samples of this window has arrived since the brain started.' },
  SAMPLE_STALE: { verb: 'unknown', says: 'The newest complete round of samples is older than two rounds.' },
  NO_SAMPLE: { verb: 'unknown', says: 'The newest round holds no sample of the volume.' },
  NOT_MEASURED: { verb: 'unknown', says: 'The watcher could not measure the volume.' },
  LOW_COVERAGE: { verb: 'unknown', says: 'Less than 80 % of the window was measured.' },
  PUBLISHED_SINCE: { verb: 'unknown', says: 'The volume was idle when the round was measured and has been published since.' },

  COOLDOWN: { verb: 'wait', says: 'The policy’s cooldownPeriod since the last move is not over.' },
  BACK_OFF: { verb: 'wait', says: 'The last attempt failed or was cancelled; the next one comes later.' },
  NOT_ONLINE: { verb: 'wait', says: 'Mayastor does not report the volume Online.' },
  NO_SLOT: { verb: 'wait', says: 'As many moves as maxConcurrentMigrations allows are under way.' },

  CONFLICT: { verb: 'blocked', says: 'Two or more enabled policies select the volume; none of them acts on it.' },
  OUTSIDE_TIERS: { verb: 'blocked', says: 'No replica lies on a pool that exactly one tier of the policy selects.' },
  DRY_RUN: { verb: 'blocked', says: 'The policy or the operator is in dry run: decided and explained, not moved.' },
  NOT_PUBLISHED: { verb: 'blocked', says: 'The volume is not published, and an unpublished volume cannot rebuild a new replica.' },
  NO_POOL: { verb: 'blocked', says: 'The wanted tier has no pool that is online.' },
  KEPT_OLD: { verb: 'blocked', says: 'An earlier move kept the old replica; it has to be removed by hand first.' },
  REFUSED: { verb: 'blocked', says: 'The migrator refused this move, and the cause has not changed.' },
  FAILED_TOO_OFTEN: { verb: 'blocked', says: 'Five attempts failed; the volume waits for `couchestor migrations retry`.' },
} as const satisfies Record<string, { verb: Decision['verb']; says: string }>;

export type RuleCode = keyof typeof rules;
