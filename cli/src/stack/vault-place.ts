/** Whether a vault can be kept where the local stack keeps its things, and whether it has its drives. */
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { apiSocketOf } from '@couchestor/ec-encoder/config';
import { folderHindrance } from '@couchestor/ec-encoder/provision';
import type { Layout } from './layout.ts';

/** sun_path of macOS, without its end; that of Linux is a little longer. */
const socketPathBytesMax = 103;

/** Why there can be no vault here; undefined where there can. Everything else runs without one. */
export async function vaultHindrance(layout: Layout): Promise<string | undefined> {
  const longest = [apiSocketOf(layout.vaultDir), layout.nbdSocket].find((path) => Buffer.byteLength(path) > socketPathBytesMax);
  if (longest !== undefined) {
    return `${longest} is longer than the path of a socket may be (${socketPathBytesMax} bytes): choose a shorter --data-dir`;
  }
  const hindrance = await folderHindrance(layout.dataDir);
  return hindrance === undefined ? undefined : `${hindrance}; choose a --data-dir on another file system`;
}

export async function areDrivesMade({ drivesDir }: Layout): Promise<boolean> {
  return stat(markOf(drivesDir)).then(
    () => true,
    () => false,
  );
}

/** From now on the vault alone knows which drives it has. */
export async function noteDrivesMade({ drivesDir }: Layout): Promise<void> {
  await mkdir(drivesDir, { recursive: true });
  await writeFile(markOf(drivesDir), 'The vault has got its drives; `couchestor ec drive list` tells which they are now.\n');
}

function markOf(drivesDir: string): string {
  return join(drivesDir, 'made');
}
