/** The demonstration, as a visitor runs it. */
import { expect, it } from 'vitest';
import { couchestor } from './couchestor.ts';

const demoTimeoutMs = 180_000;

it(
  'moves volumes up and down, says why one cannot move, survives the death of the migrator and of two drives, and loses nothing',
  async () => {
    const { code, stdout, stderr } = await couchestor(['demo', '--json']);
    expect(stdout.trim().split('\n'), stderr).toHaveLength(1);
    const result = JSON.parse(stdout) as Record<string, unknown>;
    expect(result, stderr).toMatchObject({ recovered: 1, failed: 0, corrupt: 0, underReplicatedMs: 0, problems: [] });
    for (const count of ['promoted', 'demoted', 'refused', 'bytesVerified', 'seconds']) {
      expect(result[count], count).toBeGreaterThan(0);
    }
    expect(result['demoted']).toBeGreaterThanOrEqual(2);
    expect(result['vault'], stderr).toMatchObject({ mismatches: 0, drivesFailed: 2, problems: [] });
    expect(result['seconds']).toBeLessThanOrEqual(90);
    expect(code).toBe(0);
    expect(stderr).toContain('killing the migrator (kill -9)');
  },
  demoTimeoutMs,
);

it(
  'survives in one and the same move the death of everything that takes part in it, and tells the whole of it',
  async () => {
    const { code, stdout, stderr } = await couchestor(['demo', '--chaos', '--json']);
    expect(stdout.trim().split('\n'), stderr).toHaveLength(1);
    const result = JSON.parse(stdout) as { kills: { process: string; step: string; recovery: string }[] };
    expect(result, stderr).toMatchObject({ outcome: 'success', corrupt: 0, underReplicatedMs: 0, problems: [] });
    expect(result.kills.map(({ process }) => process).sort()).toEqual(
      [...Array.from({ length: 5 }, () => 'migrator'), 'policy-brain', 'redis', 'nats', 'mayastor-simulator'].sort(),
    );
    const steps = result.kills.flatMap(({ process, step }) => (process === 'migrator' ? [step] : []));
    expect(steps.sort()).toEqual(['gate-grow', 'gate-shrink', 'scale-down', 'scale-up', 'wait-sync']);
    expect(result.kills.filter(({ recovery }) => recovery.startsWith('the move was taken up at')).length).toBeGreaterThanOrEqual(3);
    expect(stderr).toMatch(/\+\d+\.\d s +scale-up +✗ migrator killed/);
    expect(code).toBe(0);
  },
  demoTimeoutMs,
);
