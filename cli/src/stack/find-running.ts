/** The local stack that runs now, for commands that were given no URL. */
import { layoutOf } from './layout.ts';
import { isRunning } from './process-identity.ts';
import { readStackFile, type StackFile } from './stack-file.ts';

export async function findRunningStack(o: { dataDir: string | undefined; env: NodeJS.ProcessEnv }): Promise<StackFile | undefined> {
  const found = await readStackFile(layoutOf(o).stackFile);
  return found !== undefined && isRunning(found.supervisor) ? found : undefined;
}
