/** The torture in short: every step of a move is hit once by kill -9, every process dies, both brokers lose their data. See scripts/torture.ts. */
import { expect, it } from 'vitest';
import { KillPlan } from './kill-plan.ts';
import { runTorture } from './run-torture.ts';

/** On an idle machine it takes a third of this. */
const limitMs = 240_000;
const restTimeoutMs = 120_000;

it(
  'survives kill -9 of every process at every step of a move, and a wipe of each broker, without losing a byte or leaving a mark',
  async () => {
    const plan = KillPlan.short();
    const told: string[] = [];
    const result = await runTorture({ plan, seed: 1, killsOfOneMove: 5, movesAtATime: 3, limitMs, tell: (line) => void told.push(line) });
    const story = `${told.join('\n')}\n${plan.table()}`;
    expect(result.violations, story).toEqual([]);
    expect(Math.min(...Object.values(plan.perStep())), story).toBeGreaterThanOrEqual(1);
    expect(result.mostKillsOfOneMove, story).toBeGreaterThanOrEqual(5);
    expect(result.verification).toMatchObject({ corrupt: 0, corruptReads: 0, underReplicatedMs: 0 });
    expect(result.verification?.bytesVerified).toBeGreaterThan(0);
    process.stderr.write(`${plan.table()}\n`);
  },
  limitMs + restTimeoutMs,
);
