/** Drives in folders of their own, and records to put on them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { onTestFinished } from 'vitest';
import { blockSeeds } from '../../domain/block-seed.ts';
import { referenceChecksums } from '../../domain/codec/crc32c.ts';
import { blockBytes } from '../../domain/geometry.ts';
import { encodeShardHeader } from '../../domain/shard-record.ts';
import { allocateShared } from '../shared-buffers.ts';
import { type Drive, type DriveWrite, type LocalDriveOptions, openLocalDrive } from './drive.ts';

export const testVaultId = 'vault-a';

/** Removed after the test. */
export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'couchestor-drive-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'drive');
}

/** Made where it is not there yet, and closed after the test. */
export async function openTestDrive(o: Partial<LocalDriveOptions> & { path: string }): Promise<Drive> {
  const drive = await openLocalDrive({
    number: 1,
    vaultId: testVaultId,
    create: true,
    segmentBytes: 1024 * 1024,
    checksums: referenceChecksums,
    logger: quietLogger(),
    ...o,
  });
  onTestFinished(() => drive.close());
  return drive;
}

/** Shard 0 of a stripe, whose blocks are filled with the stripe's id and their number. */
export function testRecord(stripeId: number, blocks: number): DriveWrite {
  const data = allocateShared(blocks * blockBytes);
  for (let block = 0; block < blocks; block += 1) {
    data.fill((stripeId * 31 + block) % 256, block * blockBytes, (block + 1) * blockBytes);
  }
  const shard = { stripeId, place: 0, generation: 1 };
  const sums =
    blocks === 0 ? new Uint32Array(0) : referenceChecksums.crc32cBlocks(data, blockBytes, blockSeeds(referenceChecksums, shard, 0, blocks));
  const shape = { dataShards: 1, parityShards: 1, shardBytes: data.length, payloadBytes: data.length };
  const header = { ...shard, vaultId: testVaultId, shape, codec: 'isal-compatible', appliedLsn: 7, sums, effects: [] } as const;
  return { header: encodeShardHeader(header, referenceChecksums), data };
}
