/** The brain's options. */
import { commonOptions } from '@couchestor/shared/common-options';
import { defineOptions, type OptionValues } from '@couchestor/shared/options';
import type { OperatorLimits } from './domain/active-policy.ts';

export const brainOptions = defineOptions({
  policySource: commonOptions.policySource,
  policyDir: commonOptions.policyDir,
  maxConcurrentMigrations: commonOptions.maxConcurrentMigrations,
  migrationTimeoutMinutes: {
    flag: 'migration-timeout-minutes',
    env: 'MIGRATION_TIMEOUT_MINUTES',
    kind: 'integer',
    min: 1,
    max: 10_080,
    default: 30,
    description: "Longest that one replica's sync may take, where the policy has no migrationTimeout.",
  },
  dryRun: commonOptions.dryRun,
  preservationMode: commonOptions.preservationMode,
  mayastorNamespace: commonOptions.mayastorNamespace,
  mayastorUrl: commonOptions.mayastorUrl,
  mayastorCaFile: commonOptions.mayastorCaFile,
  mayastorTokenFile: commonOptions.mayastorTokenFile,
  coordination: commonOptions.coordination,
  kubeconfig: commonOptions.kubeconfig,
  podNamespace: commonOptions.podNamespace,
  leaderLeaseSeconds: {
    flag: 'leader-lease-seconds',
    env: 'LEADER_LEASE_SECONDS',
    kind: 'integer',
    min: 2,
    max: 300,
    default: 15,
    description: 'How long a leader that died is waited for. Its lock is renewed three times in that.',
  },
});

export type BrainConfig = OptionValues<typeof brainOptions>;

export function limitsOf(config: BrainConfig): OperatorLimits {
  return {
    maxConcurrentMigrations: config.maxConcurrentMigrations,
    migrationTimeoutMs: config.migrationTimeoutMinutes * 60_000,
    dryRun: config.dryRun,
    preservationMode: config.preservationMode,
  };
}
