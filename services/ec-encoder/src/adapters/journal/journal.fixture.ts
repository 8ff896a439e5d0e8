/** Journals for tests: small, in folders of their own, with a model of what they must hold. */
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { referenceChecksums } from '../../domain/codec/crc32c.ts';
import type { JournalMap } from '../../domain/journal-map.ts';
import type { Journal, JournalOptions } from './journal.ts';

export const kib = 1024;

export function optionsFor(dirs: readonly string[], more: Partial<JournalOptions> = {}): JournalOptions {
  return {
    places: dirs.map((path) => ({ path, domain: path })),
    vaultId: 'vault',
    replicationFactor: dirs.length,
    sizeBytes: 1024 * kib,
    segmentBytes: 64 * kib,
    appliedLsn: 0,
    checksums: referenceChecksums,
    logger: quietLogger(),
    ...more,
  };
}

/** Blocks that tell their stamp in every word. */
export function stamped(stamp: number, blocks = 1): Uint8Array {
  const bytes = new Uint8Array(blocks * 4096);
  new Uint32Array(bytes.buffer).fill(stamp);
  return bytes;
}

/** What each block of layer 1 holds: its stamp, 'zero', or nothing. */
export async function contentOf(journal: Journal, blocks: number): Promise<string[]> {
  return await Promise.all(
    Array.from({ length: blocks }, async (_, block) => {
      const entry = journal.find(1, block);
      if (entry === undefined) {
        return '';
      }
      if (entry.kind === 'zero') {
        return 'zero';
      }
      const into = new Uint8Array(4096);
      await journal.read(entry, into);
      return stampOf(into);
    }),
  );
}

/** Of one block, or 'torn'. */
export function stampOf(block: Uint8Array): string {
  const words = new Uint32Array(block.buffer);
  return words.every((word) => word === words[0]) ? String(words[0]) : 'torn';
}

/** As `contentOf`, by lsn, without reading. */
export function lsnsOf(map: Pick<JournalMap, 'find'>, blocks: number): string[] {
  return Array.from({ length: blocks }, (_, block) => {
    const entry = map.find(1, block);
    return entry === undefined ? '' : `${entry.kind} ${entry.lsn}`;
  });
}
