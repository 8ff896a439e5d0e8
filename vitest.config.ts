import { defineConfig } from 'vitest/config';

/** Real servers on a machine with two cores: start-up and first answers take seconds while everything starts at once. */
const testTimeoutMs = 30_000;
const hookTimeoutMs = 60_000;

export default defineConfig({
  // Workspace packages are taken from their source, never from dist.
  ssr: { resolve: { conditions: ['source', 'module', 'node', 'development|production'] } },
  test: {
    include: ['{shared,cli,services/*}/src/**/*.test.ts', 'tests/**/*.test.ts', 'bench/**/*.test.ts', 'scripts/**/*.test.ts'],
    globalSetup: ['tests/provision-servers.ts'],
    // Processes, not threads: servers that a test starts are tied to the life of its process.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: testTimeoutMs,
    hookTimeout: hookTimeoutMs,
    allowOnly: !process.env['CI'],
    passWithNoTests: false,
  },
});
