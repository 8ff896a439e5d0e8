/**
 * Puts a backup of a vault's index into its data folder, while nobody serves it.
 *
 * The old index is kept beside it. Stripes that were written after the backup are no longer known, and what the journal has released since then
 * is gone from view: where the drives are sound, making the index anew from them tells more.
 */
import { copyFile, cp, mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { OperationResult } from '@couchestor/shared/contracts/vault';
import { takeFolderLock } from '../adapters/index/folder-lock.ts';
import { checkFormat, syncFolder } from '../adapters/index/format-file.ts';
import { VaultError } from './errors.ts';
import type { RestoreVault } from './vault-api.ts';

export const restoreVault: RestoreVault = async (o): Promise<OperationResult> => {
  const vaultId = await checkFormat({ dir: o.from, isNew: false });
  await mkdir(o.dataDir, { recursive: true });
  const lock = await takeFolderLock(o.dataDir);
  try {
    const hasIndex = (await readdir(o.dataDir)).includes('index');
    if (hasIndex && !o.replace) {
      throw new VaultError('INDEX_THERE', { dataDir: o.dataDir });
    }
    await checkFormat({ dir: o.dataDir, vaultId, isNew: true });
    const draft = join(o.dataDir, 'index.restored');
    await cp(join(o.from, 'index'), draft, { recursive: true });
    await syncFolder(draft);
    if (hasIndex) {
      await rename(join(o.dataDir, 'index'), join(o.dataDir, `index.before-${new Date().toISOString().replaceAll(':', '-')}`));
    }
    await rename(draft, join(o.dataDir, 'index'));
    await copyFile(join(o.from, 'policy.json'), join(o.dataDir, 'policy.json'));
    await syncFolder(o.dataDir);
  } finally {
    await lock.release();
  }
  return { message: `The index of vault ${vaultId} was restored from ${o.from}.` };
};
