/** What a stripe says of itself: read from the header of whichever shard can be read. */
import { allocateShared } from '../adapters/shared-buffers.ts';
import type { ChecksumEngine } from '../domain/codec/crc32c.ts';
import { blockBytes } from '../domain/geometry.ts';
import { decodeShardHeader } from '../domain/shard-record.ts';
import type { Effect, StripeRow } from '../domain/stripe.ts';
import type { DriveSet } from './drive-set.ts';

/** Undefined where no shard's header can be read. */
export async function effectsOf(
  row: StripeRow,
  deps: { readonly drives: DriveSet; readonly checksums: ChecksumEngine },
): Promise<readonly Effect[] | undefined> {
  for (const at of row.shards) {
    const drive = at === undefined ? undefined : deps.drives.get(at.drive);
    if (at === undefined || drive === undefined || drive.state === 'failed') {
      continue;
    }
    try {
      const bytes = allocateShared(at.headerBlocks * blockBytes);
      await drive.read({ segment: at.segment, offsetBytes: at.offsetBlocks * blockBytes, into: bytes, priority: 'back' });
      const header = decodeShardHeader(bytes, deps.checksums);
      if (header.stripeId === row.stripeId) {
        return header.effects;
      }
    } catch {
      // The next shard says the same; what is wrong with this one is for the scrub to find.
    }
  }
  return undefined;
}
