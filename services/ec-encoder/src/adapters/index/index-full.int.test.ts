import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { withFolder } from './index.fixture.ts';

const program = fileURLToPath(new URL('./index-full.fixture.ts', import.meta.url));

describe('an index on a full disk', () => {
  it('takes a change back whole, gives up its ballast, then takes only what frees space until there is room', () =>
    withFolder(async (dir) => {
      const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=source', '--import', 'tsx', program, dir]);
      const steps = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown);
      expect(steps).toEqual([
        { step: 'write', result: 'done', stripes: 20, hasBallast: true, hasFailed: false },
        { step: 'write much', result: 'INDEX_NO_SPACE', stripes: 20, hasBallast: false, hasFailed: false },
        { step: 'write a little', result: 'INDEX_NO_SPACE', stripes: 20, hasBallast: false, hasFailed: false },
        { step: 'free', result: 'done', stripes: 20, hasBallast: false, hasFailed: false },
        { step: 'write again', result: 'done', stripes: 21, hasBallast: true, hasFailed: false },
        { step: 'open again', result: 'done', stripes: 21, hasBallast: true, hasFailed: false },
      ]);
    }));
});
