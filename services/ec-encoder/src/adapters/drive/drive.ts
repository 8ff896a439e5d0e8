/** A drive: where shards are appended to segments and read from them. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from '@couchestor/shared/logger';
import type { ChecksumEngine } from '../../domain/codec/crc32c.ts';
import type { DriveState } from '../../domain/drive-state.ts';
import type { DriveDomain } from '../../domain/placement.ts';
import type { ShardHeader } from '../../domain/stripe.ts';
import type { NativeRead } from '../codec/native-addon.ts';
import { startThread } from '../start-thread.ts';
import { checkIdentity, newIdentity } from './drive-identity.ts';
import type { DriveReport } from './drive-messages.ts';
import { DriveError } from './errors.ts';
import { LocalDrive } from './local-drive.ts';
import { ThreadCalls } from './thread-calls.ts';

export interface DriveSpace {
  readonly totalBytes: number;
  /** What a write with `useReserve` may take. */
  readonly freeBytes: number;
  /** Of the free bytes, what only rebuilds and compaction may take: 7 % of all, at least 4 segments. */
  readonly reservedBytes: number;
}

/** Front before back: somebody waits for it, or it can wait. */
export type DrivePriority = 'front' | 'back';

export interface DriveWrite {
  /** As `encodeShardHeader` made it. The drive stamps it with the place where it is written. */
  readonly header: Uint8Array;
  /** Best a view of shared memory; else it is copied. To be left alone until the promise is settled. */
  readonly data: Uint8Array;
  /** For rebuild and compaction. */
  readonly useReserve?: boolean;
  /** Default: front. */
  readonly priority?: DrivePriority;
}

export interface DriveRead {
  readonly segment: number;
  readonly offsetBytes: number;
  /** Filled whole. Best a view of shared memory; else it is copied. Nothing is written to it once the promise is settled. */
  readonly into: Uint8Array;
  /** Default: front. */
  readonly priority?: DrivePriority;
}

export interface DriveSegment {
  readonly segment: number;
  readonly sizeBytes: number;
  /** Records are being appended to it. */
  readonly isOpen: boolean;
}

export type ScannedRecord =
  | { readonly offsetBlocks: number; readonly headerBlocks: number; readonly header: ShardHeader }
  /** What begins there is no whole record: torn by a crash, or damaged. `of`: its head is good, and some of its data are not. */
  | {
      readonly offsetBlocks: number;
      readonly problem: string;
      readonly of?: { readonly headerBlocks: number; readonly header: ShardHeader };
    };

export interface DriveStateChange {
  readonly from: DriveState;
  readonly to: DriveState;
  readonly reason: string;
}

export interface DriveLatency {
  readonly readP50Ms: number;
  readonly readP99Ms: number;
  readonly writeP50Ms: number;
  readonly writeP99Ms: number;
}

/** What an operator wants of it, whatever its health. */
export type DriveOrder = 'serve' | 'drain' | 'fail';

/** Everything rejects with DriveError. */
export interface Drive {
  readonly number: number;
  readonly driveId: string;
  readonly path: string;
  readonly domain: DriveDomain;
  readonly state: DriveState;
  onStateChange(listener: (change: DriveStateChange) => void): void;
  /** The operator's word; `serve` takes back an earlier one. */
  tell(order: DriveOrder): void;
  /**
   * Appends header and data as one record, which is durable when this resolves. Rejects with NO_SPACE, IO, SYNC_FAILED, LATE, GONE, READ_ONLY,
   * WRONG_DRIVE or CLOSED. A rejected record may be on the drive all the same, whole or in part: write it elsewhere with a higher generation.
   */
  write(record: DriveWrite): Promise<{ segment: number; offsetBlocks: number }>;
  read(o: DriveRead): Promise<void>;
  /** At once where the page cache has it all; false where not, where there is no add-on, and where the drive is not well. */
  readNow(o: { segment: number; offsetBytes: number; into: Uint8Array }): boolean;
  segments(): Promise<readonly DriveSegment[]>;
  /** All records of a segment in order. With `headersOnly` the data are not read, so a record that a crash tore may pass for a whole one. */
  scan(segment: number, o?: { headersOnly?: boolean }): AsyncIterable<ScannedRecord>;
  /** After the reads that were queued before it. */
  removeSegment(segment: number): Promise<void>;
  /** As of the last write, at most 5 seconds old while the drive answers. */
  space(): DriveSpace;
  /** Of the last reads and writes of front priority, from call to answer. Zeros before the first. */
  latency(): DriveLatency;
  /** Resolves when the drive proved to be well: it is the right one, and a block was written, synced and read. */
  probe(): Promise<void>;
  close(): Promise<void>;
}

