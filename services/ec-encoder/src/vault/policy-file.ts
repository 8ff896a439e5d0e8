/**
 * The policy that a vault was made by, kept beside its index, so that a later start needs nobody to tell it.
 *
 * What stripes depend on never changes. The rest (journal, thresholds, scrubbing) follows the policy at every start that names one. The file is
 * written beside its place, synced and renamed: a crash leaves the old one or the new one.
 */
import { open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { erasureCodingPolicySpecSchema, unchangeableProblems } from '@couchestor/shared/erasure-coding-policy';
import { z } from 'zod';
import { syncFolder } from '../adapters/index/format-file.ts';
import { VaultError } from './errors.ts';
import type { GivenPolicy } from './vault-api.ts';

const fileSchema = z.strictObject({
  format: z.literal(1),
  name: z.string(),
  uid: z.string().optional(),
  spec: erasureCodingPolicySpecSchema,
});

/** Throws VaultError NO_POLICY for a new vault without one, POLICY_CHANGED where stripes on disk were written by another. */
export async function acceptPolicy(dataDir: string, given: GivenPolicy | undefined): Promise<GivenPolicy> {
  const path = join(dataDir, 'policy.json');
  const accepted = await readAccepted(path);
  if (given === undefined) {
    if (accepted === undefined) {
      throw new VaultError('NO_POLICY', { dataDir });
    }
    return accepted;
  }
  if (accepted !== undefined) {
    const problems = unchangeableProblems(given.spec, accepted.spec);
    if (problems.length > 0) {
      throw new VaultError('POLICY_CHANGED', { policy: given.name, acceptedPolicy: accepted.name, problems: problems.join('; ') });
    }
  }
  if (JSON.stringify(given) !== JSON.stringify(accepted)) {
    await write(path, given);
  }
  return given;
}

async function readAccepted(path: string): Promise<GivenPolicy | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
  try {
    const { name, uid, spec } = fileSchema.parse(JSON.parse(text));
    return uid === undefined ? { name, spec } : { name, uid, spec };
  } catch (cause) {
    throw new VaultError('BAD_POLICY_FILE', { path }, { cause });
  }
}

async function write(path: string, policy: GivenPolicy): Promise<void> {
  const draft = `${path}.draft`;
  const file = await open(draft, 'w');
  try {
    await file.writeFile(`${JSON.stringify({ format: 1, ...policy }, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
  await syncFolder(dirname(path));
}
