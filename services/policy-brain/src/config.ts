/** The brain's options. */
import { commonOptions } from '@couchestor/shared/common-options';
import { defineOptions, type OptionValues } from '@couchestor/shared/options';
import type { OperatorLimits } from './domain/active-policy.ts';

export const brainOptions = defineOptions({
  policyDir: {
    flag: 'policy-dir',
    env: 'POLICY_DIR',
    kind: 'path',
    default: './policies',
    description: 'Folder of YAML files with StoragePolicy documents. It is watched; a file may hold several documents.',
  },
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