export type { NativeRead } from '../codec/native-addon.ts';

/** Told of each read and write that a drive's thread was asked for. Neither throws nor waits. */
export type DriveObserver = (call: { drive: number; operation: 'read' | 'write'; durationMs: number; failed: boolean }) => void;

export interface LocalDriveOptions {
  readonly path: string;
  readonly number: number;
  readonly vaultId: string;
  /** Refuses another. */
  readonly expectedDriveId?: string;
  /** Makes the drive where the folder is empty or not there. A drive that is there already is opened. */
  readonly create?: boolean;
  /** Defaults: zone and pool `default`, node the name of this host, disk the device that the folder is on. */
  readonly domain?: Partial<DriveDomain>;
  readonly segmentBytes?: number;
  /** Of all that is on the file system, the drive takes so much. */
  readonly capacityBytes?: number;
  readonly deadlineMs?: number;
  /** How long a drive is suspect before it is failed. */
  readonly failAfterMs?: number;
  /** How often it is looked whether the folder is still the right one, and how much room is left. */
  readonly checkIntervalMs?: number;
  readonly checksums: ChecksumEngine;
  readonly readNow?: NativeRead;
  readonly observe?: DriveObserver;
  readonly logger: Logger;
}

/** Rejects with GONE, WRONG_DRIVE, OTHER_VAULT, NEWER_FORMAT, BAD_IDENTITY, NOT_EMPTY, LATE and what the file system gives. */
export async function openLocalDrive(o: LocalDriveOptions): Promise<Drive> {
  const { path, number, vaultId, deadlineMs = 10_000, failAfterMs = 30_000, segmentBytes = 64 * 1024 * 1024 } = o;
  let drive: LocalDrive | undefined;
  let space: DriveSpace = { totalBytes: 0, freeBytes: 0, reservedBytes: 0 };
  const calls = new ThreadCalls({ path, deadlineMs, onLate: () => drive?.late() });
  const worker = startThread({
    file: './drive-thread',
    from: import.meta.url,
    name: `drive ${number}`,
    workerData: { slots: calls.slots },
  });
  calls.attach(worker);
  worker.on('message', (report: DriveReport) => {
    space = report.space ?? space;
    if (drive !== undefined) {
      drive.hear(report);
    } else {
      report.answers.forEach((answer) => calls.settle(answer));
    }
  });
  worker.on('error', (cause) => {
    calls.end(new DriveError('IO', { path, reason: 'the thread of the drive broke down' }, { cause }));
    drive?.broken(cause);
  });
  worker.on('exit', () => calls.end(new DriveError('CLOSED', { path })));
  try {
    const identityToMake = o.create ? newIdentity({ vaultId, number, driveId: randomUUID(), now: new Date() }) : undefined;
    const identity = String(await calls.call({ kind: 'open', path, identityToMake }));
    const { driveId } = checkIdentity(identity, { path, vaultId, number, driveId: o.expectedDriveId });
    const { capacityBytes = Number.MAX_SAFE_INTEGER, checkIntervalMs = 5_000 } = o;
    const device = await calls.call({ kind: 'start', driveId, identity, segmentBytes, capacityBytes, checkIntervalMs });
    const domain = { zone: 'default', node: hostname(), pool: 'default', disk: `device ${device}`, ...o.domain };
    const { checksums, readNow, observe, logger } = o;
    drive = new LocalDrive({ path, number, driveId, domain, failAfterMs, calls, worker, space, checksums, readNow, observe, logger });
    return drive;
  } catch (error) {
    calls.end(new DriveError('CLOSED', { path }));
    // A thread that hangs cannot be waited for.
    worker.unref();
    void worker.terminate();
    throw error;
  }
}
