/** The kills in short; `npm run torture:vault -- --kills 200` is the long form. */
import { expect, it } from 'vitest';
import { runKills } from './run-kills.ts';

/** Three seconds each where others are at work, and one on an idle machine. */
const limitMs = 150_000;

it(
  'has every write, snapshot and blob that it acknowledged after each kill -9, with drives taken away and corrupted, and by an index made anew',
  async () => {
    const told: string[] = [];
    const result = await runKills({ kills: 8, seed: 4, killsPerVault: 8, tell: (line) => void told.push(line) });
    expect(result.violations, told.join('\n')).toEqual([]);
    expect(result.kills).toBe(8);
    expect(result.reindexes).toBe(1);
    expect(result.acknowledged, told.join('\n')).toBeGreaterThan(50);
  },
  limitMs,
);
