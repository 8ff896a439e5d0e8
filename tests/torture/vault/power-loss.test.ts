/** The losses of power in short; `npm run torture:vault -- --power-loss 500` is the long form. */
import { expect, it } from 'vitest';
import { runPowerLoss } from './run-power-loss.ts';

/** Half a second for each state on an idle machine. */
const limitMs = 150_000;

it(
  'has all that it acknowledged before the power was lost, whatever became of what was not synced',
  async () => {
    const told: string[] = [];
    const result = await runPowerLoss({
      states: 25,
      seed: 3,
      statesPerRecording: 25,
      operations: 200,
      tell: (line) => void told.push(line),
    });
    expect(result.violations, told.join('\n')).toEqual([]);
    expect(result.statesWithAcknowledged, told.join('\n')).toBeGreaterThan(10);
  },
  limitMs,
);
