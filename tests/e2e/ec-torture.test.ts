/** The torture of volumes in short: one trouble of each kind that is quickly over. See scripts/torture-volumes.ts. */
import { expect, it } from 'vitest';
import { tortureVolumes } from './ec/torture-volumes.ts';

const holdMs = 1_500;
const testTimeoutMs = 240_000;
const troubles = [
  'failed by its operator, and replaced',
  'corrupted, and scrubbed',
  'hung for a while',
  'slow',
  'gone for a while',
  'replaced while it works',
];

it(
  'returns no wrong byte and no error to fio while drives fail, rot, hang, vanish and are replaced',
  async () => {
    const told: string[] = [];
    const result = await tortureVolumes({ seed: 1, troubles, holdMs, tell: (line) => void told.push(line) });
    const story = told.join('\n');
    expect(result.violations, story).toEqual([]);
    expect(Object.keys(result.troubles), story).toEqual(troubles);
    expect(result.fioRounds, story).toBeGreaterThan(0);
    expect(result.verifiedBytes).toBeGreaterThan(0);
    expect(result.reconstructions, story).toBeGreaterThan(0);
    expect(result.checksumErrors, story).toBeGreaterThan(0);
    process.stderr.write(`${story}\n`);
  },
  testTimeoutMs,
);
