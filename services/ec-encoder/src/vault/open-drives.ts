/** Opens the drives of a vault: those that its catalog knows, wherever they are now, and new ones. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '@couchestor/shared/errors';
import type { Logger } from '@couchestor/shared/logger';
import { type Drive, type DriveObserver, type NativeRead, openLocalDrive } from '../adapters/drive/drive.ts';
import type { DriveRow } from '../domain/catalog.ts';
import type { ChecksumEngine } from '../domain/codec/crc32c.ts';
import type { GivenDrive } from './vault-api.ts';

export interface OpenDrivesDeps {
  readonly vaultId: string;
  readonly checksums: ChecksumEngine;
  readonly readNow: NativeRead | undefined;
  readonly observe: DriveObserver;
  readonly logger: Logger;
  readonly now: () => number;
  readonly segmentBytes: number | undefined;
}

export interface MissingDrive {
  readonly row: DriveRow;
  readonly given: GivenDrive;
  readonly reason: string;
}

export interface OpenedDrives {
  readonly drives: readonly Drive[];
  /** Known, and not to be had: their shards count as lost until they come. */
  readonly missing: readonly MissingDrive[];
  /** New ones, and those that moved. */
  readonly changedRows: readonly DriveRow[];
}

/** Throws DriveError for a new drive that cannot be made. */
export async function openDrives(known: readonly DriveRow[], given: readonly GivenDrive[], deps: OpenDrivesDeps): Promise<OpenedDrives> {
  const drives: Drive[] = [];
  const missing: MissingDrive[] = [];
  const changedRows: DriveRow[] = [];
  const inUse = known.filter(({ state }) => state !== 'removed');
  const wanted = new Map(inUse.map((row): [DriveRow, GivenDrive] => [row, { path: row.path, domain: row.domain }]));
  const fresh: GivenDrive[] = [];
  for (const one of given) {
    const row = await rowOf(inUse, one.path);
    if (row === undefined) {
      const former = await rowOf(known, one.path);
      if (former === undefined) {
        fresh.push(one);
      } else {
        // Flags outlive drives: nothing is made anew, unasked, in the place of one that was replaced or drained.
        deps.logger.warn(
          { drive: former.number, path: one.path },
          'this drive was taken out of the vault: it is left alone. Give it no longer, or empty the folder and add it with `couchestor ec drive add`',
        );
      }
    } else {
      wanted.set(row, { path: one.path, domain: { ...row.domain, ...one.domain } });
    }
  }
  for (const [row, where] of wanted) {
    try {
      drives.push(await reopenDrive(row, where, deps));
      const drive = drives.at(-1);
      if (drive !== undefined && (where.path !== row.path || JSON.stringify(drive.domain) !== JSON.stringify(row.domain))) {
        changedRows.push({ ...row, path: where.path, domain: drive.domain });
      }
    } catch (error) {
      deps.logger.error({ drive: row.number, path: where.path, err: error }, 'a drive of the vault cannot be opened');
      missing.push({ row, given: where, reason: describeError(error) });
    }
  }
  let number = Math.max(0, ...known.map((row) => row.number));
  for (const one of fresh) {
    number += 1;
    const { drive, row } = await makeDrive(number, one, deps);
    drives.push(drive);
    changedRows.push(row);
  }
  return { drives, missing, changedRows };
}

export async function reopenDrive(row: DriveRow, where: GivenDrive, deps: OpenDrivesDeps): Promise<Drive> {
  const drive = await openLocalDrive({ ...common(deps), ...where, number: row.number, expectedDriveId: row.driveId });
  if (row.state === 'draining') {
    drive.tell('drain');
  } else if (row.state === 'failed') {
    drive.tell('fail');
  }
  return drive;
}

export async function makeDrive(number: number, given: GivenDrive, deps: OpenDrivesDeps): Promise<{ drive: Drive; row: DriveRow }> {
  const drive = await openLocalDrive({ ...common(deps), ...given, number, create: true });
  const { driveId, path, domain } = drive;
  return { drive, row: { number, driveId, path, domain, state: 'online', addedAt: new Date(deps.now()).toISOString() } };
}

function common({ vaultId, checksums, readNow, observe, logger, segmentBytes }: OpenDrivesDeps) {
  return {
    vaultId,
    checksums,
    observe,
    logger,
    ...(readNow === undefined ? {} : { readNow }),
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
  };
}

/** By what the folder says it is, for drives may have changed their slots; else by the path. */
async function rowOf(known: readonly DriveRow[], path: string): Promise<DriveRow | undefined> {
  const driveId = await driveIdOf(path);
  return known.find((row) => row.driveId === driveId) ?? known.find((row) => row.path === path);
}

async function driveIdOf(path: string): Promise<string | undefined> {
  try {
    const identity: unknown = JSON.parse(await readFile(join(path, 'couchestor-drive.json'), 'utf8'));
    const driveId = (identity as { driveId?: unknown } | null)?.driveId;
    return typeof driveId === 'string' ? driveId : undefined;
  } catch {
    // Whatever is wrong with it, opening the drive says so.
    return undefined;
  }
}
