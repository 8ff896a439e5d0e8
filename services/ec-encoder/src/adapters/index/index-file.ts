/**
 * LMDB maps its file into memory and trusts that all of it is there: a page beyond the end of a file that was cut would end the process. A file that
 * is shorter than its heads say is made longer, by a hole: LMDB takes no page of zeros for one of its own, and says so. The file may rightly be
 * shorter where its last pages are free, and then nobody misses them.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';

/** Of LMDB's data format 2, on machines like ours: where the head begins in its page, and what stands where in it. */
const head = { at: 24, magic: 0, version: 4, pageBytes: 24, lastPage: 120, bytes: 144 } as const;
const magic = 0xbeefc0de;
const dataVersion = 2;
const headsMax = 2;
const pageBytesMin = 512;
const pageBytesMax = 65_536;

/** Nothing where there is no such file yet, or where it has no head: LMDB says so by itself. */
export function fillIndexFile(path: string, mapSizeBytes: number): void {
  let file: number;
  try {
    file = openSync(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return;
    }
    throw error;
  }
  try {
    const wanted = wantedBytes(file);
    if (wanted > fstatSync(file).size && wanted <= mapSizeBytes) {
      ftruncateSync(file, wanted);
    }
  } finally {
    closeSync(file);
  }
}

function wantedBytes(file: number): number {
  let wanted = 0;
  let pageBytes = 0;
  for (let number = 0; number < headsMax; number += 1) {
    const bytes = Buffer.alloc(head.bytes);
    readSync(file, bytes, 0, bytes.length, number * pageBytes + head.at);
    const found = bytes.readUInt32LE(head.pageBytes);
    const isHead = bytes.readUInt32LE(head.magic) === magic && (bytes.readUInt32LE(head.version) & 0xffff) === dataVersion;
    if (!isHead || found < pageBytesMin || found > pageBytesMax) {
      break;
    }
    pageBytes = found;
    wanted = Math.max(wanted, headsMax * pageBytes, (Number(bytes.readBigUInt64LE(head.lastPage)) + 1) * pageBytes);
  }
  return wanted;
}
