/** The policies of the local stack: a copy that a person may edit while it runs; the brain reads every change. */
import { cp, rename, rm, stat } from 'node:fs/promises';
import { CliError } from '../errors.ts';

/** Copies `from` unless there are policies already: what a person has written is never overwritten. */
export async function ensurePolicies(o: { from: string; to: string }): Promise<'copied' | 'kept'> {
  if (await exists(o.to)) {
    return 'kept';
  }
  if (!(await exists(o.from))) {
    throw new CliError('MISSING_FILE', { policies: o.from });
  }
  // By rename, so that a copy that was interrupted is not taken for the person's own choice.
  const unfinished = `${o.to}.new`;
  await rm(unfinished, { recursive: true, force: true });
  await cp(o.from, unfinished, { recursive: true });
  await rename(unfinished, o.to);
  return 'copied';
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
