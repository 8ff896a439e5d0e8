/** The options of the migrator. */
import { commonOptions } from '@couchestor/shared/common-options';
import { defineOptions, type OptionValues } from '@couchestor/shared/options';

const {
  natsUrl,
  redisUrl,
  mayastorUrl,
  mayastorNamespace,
  mayastorCaFile,
  mayastorTokenFile,
  logLevel,
  logJson,
  metricsAddr,
  healthAddr,
  simulator,
} = commonOptions;
const { maxConcurrentMigrations, dryRun, preservationMode, coordination, kubeconfig, podNamespace } = commonOptions;

/** The control plane's cache lags by a few seconds: two readings of "synced" closer together may be one. */
const syncedHoldSecondsMin = 5;
/** A job that stays locked for longer delays what its dead worker had in hand; a shorter lock is lost whenever a process is slow. */
const jobLockSecondsMax = 10;

export const migratorOptions = defineOptions({
  natsUrl,
  redisUrl,
  mayastorUrl,
  mayastorNamespace,
  mayastorCaFile,
  mayastorTokenFile,
  maxConcurrentMigrations,
  dryRun,
  preservationMode,
  syncPollIntervalSeconds: {
    flag: 'sync-poll-interval-seconds',
    env: 'SYNC_POLL_INTERVAL_SECONDS',
    kind: 'number',
    min: 0.05,
    max: 600,
    default: 10,
    description: 'How often a rebuild is looked at.',
  },
  syncedHoldSeconds: {
    flag: 'synced-hold-seconds',
    env: 'SYNCED_HOLD_SECONDS',
    kind: 'number',
    min: 0.1,
    max: 600,
    default: syncedHoldSecondsMin,
    description: `How long a new replica must have been seen synced before the old one goes. At least ${syncedHoldSecondsMin} without --simulator.`,
  },
  noProgressMinutes: {
    flag: 'no-progress-minutes',
    env: 'NO_PROGRESS_MINUTES',
    kind: 'number',
    min: 0.05,
    max: 1_440,
    default: 5,
    description: 'A rebuild without progress for this long is given up.',
  },
  mayastorTimeoutSeconds: {
    flag: 'mayastor-timeout-seconds',
    env: 'MAYASTOR_TIMEOUT_SECONDS',
    kind: 'number',
    min: 0.5,
    max: 120,
    default: 10,
    description: 'Deadline of one call to Mayastor.',
  },
  gateLeaseSeconds: {
    flag: 'gate-lease-seconds',
    env: 'GATE_LEASE_SECONDS',
    kind: 'number',
    min: 2,
    max: 600,
    default: 30,
    description: 'Lease of the lock under which pools and nodes are cordoned. Must be at least twice --mayastor-timeout-seconds.',
  },
  sweepIntervalSeconds: {
    flag: 'sweep-interval-seconds',
    env: 'SWEEP_INTERVAL_SECONDS',
    kind: 'number',
    min: 0.5,
    max: 3_600,
    default: 30,
    description: 'How often open moves without a job, and marks without a move, are looked for.',
  },
  jobLockSeconds: {
    flag: 'job-lock-seconds',
    env: 'JOB_LOCK_SECONDS',
    kind: 'number',
    min: 1,
    max: jobLockSecondsMax,
    default: jobLockSecondsMax,
    description: `How long the job of a migrator that died stays locked. ${jobLockSecondsMax} without --simulator.`,
  },
  coordination,
  kubeconfig,
  podNamespace,
  simulator,
  logLevel,
  logJson,
  metricsAddr,
  healthAddr,
});
export type MigratorConfig = OptionValues<typeof migratorOptions>;

/** What no single option can tell. One line for each problem. */
export function configProblems(config: MigratorConfig): string[] {
  const problems: string[] = [];
  if (!config.simulator && config.syncedHoldSeconds < syncedHoldSecondsMin) {
    problems.push(`--synced-hold-seconds (SYNCED_HOLD_SECONDS) must be at least ${syncedHoldSecondsMin}; only --simulator lowers that`);
  }
  if (!config.simulator && config.jobLockSeconds < jobLockSecondsMax) {
    problems.push(`--job-lock-seconds (JOB_LOCK_SECONDS) must be ${jobLockSecondsMax}; only --simulator lowers that`);
  }
  if (config.gateLeaseSeconds < 2 * config.mayastorTimeoutSeconds) {
    problems.push(
      '--gate-lease-seconds (GATE_LEASE_SECONDS) must be at least twice --mayastor-timeout-seconds, or no call fits into the lease',
    );
  }
  return problems;
}
