/**
 * The folder of a drive, on its thread: `couchestor-drive.json` says which drive it is, `segments/` holds the shards.
 *
 * The identity is written beside its place, synced, renamed and synced again: a crash leaves a folder that is empty but for the draft, which
 * counts as empty, or a whole drive.
 */
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ThreadError, threadErrorOf } from './thread-error.ts';

const identityFile = 'couchestor-drive.json';
const draftFile = `${identityFile}.draft`;
const probeFile = 'probe';
const probeBytes = 4096;
/** What an empty folder may hold: file systems and crashes leave these. */
const strangersAllowed: readonly string[] = ['lost+found', draftFile];

/** The text of the identity, made of `identityToMake` where there is none. */
export function readIdentity(path: string, identityToMake: string | undefined): string {
  const file = join(path, identityFile);
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (threadErrorOf(error).code !== 'GONE' || identityToMake === undefined) {
      throw error;
    }
  }
  mkdirSync(path, { recursive: true });
  const strangers = readdirSync(path).filter((name) => !strangersAllowed.includes(name));
  if (strangers.length > 0) {
    throw new ThreadError('NOT_EMPTY', `it holds ${strangers.slice(0, 3).join(', ')}`);
  }
  const draft = openSync(join(path, draftFile), 'w');
  try {
    writeSync(draft, identityToMake);
    fsyncSync(draft);
  } finally {
    closeSync(draft);
  }
  renameSync(join(path, draftFile), file);
  syncFolder(path);
  syncFolder(dirname(path));
  return identityToMake;
}

/** A folder that is known to be the right one, and is asked again now and then. */
export class DriveFolder {
  readonly path: string;
  readonly segmentsPath: string;
  readonly #identity: string;
  readonly #inode: string;

  constructor(path: string, identity: string) {
    this.path = path;
    this.segmentsPath = join(path, 'segments');
    this.#identity = identity;
    mkdirSync(this.segmentsPath, { recursive: true });
    syncFolder(path);
    this.#inode = this.#seenInode();
  }

  /** Folders on one disk have the same, so far as the system tells. */
  get device(): string {
    return this.#inode.split(':')[0] ?? '';
  }

  /** Throws unless the path still leads to this very folder: descriptors into one that was moved away would go on working. */
  check(): void {
    if (readFileSync(join(this.path, identityFile), 'utf8') !== this.#identity) {
      throw new ThreadError('WRONG_DRIVE', 'the identity file is that of another drive');
    }
    if (this.#seenInode() !== this.#inode) {
      throw new ThreadError('WRONG_DRIVE', 'the folder is a copy, or was mounted anew: open the drive again');
    }
  }

  /** A block there and back. */
  probe(): void {
    this.check();
    const file = join(this.path, probeFile);
    const fd = openSync(file, 'w+');
    try {
      const written = Buffer.alloc(probeBytes, this.#inode);
      const read = Buffer.alloc(probeBytes);
      writeSync(fd, written, 0, probeBytes, 0);
      fdatasyncSync(fd);
      readSync(fd, read, 0, probeBytes, 0);
      if (!read.equals(written)) {
        throw new ThreadError('IO', 'the block of the probe reads otherwise than it was written');
      }
    } finally {
      closeSync(fd);
    }
    rmSync(file);
  }

  syncSegments(): void {
    syncFolder(this.segmentsPath);
  }

  #seenInode(): string {
    const { dev, ino } = statSync(this.segmentsPath, { bigint: true });
    return `${dev}:${ino}`;
  }
}

function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
