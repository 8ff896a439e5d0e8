/** The simulated cluster of the end-to-end tests, with rebuilds that are quicker, as nobody is killed here meanwhile. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './manifests.ts';

export const fixtures = join(root, 'tests/e2e/fixtures');

const slow = 'rebuildBytesPerSecond: 2MiB';
/** Still some seconds for a replica, so that its progress is seen by Prometheus. */
const quick = 'rebuildBytesPerSecond: 8MiB';

/** Its path, in the folder. */
export async function writeQuickScenario(folder: string): Promise<string> {
  const scenario = await readFile(join(fixtures, 'stack.yaml'), 'utf8');
  if (!scenario.includes(slow)) {
    throw new TypeError(`the scenario does not say "${slow}" any more`);
  }
  const path = join(folder, 'scenario.yaml');
  await writeFile(path, scenario.replace(slow, quick));
  return path;
}
