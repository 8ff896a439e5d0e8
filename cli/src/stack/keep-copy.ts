/**
 * The scenario and the policies of the local stack are copies in its data folder: a person may edit the policies while it runs, and a checkout
 * that has moved on does not meet a cluster that was made from an older scenario.
 */
import { cp, rename, rm, stat } from 'node:fs/promises';
import { CliError } from '../errors.ts';

/** Copies a file or folder unless there is one already: what a person has written is never overwritten. */
export async function keepCopy(o: { from: string; to: string }): Promise<'copied' | 'kept'> {
  if (await exists(o.to)) {
    return 'kept';
  }
  if (!(await exists(o.from))) {
    throw new CliError('MISSING_FILE', { path: o.from });
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
