/**
 * Makes the index of a stopped vault anew, from what the shards on its drives say of themselves.
 *
 * The new index is built in a folder of its own and takes the old one's place when it is whole; the old one is kept beside it. A crash before
 * that leaves everything as it was. What the journal holds is replayed onto the new index by the next start.
 *
 * It is for the day when the index is lost. Blocks that were trimmed, and blobs that were released, may come back, where their shards were not
 * collected yet; blobs come back as pending. A write that was never acknowledged may turn up.
 */
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { OperationResult } from '@couchestor/shared/contracts/vault';
import type { Logger } from '@couchestor/shared/logger';
import { loadCodecEngines } from '../adapters/codec/load-codec.ts';
import { type Drive, openLocalDrive } from '../adapters/drive/drive.ts';
import { takeFolderLock } from '../adapters/index/folder-lock.ts';
import { checkFormat, syncFolder } from '../adapters/index/format-file.ts';
import { IndexStore } from '../adapters/index/index-store.ts';
import { type Catalog, type DriveRow, emptyCatalog, putDrive } from '../domain/catalog.ts';
import { Reindex, type Reindexed, reindexedWrites } from '../domain/reindex.ts';
import { VaultError } from './errors.ts';
import { acceptPolicy } from './policy-file.ts';
import type { LongCall, ReindexVault } from './vault-api.ts';

const buildFolder = 'reindex';

export const reindexVault: ReindexVault = async (o, call) => {
  await mkdir(o.dataDir, { recursive: true });
  const lock = await takeFolderLock(o.dataDir);
  try {
    await acceptPolicy(o.dataDir, o.policy);
    const identities = await Promise.all(o.drives.map(({ path }) => identityAt(path)));
    const vaultId = vaultIdOf(identities);
    await checkFormat({ dir: o.dataDir, vaultId, isNew: true });
    const engines = await loadCodecEngines({ env: o.env });
    const drives: Drive[] = [];
    try {
      for (const [at, { path, domain }] of o.drives.entries()) {
        const { number = 0 } = identities[at] ?? {};
        drives.push(await openLocalDrive({ path, domain, number, vaultId, checksums: engines.checksums, logger: o.logger }));
      }
      const { found, problems, scannedBytes } = await scanAll(drives, call);
      await build(o.dataDir, { vaultId, found, drives, logger: o.logger });
      return resultOf(found, problems, scannedBytes);
    } finally {
      await Promise.all(drives.map((drive) => drive.close()));
    }
  } finally {
    await lock.release();
  }
};

async function scanAll(drives: readonly Drive[], call: LongCall): Promise<{ found: Reindexed; problems: number; scannedBytes: number }> {
  const segments = await Promise.all(drives.map(async (drive) => ({ drive, list: await drive.segments() })));
  const total = segments.reduce((sum, { list }) => sum + list.reduce((bytes, one) => bytes + one.sizeBytes, 0), 0);
  const reindex = new Reindex();
  let scannedBytes = 0;
  let problems = 0;
  let hasHoles = false;
  for (const { drive, list } of segments) {
    for (const { segment, sizeBytes } of list) {
      call.signal.throwIfAborted();
      let problemsHere = 0;
      for await (const record of drive.scan(segment)) {
        const { headerBlocks, header } = 'header' in record ? record : (record.of ?? {});
        if (headerBlocks === undefined || header === undefined) {
          problemsHere += 1;
          continue;
        }
        // Where its data do not check, what is good of them is still of use, and the scrub heals the rest.
        reindex.add({ offsetBlocks: record.offsetBlocks, headerBlocks, header, drive: drive.number, segment });
        problems += 'header' in record ? 0 : 1;
        // What a crash tore is the last thing in a segment.
        hasHoles ||= problemsHere > 0;
      }
      problems += problemsHere;
      scannedBytes += sizeBytes;
      call.report({ done: scannedBytes, total, unit: 'bytes' });
    }
  }
  const isRead = ({ number, state }: DriveRow) => state === 'removed' || drives.some((drive) => drive.number === number);
  const isWhole = (rows: readonly DriveRow[]) => !hasHoles && rows.every(isRead);
  return { found: reindex.finish({ createdAt: new Date().toISOString(), isWhole }), problems, scannedBytes };
}

async function build(dataDir: string, o: { vaultId: string; found: Reindexed; drives: readonly Drive[]; logger: Logger }): Promise<void> {
  const dir = join(dataDir, buildFolder);
  await rm(dir, { recursive: true, force: true });
  const index = await IndexStore.open({ dir, vaultId: o.vaultId, logger: o.logger });
  try {
    for (const writes of reindexedWrites(o.found)) {
      await index.change(() => ({ writes, result: undefined }));
    }
    await index.change((see) => ({ writes: { catalog: withDrives(see.catalog, o.drives) }, result: undefined }));
  } finally {
    await index.close();
  }
  const old = join(dataDir, `index.before-${new Date().toISOString().replaceAll(':', '-')}`);
  await rename(join(dataDir, 'index'), old).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') {
      throw error;
    }
  });
  await rename(join(dir, 'index'), join(dataDir, 'index'));
  await syncFolder(dataDir);
  await rm(dir, { recursive: true, force: true });
}

/** The drives as they are now: the catalog on them may be older, or lost. */
function withDrives(catalog: Catalog, drives: readonly Drive[]): Catalog {
  return drives.reduce((at, { number, driveId, path, domain }) => {
    const known = at.drives.find((row) => row.number === number);
    const { state = 'online', addedAt = new Date().toISOString() } = known ?? {};
    return putDrive(at, { number, driveId, path, domain, state, addedAt });
  }, catalog ?? emptyCatalog);
}

function resultOf(found: Reindexed, problems: number, bytes: number): OperationResult {
  const volumes = found.catalog?.volumes.length ?? 0;
  const what = `${found.stripes.length} stripes, ${volumes} volumes and ${found.blobs.length} blobs`;
  const without =
    found.catalog === undefined ? ' No catalog was found on the drives: what was written is there, but nothing says what is a volume.' : '';
  return {
    message: `The index was made anew: ${what}.${without}`,
    stripesChecked: found.stripes.length,
    stripesLost: found.lost.length,
    errorsFound: problems,
    bytes,
  };
}

interface Identity {
  readonly vaultId: string;
  readonly number: number;
}

/** Opening the drive checks the rest of it. */
async function identityAt(path: string): Promise<Identity> {
  try {
    const { vaultId, number }: Partial<Identity> = JSON.parse(await readFile(join(path, 'couchestor-drive.json'), 'utf8'));
    if (typeof vaultId === 'string' && typeof number === 'number') {
      return { vaultId, number };
    }
  } catch (cause) {
    throw new VaultError('NOT_A_DRIVE', { path }, { cause });
  }
  throw new VaultError('NOT_A_DRIVE', { path });
}

function vaultIdOf(identities: readonly Identity[]): string {
  const ids = [...new Set(identities.map(({ vaultId }) => vaultId))];
  const [vaultId] = ids;
  if (vaultId === undefined || ids.length > 1) {
    throw new VaultError('MIXED_DRIVES', { vaults: ids.join(', ') || 'none' });
  }
  return vaultId;
}
