/** The files of one copy of the journal: `journal.json` tells whose it is, `<number>.wal` are its segments. */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { ChecksumEngine } from '../../domain/codec/crc32c.ts';
import { JournalError } from './errors.ts';

const formatVersion = 1;
const metaName = 'journal.json';

/** What a folder says of its journal. Written anew at every open and whenever a copy is dropped. */
const metaSchema = z.strictObject({
  format: z.literal(formatVersion),
  vaultId: z.string(),
  copyId: z.string(),
  /** The epoch that this was written in, and its members: the number of each copy, and its id. A copy that is not among them is stale. */
  epoch: z.int().min(0),
  members: z.record(z.string(), z.string()),
  /** All up to here was acknowledged; what is missing below it is lost. */
  durableLsn: z.int().min(0),
  /** From, to: what an operator gave up. */
  acceptedLosses: z.array(z.tuple([z.int(), z.int()])),
});
export type CopyMeta = z.infer<typeof metaSchema>;

export function segmentPath(dir: string, segment: number): string {
  return join(dir, `${String(segment).padStart(8, '0')}.wal`);
}

export async function segmentsOf(dir: string): Promise<number[]> {
  const names = await readdir(dir);
  return names
    .filter((name) => /^\d{8,}\.wal$/.test(name))
    .map((name) => Number.parseInt(name, 10))
    .sort((a, b) => a - b);
}

export function newCopyId(): string {
  return randomUUID();
}

/** Undefined for an empty folder, which is made. */
export async function readMeta(dir: string, checksums: ChecksumEngine): Promise<CopyMeta | undefined> {
  // The folder's own name is synced too, or the power's loss takes all that is in it.
  await mkdir(dir, { recursive: true });
  await syncDir(dirname(dir));
  let text: string;
  try {
    text = await readFile(join(dir, metaName), 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw cause;
  }
  return parseMeta(dir, text, checksums);
}

function parseMeta(dir: string, text: string, checksums: ChecksumEngine): CopyMeta {
  let file: { format: number; sum: number };
  try {
    file = z.looseObject({ format: z.int(), sum: z.int() }).parse(JSON.parse(text));
  } catch (cause) {
    throw new JournalError('BAD_FORMAT', { path: dir }, { cause });
  }
  const { sum, ...meta } = file;
  if (meta.format > formatVersion) {
    throw new JournalError('NEWER_VERSION', { path: dir, format: meta.format });
  }
  const parsed = metaSchema.safeParse(meta);
  if (!parsed.success || sumOf(parsed.data, checksums) !== sum) {
    throw new JournalError('BAD_FORMAT', { path: dir });
  }
  return parsed.data;
}

/** A crash leaves the old file or the new one. */
export async function writeMeta(dir: string, meta: CopyMeta, checksums: ChecksumEngine): Promise<void> {
  const unfinished = join(dir, `${metaName}.tmp`);
  const file = await open(unfinished, 'w', 0o640);
  try {
    await file.writeFile(`${JSON.stringify({ ...meta, sum: sumOf(meta, checksums) }, undefined, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, join(dir, metaName));
  await syncDir(dir);
}

export async function syncDir(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function sumOf(meta: CopyMeta, checksums: ChecksumEngine): number {
  const { format, vaultId, copyId, epoch, members, durableLsn, acceptedLosses } = meta;
  const text = JSON.stringify([format, vaultId, copyId, epoch, Object.entries(members).sort(), durableLsn, acceptedLosses]);
  return checksums.crc32c(new TextEncoder().encode(text));
}
