/**
 * The file `format` says what a data folder is: which vault, in which format. It is begun first, as `format.new`, whole and synced, and gets its
 * name when all else is there; without it, a folder that holds an index is refused. A crash in between leaves a `format.new`, which tells the next
 * start that what it finds was never finished.
 */
import { randomUUID } from 'node:crypto';
import { copyFile, open, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { referenceChecksums } from '../../domain/codec/crc32c.ts';
import { IndexError } from './errors.ts';

const magic = 'couchestor-ec-vault';
const formatVersion = 1;
const draftName = 'format.new';

const formatSchema = z.looseObject({ magic: z.literal(magic), format: z.int().positive() });
const formatV1Schema = z.strictObject({
  magic: z.literal(magic),
  format: z.literal(formatVersion),
  vaultId: z.string().min(1),
  createdAt: z.string(),
  crc32c: z.int(),
});

/** The vault's id. Makes the file where `isNew`. Throws IndexError NOT_AN_INDEX, NEWER_FORMAT or WRONG_VAULT. */
export async function checkFormat(o: { dir: string; vaultId?: string | undefined; isNew: boolean }): Promise<string> {
  const text = await readIfThere(join(o.dir, 'format'));
  if (text === undefined) {
    if (!o.isNew) {
      throw new IndexError('NOT_AN_INDEX', { dir: o.dir });
    }
    const vaultId = await beginFormat(o);
    await finishFormat(o.dir);
    return vaultId;
  }
  const vaultId = parseFormat(o.dir, text);
  if (o.vaultId !== undefined && o.vaultId !== vaultId) {
    throw new IndexError('WRONG_VAULT', { dir: o.dir, expected: o.vaultId, found: vaultId });
  }
  return vaultId;
}

function parseFormat(dir: string, text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new IndexError('NOT_AN_INDEX', { dir }, { cause });
  }
  const any = formatSchema.safeParse(value);
  if (any.data !== undefined && any.data.format > formatVersion) {
    throw new IndexError('NEWER_FORMAT', { dir, format: any.data.format, known: formatVersion });
  }
  const { data, error } = formatV1Schema.safeParse(value);
  if (data === undefined || data.crc32c !== checksumOf(data)) {
    throw new IndexError('NOT_AN_INDEX', { dir }, { cause: error });
  }
  return data.vaultId;
}

/** Whether the data folder was made and is whole, or its making was cut short by a crash. */
export async function lookAtFormat(dir: string): Promise<'absent' | 'unfinished' | 'finished'> {
  const names = await readdir(dir);
  if (names.includes('format')) {
    return 'finished';
  }
  return names.includes(draftName) ? 'unfinished' : 'absent';
}

/** Synced, and its name too: what is made behind it is known to be unfinished until `finishFormat`. */
export async function beginFormat(o: { dir: string; vaultId?: string | undefined }): Promise<string> {
  const vaultId = o.vaultId ?? randomUUID();
  const content = { magic, format: formatVersion, vaultId, createdAt: new Date().toISOString() };
  const file = await open(join(o.dir, draftName), 'w');
  try {
    await file.writeFile(`${JSON.stringify({ ...content, crc32c: checksumOf(content) }, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await syncFolder(o.dir);
  return vaultId;
}

export async function finishFormat(dir: string): Promise<void> {
  await rename(join(dir, draftName), join(dir, 'format'));
  await syncFolder(dir);
}

/** Of a backup: last, so that a folder with it is whole. */
export async function copyFormat(from: string, to: string): Promise<void> {
  await copyFile(join(from, 'format'), join(to, 'format'));
  await syncFolder(to);
}

export async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function checksumOf(content: { format: number; vaultId: string; createdAt: string }): number {
  return referenceChecksums.crc32c(Buffer.from(`${magic} ${content.format} ${content.vaultId} ${content.createdAt}`));
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}
