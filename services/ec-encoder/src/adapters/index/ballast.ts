/**
 * Room that is given up when the disk is full, so that what frees space can still be written. LMDB writes a changed page to a new place before
 * it lets go of the old one: on a full disk nothing could be deleted without it.
 */
import { open, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';

const ballastBytes = 8 * 2 ** 20;
const pieceBytes = 2 ** 20;
/** Made again only where as much again is left beside it, so that it does not come and go with each change. */
const freeBytesMin = 4 * ballastBytes;

export class Ballast {
  readonly #path: string;
  readonly #freeBytesOf: (dir: string) => Promise<number>;
  readonly #dir: string;
  #isThere = false;

  /** `freeBytesOf` is for tests. */
  constructor(dir: string, freeBytesOf: (dir: string) => Promise<number> = readFreeBytes) {
    this.#dir = dir;
    this.#path = join(dir, 'ballast');
    this.#freeBytesOf = freeBytesOf;
  }

  get isThere(): boolean {
    return this.#isThere;
  }

  /** False where there is no room for it. What is written is not zeros, and not a hole: file systems keep no room for these. */
  async restore(): Promise<boolean> {
    if (this.#isThere) {
      return true;
    }
    const isWhole = await stat(this.#path).then(
      ({ size }) => size === ballastBytes,
      () => false,
    );
    this.#isThere = isWhole || ((await this.#freeBytesOf(this.#dir)) >= freeBytesMin && (await this.#write()));
    return this.#isThere;
  }

  async giveUp(): Promise<void> {
    this.#isThere = false;
    await rm(this.#path, { force: true });
  }

  async #write(): Promise<boolean> {
    const next = `${this.#path}.new`;
    try {
      const file = await open(next, 'w');
      try {
        const piece = Buffer.alloc(pieceBytes, 'ballast ');
        for (let at = 0; at < ballastBytes; at += pieceBytes) {
          await file.write(piece);
        }
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(next, this.#path);
      return true;
    } catch (error) {
      await rm(next, { force: true });
      if (isNoSpace(error)) {
        return false;
      }
      throw error;
    }
  }
}

/** Of Node.js (a name) and of LMDB (a number): no space, quota used up, file too large. */
export function isNoSpace(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG' || code === 28 || code === 122 || code === 27;
}

async function readFreeBytes(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}
