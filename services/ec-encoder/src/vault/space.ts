/** Whether a vault may take more, asked before each write and looked at a few times a second. */
import type { DriveSet } from './drive-set.ts';

/** For what lies in the journal must still find its place in stripes, with headers, and in stripes that are not full. */
const journalFactor = 1.2;
/** For stripes that are under way. */
const marginBytes = 8 * 1024 * 1024;

export interface SpaceInput {
  readonly drives: DriveSet;
  readonly code: { readonly dataShards: number; readonly parityShards: number; readonly stripeSizeBytes: number };
  readonly minHealthyShards: number;
  readonly journalUsedBytes: number;
}

/**
 * `full`: there is not room for what the journal holds and more. `tooFewDrives`: stripes could not be written with minHealthyShards shards. The
 * reserve of the drives is left to rebuild and compaction in both.
 */
export function spaceOf({ drives, code, minHealthyShards, journalUsedBytes }: SpaceInput): 'enough' | 'full' | 'tooFewDrives' {
  const online = drives.all().filter(({ state }) => state === 'online');
  if (online.length < minHealthyShards) {
    return 'tooFewDrives';
  }
  const shards = code.dataShards + code.parityShards;
  const neededBytes = ((journalUsedBytes * journalFactor + 2 * code.stripeSizeBytes) * shards) / code.dataShards + marginBytes;
  const room = online.map((drive) => drive.space()).map(({ freeBytes, reservedBytes }) => Math.max(0, freeBytes - reservedBytes));
  const eachBytes = neededBytes / Math.max(shards, online.length);
  const withRoom = room.filter((bytes) => bytes >= eachBytes).length;
  return withRoom >= minHealthyShards && room.reduce((sum, bytes) => sum + bytes, 0) >= neededBytes ? 'enough' : 'full';
}
