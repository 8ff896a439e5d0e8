import { readOptions } from '@couchestor/shared/options';
import { describe, expect, it } from 'vitest';
import { configProblems, migratorOptions } from './config.ts';

function problemsOf(...argv: string[]): string[] {
  return configProblems(readOptions(migratorOptions, { argv, env: {} }).values);
}

describe('the options of the migrator', () => {
  it('are sound by default', () => {
    expect(problemsOf()).toEqual([]);
  });

  it('let two readings of "synced" come no closer than five seconds, but for the simulator', () => {
    const [problem] = problemsOf('--synced-hold-seconds', '4.9');
    expect(problem).toMatch(/--synced-hold-seconds \(SYNCED_HOLD_SECONDS\).*at least 5.*--simulator/);
    expect(problemsOf('--synced-hold-seconds', '5')).toEqual([]);
    expect(problemsOf('--synced-hold-seconds', '0.2', '--simulator')).toEqual([]);
  });

  it('want a lease into which a call fits twice', () => {
    const [problem] = problemsOf('--gate-lease-seconds', '19', '--mayastor-timeout-seconds', '10');
    expect(problem).toMatch(/--gate-lease-seconds \(GATE_LEASE_SECONDS\).*--mayastor-timeout-seconds/);
    expect(problemsOf('--gate-lease-seconds', '20', '--mayastor-timeout-seconds', '10')).toEqual([]);
  });

  it('tell all problems at once', () => {
    expect(problemsOf('--synced-hold-seconds', '1', '--gate-lease-seconds', '2')).toHaveLength(2);
  });

  it('refuse what is out of bounds by flag and variable', () => {
    expect(() => problemsOf('--sync-poll-interval-seconds', '0')).toThrow(/sync-poll-interval-seconds/);
  });
});
